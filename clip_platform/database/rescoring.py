"""Scores of the archive by model version: written day by day, shown per tenant all at once, taken back exactly.

A version is begun, its days are written, and when none is missing every tenant is flipped to it in one transaction.
Readers follow the pointer, so nobody sees a mix of a finished and an unfinished version. Runs as the rescorer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError

from clip_platform.database import events
from clip_platform.database.connection import Database
from clip_platform.database.events import EventType
from clip_platform.errors import Conflict, InvalidInput, Superseded
from clip_platform.identifiers import served_name

COLUMNS = ("tenant_id", "video_id", "clip_id", "value", "low", "high", "band", "top_chance", "reasons")
"""Of the CSV that `write_day` takes, in this order; `reasons` is JSON or empty."""


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """`unknown`: rows of clips that are gone, or are another tenant's; they were left out."""

    clips: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Flip:
    """A tenant that is shown other scores now. `changed`: clips whose score, rounded, is another one."""

    tenant_id: str
    previous_version: str | None
    clips: int
    changed: int


_MADE_WITH = "made with"
"""Stands among the versions that were begun for the scores that clips were made with."""
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('rescoring', 0))")
_NO_TIMEOUT = text("set local statement_timeout = 0")
_BEGIN = text("insert into rescorings (model_version) values (:version) on conflict (model_version) do nothing")
_RESUME = text("update rescorings set sequence = default where model_version = :version")
_NEWEST = text("select model_version from rescorings order by sequence desc limit 1")
_SHOWN = text("select tenant_id, model_version from score_versions")
_DAYS_DONE = text("select day from rescored_days where model_version = :version")
_DAYS_WHOLE = text("""
    select d.day from rescored_days d where d.model_version = :version and d.clips >= (
        select count(*) from clips c where c.created_at >= cast(d.day as timestamp) at time zone 'UTC'
            and c.created_at < cast(d.day + 1 as timestamp) at time zone 'UTC')""")
_DAYS_MADE = text("select distinct (created_at at time zone 'UTC')::date from clips")
_ARRIVING = text("""
    create temporary table arriving (tenant_id text, video_id text, clip_id text, value double precision,
        low double precision, high double precision, band text, top_chance double precision, reasons jsonb)
    on commit drop""")
_COPY = f"copy arriving ({', '.join(COLUMNS)}) from stdin with (format csv)"
_WRITE = text("""
    insert into clip_scores (tenant_id, video_id, clip_id, model_version, value, low, high, band, top_chance, reasons)
    select a.tenant_id, a.video_id, a.clip_id, :version, a.value, a.low, a.high, a.band, a.top_chance, a.reasons
    from arriving a join clips c on c.video_id = a.video_id and c.clip_id = a.clip_id and c.tenant_id = a.tenant_id
    on conflict (model_version, video_id, clip_id) do update
    set (value, low, high, band, top_chance, reasons, scored_at) = (excluded.value, excluded.low, excluded.high,
        excluded.band, excluded.top_chance, excluded.reasons, now())
    where (clip_scores.value, clip_scores.low, clip_scores.high, clip_scores.band, clip_scores.top_chance,
            clip_scores.reasons)
        is distinct from (excluded.value, excluded.low, excluded.high, excluded.band, excluded.top_chance,
            excluded.reasons)""")
_COUNT = text("""
    select count(*) as arrived, count(c.clip_id) as known from arriving a
    left join clips c on c.video_id = a.video_id and c.clip_id = a.clip_id and c.tenant_id = a.tenant_id""")
_DONE = text("""
    insert into rescored_days (model_version, day, clips) values (:version, :day, :clips)
    on conflict (model_version, day) do update set clips = excluded.clips, done_at = now()""")
_COMPLETED = text("update rescorings set completed_at = coalesce(completed_at, now()) where model_version = :version")
_FLIP = text("""
    insert into score_versions (tenant_id, model_version)
    select distinct tenant_id, cast(:version as text) from clip_scores where model_version = :version
    on conflict (tenant_id) do update
    set previous_version = score_versions.model_version, model_version = excluded.model_version, flipped_at = now()
    where score_versions.model_version <> excluded.model_version
    returning tenant_id, previous_version""")
