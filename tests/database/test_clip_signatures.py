"""Which earlier clips a video's are compared with, on a real Postgres."""

from __future__ import annotations

from fractions import Fraction

import pytest

from clip_platform.database import clips
from clip_platform.database.connection import Database
from tests.conftest import MigratedServer


@pytest.fixture
def of_three_videos(register_video, empty_database: MigratedServer):
    """Ids of three videos of acme's, in order, each with one clip; the second is a copy of the first."""
    made = [register_video("acme", name).video_id for name in ("monday.mp4", "copy.mp4", "friday.mp4")]
    foreign = register_video("globex", "foreign.mp4").video_id
    with empty_database.superuser() as connection:
        for number, video_id in enumerate([*made, foreign]):
            sha256 = f"{max(number, 1):064x}"
            connection.execute(f"update videos set source_sha256 = '{sha256}' where id = '{video_id}'")
            connection.execute(f"""
                insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, reasons, files,
                    fallbacks, model, signature)
                select id, tenant_id, 'c', 1, {number}.5, 20, 50, '', '[]', '{{}}', '[]', 'h', '\\x0{number + 1}'
                from videos where id = '{video_id}'""")
    return made


def test_clips_of_older_videos_of_the_tenant_are_given_newest_first(database: Database, of_three_videos):
    first, _copy, last = of_three_videos

    found = clips.signatures_before(database, "acme", last)

    assert [(one.video_name, one.start_s, one.signature) for one in found] == [
        ("copy.mp4", Fraction(3, 2), b"\x02"),
        ("monday.mp4", Fraction(1, 2), b"\x01"),
    ]
    assert clips.signatures_before(database, "acme", first) == []


def test_a_copy_of_the_same_source_is_not_held_against_it(database: Database, of_three_videos):
    assert clips.signatures_before(database, "acme", of_three_videos[1]) == []


def test_a_clip_without_a_signature_is_left_out(database: Database, of_three_videos, empty_database: MigratedServer):
    with empty_database.superuser() as connection:
        connection.execute("update clips set signature = '' where start_s < 1")

    assert [one.video_name for one in clips.signatures_before(database, "acme", of_three_videos[2])] == ["copy.mp4"]
