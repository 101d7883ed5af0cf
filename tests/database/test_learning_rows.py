"""What the learner reads: whole days in one order, across tenants, and nothing that anybody wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from clip_platform.database import arms, learning
from clip_platform.database.arms import VideoArm
from clip_platform.database.connection import Database
from tests.conftest import MigratedServer
from tests.database.archive import make_clips

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
_ADD = """insert into clip_feedback (feedback_id, tenant_id, video_id, clip_id, report_key, kind, decision, occurred_at,
    received_at, reported_by, clip_revision, note)
    values (%s, %s, %s, %s, %s, 'decision', 'accepted', now(), %s, 'x', 1, 'a secret note')"""


@pytest.fixture
def reported(empty_database: MigratedServer) -> MigratedServer:
    """Three reports on Monday and one at its last microsecond, one at the first of Tuesday."""
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    with empty_database.superuser() as connection:
        number = 9
        for tenant in ("globex", "acme"):
            (video, clip), *_ = make_clips(empty_database, tenant, MONDAY)
            for at in (monday, monday + timedelta(days=1, microseconds=-1), monday + timedelta(days=1)):
                number -= 1
                connection.execute(_ADD, [f"fbk_{number}", tenant, video, clip, str(number), at])
    return empty_database


def _ids(door: Database, day: date) -> list[str]:
    return [row[0] for rows in learning.feedback_received(door, day) for row in rows]


def test_a_day_begins_and_ends_at_midnight_utc_and_has_one_order(learner_door: Database, reported: object) -> None:  # noqa: ARG001
    assert _ids(learner_door, MONDAY) == ["fbk_4", "fbk_5", "fbk_7", "fbk_8"]
    assert _ids(learner_door, TUESDAY) == ["fbk_3", "fbk_6"]
    assert _ids(learner_door, date(2026, 3, 1)) == []


def test_columns_come_in_the_order_that_is_named(learner_door: Database, reported: object) -> None:  # noqa: ARG001
    row = dict(zip(learning.FEEDBACK_COLUMNS, next(learning.feedback_received(learner_door, MONDAY))[0], strict=True))
    assert (row["tenant_id"], row["kind"], row["decision"], row["views"]) == ("acme", "decision", "accepted", None)


def test_clips_come_with_how_they_were_shown(
    learner_door: Database, pipeline_door: Database, reported: MigratedServer
) -> None:
    (video, _), *_ = make_clips(reported, "acme", TUESDAY)
    with pipeline_door.tenant_transaction("acme") as connection:
        explored = VideoArm(video, "explore", "7", None, 0.1)
        assert arms.decide(connection, explored) == explored
        assert arms.decide(connection, VideoArm(video, "champion", "8", None, 0.0)) == explored
    made = list(learning.clips_made(learner_door, TUESDAY))
    assert [(one.tenant_id, one.clip_id, one.duration_s, one.arm) for one in made] == [
        ("acme", "c1", 8.0, "explore"), ("acme", "c2", 8.0, "explore"),
    ]  # fmt: skip
    assert {one.arm for one in learning.clips_made(learner_door, MONDAY)} == {None}


def test_who_showed_what_is_counted_from_the_log_of_arms(
    learner_door: Database, pipeline_door: Database, empty_database: MigratedServer
) -> None:
    """Another challenger's videos are the champion's: it is not this one that showed them."""
    logged = [("explore", "8"), ("champion", "8"), ("champion", None), ("challenger", "8"), ("challenger", "7")]
    for (arm, challenger), tenant in zip(logged, ("acme", "globex", "initech", "hooli", "umbrella"), strict=True):
        (video, _), *_ = make_clips(empty_database, tenant, TUESDAY)
        with pipeline_door.tenant_transaction(tenant) as connection:
            arms.decide(connection, VideoArm(video, arm, "6", challenger, 0.1))
    today = datetime.now(UTC).date()

    assert learning.shown_by(learner_door, "8", today - timedelta(days=1), today + timedelta(days=1)) == (3, 1)
    assert learning.shown_by(learner_door, "8", today + timedelta(days=1), today + timedelta(days=2)) == (0, 0)


def test_busy_days_are_counted(learner_door: Database, reported: object) -> None:  # noqa: ARG001
    assert learning.busy_days(learner_door) == [
        learning.BusyDay(MONDAY, 4, 4), learning.BusyDay(TUESDAY, 0, 2),
    ]  # fmt: skip
    assert learning.tenant_ids(learner_door) == ["acme", "globex"]


def test_a_day_is_over_when_no_transaction_of_it_can_still_commit() -> None:
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    assert not learning.is_over(MONDAY, midnight + timedelta(minutes=9))
    assert learning.is_over(MONDAY, midnight + timedelta(minutes=10))
    assert not learning.is_over(datetime.now(UTC).date())


@pytest.mark.parametrize(
    "statement",
    ["select note from clip_feedback", "select reported_by from clip_feedback", "select title from clips",
     "select text from clips", "select name from tenants", "select * from videos", "delete from clip_feedback",
     "insert into clip_scores (tenant_id) values ('acme')", "update score_versions set model_version = '1'"],
)  # fmt: skip
def test_the_learner_may_do_nothing_else(learner_door: Database, reported: object, statement: str) -> None:  # noqa: ARG001
    with pytest.raises(ProgrammingError, match="denied"), learner_door.across_tenants() as connection:
        connection.execute(text(statement))