_CHANGED = text("""
    select n.tenant_id, count(*) as clips,
        count(*) filter (where round(n.value) is distinct from round(coalesce(o.value, c.score))) as changed
    from clip_scores n
    join clips c on c.video_id = n.video_id and c.clip_id = n.clip_id
    left join score_versions v on v.tenant_id = n.tenant_id
    left join clip_scores o on o.model_version = v.previous_version and o.video_id = n.video_id
        and o.clip_id = n.clip_id
    where n.model_version = :version and n.tenant_id = any(:tenants)
    group by n.tenant_id""")
_BACK_TO_MADE_WITH = text("delete from score_versions returning tenant_id, model_version as previous_version")
_HAS_SCORES = text("select exists(select from clip_scores where model_version = :version)")
_FORGET_DAYS = text("delete from rescored_days where not model_version = any(:kept)")
_FORGET = text("delete from clip_scores where not model_version = any(:kept)")


def begin(db: Database, model_version: str) -> None:
    """From now on this version is the one that is to be shown; older ones that are not complete never will be."""
    if not model_version:
        raise InvalidInput("a model version is empty; name the one to score with")
    with db.across_tenants() as connection:
        connection.execute(_ONE_AT_A_TIME)
        connection.execute(_BEGIN, {"version": model_version})


def resume(db: Database, model_version: str) -> None:
    """An earlier version serves again, so it is the one to be shown: what it lacks is written as of a new one."""
    with db.across_tenants() as connection:
        connection.execute(_ONE_AT_A_TIME)
        _resume(connection, model_version)


def current(db: Database) -> str | None:
    """The version that is to be shown; None: the scores that clips were made with."""
    with db.across_tenants() as connection:
        newest: str | None = connection.execute(_NEWEST).scalar_one_or_none()
    return None if newest == _MADE_WITH else newest


def write_day(db: Database, model_version: str, day: date, csv: Iterable[bytes]) -> WrittenDay:
    """Writes scores of the clips made that day, all or none; twice is once.

    Args:
        csv: rows of `COLUMNS`, in pieces of any size; never in memory as a whole.

    Raises:
        Superseded: a newer version was begun; nothing is written.
        InvalidInput: a score is no number, or not 0 .. 100 within its interval; nothing is written.
    """
    try:
        with db.across_tenants() as connection:
            _expect_current(connection, model_version)
            connection.execute(_NO_TIMEOUT)
            connection.execute(_ARRIVING)
            _copy(connection, csv)
            counts = connection.execute(_COUNT).one()
            connection.execute(_WRITE, {"version": model_version})
            connection.execute(_DONE, {"version": model_version, "day": day, "clips": counts.known})
            return WrittenDay(counts.known, counts.arrived - counts.known)
    except (IntegrityError, DataError, psycopg.DataError) as error:
        raise InvalidInput(
            f"scores of {day} by {model_version} are refused; a score is 0 to 100 within its interval, its chance 0 to "
            "1, its reasons JSON: check the model",
            detail=str(error),
        ) from error


def days_whole(db: Database, model_version: str) -> set[date]:
    """Days done on which no clip is without a score of the version: none came in later, all had features."""
    with db.across_tenants() as connection:
        return set(connection.execute(_DAYS_WHOLE, {"version": model_version}).scalars())


def days_made(db: Database) -> list[date]:
    """UTC days on which clips were made that are still there, oldest first."""
    with db.across_tenants() as connection:
        return sorted(connection.execute(_DAYS_MADE).scalars())


def shown(db: Database) -> dict[str, str]:
    """The version that each tenant is shown; those with none see the scores that their clips were made with."""
    with db.across_tenants() as connection:
        return {row.tenant_id: row.model_version for row in connection.execute(_SHOWN)}


