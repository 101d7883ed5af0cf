"""What there is to learn from, across tenants: numbers and identifiers. Runs as the learner, who reads nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from clip_platform.database.connection import Database

LATEST_COMMIT = timedelta(minutes=10)
"""A row is dated when its transaction begins and seen when it commits; none takes so long (statements end after 60 s,
idle transactions after 120 s)."""
FEEDBACK_COLUMNS = (
    *("feedback_id", "tenant_id", "video_id", "clip_id", "report_key", "kind", "decision", "platform", "day"),
    *("impressions", "views", "completions", "likes", "shares", "saves", "watched_s", "occurred_at", "received_at"),
)
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class MadeClip:
    """A published clip. `score` is what it was made with, by `model`; `arm`, by whose scores its video was shown."""

    tenant_id: str
    video_id: str
    clip_id: str
    duration_s: float
    score: float
    model: str
    arm: str | None


_TENANTS = text("select tenant_id from tenants order by tenant_id")
_FEEDBACK = text(f"""
    select {", ".join(FEEDBACK_COLUMNS)} from clip_feedback
    where received_at >= :start and received_at < :end order by tenant_id, feedback_id""")  # noqa: S608
_MADE = text("""
    select c.tenant_id, c.video_id, c.clip_id, c.end_s - c.start_s as duration_s, c.score, c.model, a.arm
    from clips c left join video_arms a on a.video_id = c.video_id
    where c.created_at >= :start and c.created_at < :end order by c.tenant_id, c.video_id, c.clip_id""")
_SHOWN = text("""
    select count(*) filter (where arm = 'challenger' and challenger_version = :version) as challenger,
        count(*) filter (where arm = 'champion' or challenger_version is distinct from :version) as champion
    from video_arms where arm <> 'explore' and decided_at >= :start and decided_at < :end""")
_DAYS = text("""
    select day, sum(clips)::bigint as clips, sum(feedback)::bigint as feedback from (
        select (created_at at time zone 'UTC')::date as day, count(*) as clips, 0 as feedback from clips group by 1
        union all
        select (received_at at time zone 'UTC')::date, 0, count(*) from clip_feedback group by 1) each
    group by day order by day""")


@dataclass(frozen=True, slots=True)
class BusyDay:
    """A UTC day, and how many clips were made and how many reports came in."""

    day: date
    clips: int
    feedback: int


def is_over(day: date, now: datetime | None = None) -> bool:
    """Whether all that was dated that UTC day can be seen by now, so that reading it again gives the same."""
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    return (now or datetime.now(UTC)) >= end + LATEST_COMMIT


def tenant_ids(db: Database) -> list[str]:
    with db.across_tenants() as connection:
        return list(connection.execute(_TENANTS).scalars())


def feedback_received(db: Database, day: date) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Reports that came in that UTC day, `FEEDBACK_COLUMNS` each, by tenant and then as they came, in pieces; all of
    one moment, in memory that does not grow with the day."""
    with db.across_tenants() as connection:
        yield from _streamed(connection, _FEEDBACK, day)


def clips_made(db: Database, day: date) -> Iterator[MadeClip]:
    """Clips made that UTC day that are still there, by tenant, video and clip."""
    with db.across_tenants() as connection:
        for rows in _streamed(connection, _MADE, day):
            for row in rows:
                tenant_id, video_id, clip_id, duration_s, score, model, arm = row
                yield MadeClip(tenant_id, video_id, clip_id, float(duration_s), float(score), model, arm)


def busy_days(db: Database) -> list[BusyDay]:
    """Oldest first."""
    with db.across_tenants() as connection:
        return [BusyDay(**row._mapping) for row in connection.execute(_DAYS)]


def shown_by(db: Database, challenger: str, first: date, last: date) -> tuple[int, int]:
    """Videos from `first` to before `last`, UTC days, that were not explored: by other scores shown than this
    challenger's, and by its own."""
    start, end = (datetime.combine(day, datetime.min.time(), UTC) for day in (first, last))
    with db.across_tenants() as connection:
        row = connection.execute(_SHOWN, {"version": challenger, "start": start, "end": end}).one()
    return int(row.champion), int(row.challenger)


def _streamed(connection: Connection, statement: Any, day: date) -> Iterator[Sequence[tuple[Any, ...]]]:
    start = datetime.combine(day, datetime.min.time(), UTC)
    values = {"start": start, "end": start + timedelta(days=1)}
    found = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement, values)
    for rows in found.partitions():
        yield [tuple(row) for row in rows]
