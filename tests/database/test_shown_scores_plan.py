"""What a video's clips are shown with is found by their video, however many others there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from clip_platform.database import clips, shown_scores
from clip_platform.database.connection import Database
from tests.conftest import MigratedServer
from tests.database.archive import make_clips

TABLES = {"clips", "clip_scores", "clip_feedback", "video_arms"}


def scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Tables that are read, with the condition by which their index is searched."""
    if plan.get("Relation Name") in TABLES:
        yield plan["Relation Name"], plan.get("Index Cond", plan.get("Recheck Cond", ""))
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


@pytest.mark.parametrize("statement", [clips._SHOWN_CLIPS, clips._SHOWN_CLIP, shown_scores._WITHHELD])
def test_every_table_is_searched_by_the_video(
    empty_database: MigratedServer, api_door: Database, statement: TextClause
) -> None:
    ((video_id, clip_id), *_) = make_clips(empty_database, "acme", datetime.now(UTC).date(), videos=2000)
    values = {"video_id": video_id, "clip_id": clip_id}
    with empty_database.superuser() as connection:
        connection.execute("analyze clips, clip_scores, clip_feedback, video_arms")  # not those of the test before

    with api_door.tenant_transaction("acme") as connection:
        connection.execute(text("set local enable_seqscan = off"))  # tables are too small here to be searched else
        explained = connection.execute(text(f"explain (format json) {statement.text}"), values).scalar_one()

    found = list(scans(explained[0]["Plan"]))
    assert {table for table, _ in found} >= TABLES - {"clip_scores"}
    assert [table for table, condition in found if "video_id" not in condition] == []