def flip(db: Database, model_version: str, today: date | None = None) -> list[Flip]:
    """Shows every tenant this version's scores, and tells each in one event; who sees them already is left alone.

    Args:
        today: whose clips may still be missing; those made since the scoring began carry their own scores.

    Raises:
        Conflict: days are missing.
        Superseded: a newer version was begun.
    """
    today = today or datetime.now(UTC).date()
    with db.across_tenants() as connection:
        connection.execute(_NO_TIMEOUT)
        connection.execute(_ONE_AT_A_TIME)
        _expect_current(connection, model_version)
        done = set(connection.execute(_DAYS_DONE, {"version": model_version}).scalars())
        made = set(connection.execute(_DAYS_MADE).scalars())
        missing = sorted(day for day in made - done if day < today)
        if missing:
            raise Conflict(
                f"{len(missing)} days are not scored with {model_version} yet, {missing[0]} the first; materialise "
                "rescored_clips of these days"
            )
        connection.execute(_COMPLETED, {"version": model_version})
        return _flipped(connection, model_version)


def roll_back(db: Database, model_version: str | None) -> list[Flip]:
    """Shows every tenant the scores of an earlier version again, exactly as they were; None: those that its clips were
    made with. No later version that is not begun anew is shown by itself.

    Raises:
        Conflict: its scores are gone, or never were.
    """
    with db.across_tenants() as connection:
        connection.execute(_NO_TIMEOUT)
        connection.execute(_ONE_AT_A_TIME)
        if model_version is None:
            _resume(connection, _MADE_WITH)
            back = {row.tenant_id: row.previous_version for row in connection.execute(_BACK_TO_MADE_WITH)}
            flips = [Flip(tenant_id, version, 0, 0) for tenant_id, version in sorted(back.items())]
            for flip_ in flips:
                _tell(connection, flip_, None)
            return flips
        if not connection.execute(_HAS_SCORES, {"version": model_version}).scalar_one():
            raise Conflict(
                f"there are no scores of version {model_version} to go back to; re-score the archive with it"
            )
        return _flipped(connection, model_version)


def forget(db: Database, kept: Collection[str]) -> int:
    """Deletes scores of all versions but these and those that tenants are shown; how many rows."""
    with db.across_tenants() as connection:
        connection.execute(_NO_TIMEOUT)
        connection.execute(_ONE_AT_A_TIME)
        names = sorted({*kept, *(row.model_version for row in connection.execute(_SHOWN))})
        connection.execute(_FORGET_DAYS, {"kept": names})
        return connection.execute(_FORGET, {"kept": names}).rowcount


def _copy(connection: Connection, csv: Iterable[bytes]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for piece in csv:
            copy.write(piece)


def _resume(connection: Connection, model_version: str) -> None:
    connection.execute(_BEGIN, {"version": model_version})
    if connection.execute(_NEWEST).scalar_one() != model_version:
        connection.execute(_RESUME, {"version": model_version})


def _expect_current(connection: Connection, model_version: str) -> None:
    """The version begun last, or one that is shown: after a rollback the archive goes on with the older one."""
    newest = connection.execute(_NEWEST).scalar_one_or_none()
    if newest == model_version:
        return
    if model_version not in {row.model_version for row in connection.execute(_SHOWN)}:
        if newest == _MADE_WITH:
            raise Superseded(f"the heuristic serves again, not {model_version}; promote it to score with it")
        raise Superseded(f"version {newest} was begun after {model_version}; score with that one")


def _flipped(connection: Connection, model_version: str) -> list[Flip]:
    before = {row.tenant_id: row.previous_version for row in connection.execute(_FLIP, {"version": model_version})}
    counts = connection.execute(_CHANGED, {"version": model_version, "tenants": sorted(before)})
    flips = [Flip(row.tenant_id, before[row.tenant_id], row.clips, row.changed) for row in counts]
    for flip_ in sorted(flips, key=lambda one: one.tenant_id):
        _tell(connection, flip_, model_version)
    return flips


def _tell(connection: Connection, flip_: Flip, model_version: str | None) -> None:
    """Versions by the names that clips' scores give them; None: those that the clips were made with."""
    told: Mapping[str, Any] = {
        "model_version": model_version and served_name(model_version),
        "previous_version": flip_.previous_version and served_name(flip_.previous_version),
        "clips": flip_.clips,
        "changed": flip_.changed,
    }
    events.record(connection, flip_.tenant_id, EventType.RESCORED, None, told)
