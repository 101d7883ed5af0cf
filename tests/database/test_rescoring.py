"""Scores of the archive by version: nobody ever sees a mix, a day is written whole or not, and back is exactly back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from clip_platform.database import rescoring
from clip_platform.database.connection import Database
from clip_platform.errors import Conflict, InvalidInput, StorageUnavailable, Superseded
from clip_platform.ml import rescoring as scored
from tests.conftest import MigratedServer
from tests.database.archive import make_clips, scores_csv

MONDAY, TUESDAY, TODAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)
Keys = dict[tuple[str, date], list[tuple[str, str]]]


@pytest.fixture
def archive(empty_database: MigratedServer) -> Keys:
    """Two tenants, two days, four clips each."""
    return {
        (tenant, day): make_clips(empty_database, tenant, day, videos=2)
        for tenant in ("acme", "globex")
        for day in (MONDAY, TUESDAY)
    }


def _write(door: Database, archive: Keys, version: str, day: date, value: float) -> rescoring.WrittenDay:
    csv = [piece for (tenant, of_day), keys in archive.items() if of_day == day
           for piece in scores_csv(tenant, keys, value)]  # fmt: skip
    return rescoring.write_day(door, version, day, csv)


def _write_all(door: Database, archive: Keys, version: str, value: float) -> None:
    rescoring.begin(door, version)
    for day in (MONDAY, TUESDAY):
        _write(door, archive, version, day, value)


def _seen(server: MigratedServer) -> dict[str, set[float]]:
    """The values that tenants are shown."""
    with server.superuser() as connection:
        rows = connection.execute("""
            select c.tenant_id, coalesce(s.value, c.score) from clips c
            left join score_versions v on v.tenant_id = c.tenant_id
            left join clip_scores s on s.video_id = c.video_id and s.clip_id = c.clip_id
                and s.model_version = v.model_version""").fetchall()
    seen: dict[str, set[float]] = {}
    for tenant, value in rows:
        seen.setdefault(tenant, set()).add(value)
    return seen


def test_nothing_is_shown_before_the_last_day_is_written(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    rescoring.begin(rescorer_door, "7")
    assert _write(rescorer_door, archive, "7", MONDAY, 70) == rescoring.WrittenDay(8, 0)
    with pytest.raises(Conflict, match="1 days are not scored with 7 yet, 2026-03-03 the first"):
        rescoring.flip(rescorer_door, "7", TODAY)
    assert _seen(empty_database) == {"acme": {50}, "globex": {50}}

    _write(rescorer_door, archive, "7", TUESDAY, 70)
    flips = rescoring.flip(rescorer_door, "7", TODAY)
    assert sorted(flips, key=lambda one: one.tenant_id) == [
        rescoring.Flip("acme", None, 8, 8), rescoring.Flip("globex", None, 8, 8),
    ]  # fmt: skip
    assert _seen(empty_database) == {"acme": {70}, "globex": {70}}
    assert rescoring.shown(rescorer_door) == {"acme": "7", "globex": "7"}


def test_what_a_model_writes_has_the_columns_that_are_read() -> None:
    assert scored.COLUMNS == rescoring.COLUMNS


def test_each_tenant_is_told_once(rescorer_door: Database, archive: Keys, empty_database: MigratedServer) -> None:
    _write_all(rescorer_door, archive, "7", 70)
    rescoring.flip(rescorer_door, "7", TODAY)
    assert rescoring.flip(rescorer_door, "7", TODAY) == []
    with empty_database.superuser() as connection:
        told = connection.execute("select tenant_id, type, payload from events order by tenant_id").fetchall()
    payload = {"model_version": "engagement-7", "previous_version": None, "clips": 8, "changed": 8}
    assert told == [("acme", "clip.rescored", payload), ("globex", "clip.rescored", payload)]


def test_a_day_written_twice_is_written_once(rescorer_door: Database, archive: Keys) -> None:
    rescoring.begin(rescorer_door, "7")
    for _ in range(2):
        assert _write(rescorer_door, archive, "7", MONDAY, 70) == rescoring.WrittenDay(8, 0)
    assert rescoring.days_whole(rescorer_door, "7") == {MONDAY}
    assert rescoring.days_made(rescorer_door) == [MONDAY, TUESDAY]


def test_a_run_that_dies_in_the_middle_of_a_day_leaves_nothing_of_it(rescorer_door: Database, archive: Keys) -> None:
    class Killed(Exception):
        pass

    def dying() -> Iterator[bytes]:
        yield from scores_csv("acme", archive["acme", MONDAY], 70)
        raise Killed

    rescoring.begin(rescorer_door, "7")
    with pytest.raises(Killed):
        rescoring.write_day(rescorer_door, "7", MONDAY, dying())
    assert rescoring.days_whole(rescorer_door, "7") == set()
    assert _write(rescorer_door, archive, "7", MONDAY, 71) == rescoring.WrittenDay(8, 0)


def test_a_session_that_the_server_ends_leaves_nothing(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    def ended() -> Iterator[bytes]:
        yield from scores_csv("acme", archive["acme", MONDAY], 70)
        with empty_database.superuser() as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename like '%rescorer'")
        for _ in range(1000):
            yield from scores_csv("acme", archive["acme", MONDAY], 70)

    rescoring.begin(rescorer_door, "7")
    with pytest.raises(StorageUnavailable):
        rescoring.write_day(rescorer_door, "7", MONDAY, ended())
    assert rescoring.days_whole(rescorer_door, "7") == set()


def test_a_version_begun_later_makes_an_unfinished_one_history(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    rescoring.begin(rescorer_door, "7")
    _write(rescorer_door, archive, "7", MONDAY, 70)
    _write_all(rescorer_door, archive, "8", 80)
    with pytest.raises(Superseded, match="version 8 was begun after 7"):
        _write(rescorer_door, archive, "7", TUESDAY, 70)
    with pytest.raises(Superseded):
        rescoring.flip(rescorer_door, "7", TODAY)
    rescoring.flip(rescorer_door, "8", TODAY)
    assert _seen(empty_database) == {"acme": {80}, "globex": {80}}


def test_rolling_back_shows_exactly_what_was_shown(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    _write_all(rescorer_door, archive, "7", 70.123456789)
    rescoring.flip(rescorer_door, "7", TODAY)
    before = _seen(empty_database)
    _write_all(rescorer_door, archive, "8", 80)
    assert {flip.changed for flip in rescoring.flip(rescorer_door, "8", TODAY)} == {8}

    rescoring.roll_back(rescorer_door, "7")
    assert _seen(empty_database) == before
    # the archive goes on with the older one, although a newer one was begun
    assert _write(rescorer_door, archive, "7", MONDAY, 70.123456789).clips == 8
    assert rescoring.flip(rescorer_door, "7", TODAY) == []

    back = rescoring.roll_back(rescorer_door, None)
    assert {flip.previous_version for flip in back} == {"7"}
    assert _seen(empty_database) == {"acme": {50}, "globex": {50}}


def test_after_a_rollback_to_the_heuristic_what_was_being_written_is_not_shown(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    _write_all(rescorer_door, archive, "7", 70)
    assert rescoring.current(rescorer_door) == "7"
    rescoring.roll_back(rescorer_door, None)
    assert rescoring.current(rescorer_door) is None
    with pytest.raises(Superseded, match="the heuristic serves again, not 7"):
        rescoring.flip(rescorer_door, "7", TODAY)
    assert _seen(empty_database) == {"acme": {50}, "globex": {50}}

    rescoring.resume(rescorer_door, "7")
    assert len(rescoring.flip(rescorer_door, "7", TODAY)) == 2


def test_a_day_is_whole_when_each_of_its_clips_has_a_score(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    rescoring.begin(rescorer_door, "7")
    rescoring.write_day(rescorer_door, "7", MONDAY, [])  # before its features were there
    _write(rescorer_door, archive, "7", TUESDAY, 70)
    assert rescoring.days_whole(rescorer_door, "7") == {TUESDAY}
    make_clips(empty_database, "initech", TUESDAY)
    assert rescoring.days_whole(rescorer_door, "7") == set()
    with empty_database.superuser() as connection:
        connection.execute("delete from videos where tenant_id = 'initech'")
    _write(rescorer_door, archive, "7", MONDAY, 70)
    assert rescoring.days_whole(rescorer_door, "7") == {MONDAY, TUESDAY}


def test_there_is_no_way_back_to_scores_that_are_gone(rescorer_door: Database, archive: Keys) -> None:
    for version, value in (("7", 70), ("8", 80), ("9", 90)):
        _write_all(rescorer_door, archive, version, value)
        rescoring.flip(rescorer_door, version, TODAY)
    assert rescoring.forget(rescorer_door, ["8"]) == 16
    with pytest.raises(Conflict, match="no scores of version 7"):
        rescoring.roll_back(rescorer_door, "7")
    assert len(rescoring.roll_back(rescorer_door, "8")) == 2


def test_a_version_that_serves_again_goes_on_where_it_was(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    rescoring.begin(rescorer_door, "7")
    _write(rescorer_door, archive, "7", MONDAY, 70)
    _write_all(rescorer_door, archive, "8", 80)
    rescoring.flip(rescorer_door, "8", TODAY)
    rescoring.resume(rescorer_door, "7")
    _write(rescorer_door, archive, "7", TUESDAY, 70)
    rescoring.flip(rescorer_door, "7", TODAY)
    assert _seen(empty_database) == {"acme": {70}, "globex": {70}}


def test_clips_that_are_gone_or_foreign_are_left_out(
    rescorer_door: Database, archive: Keys, empty_database: MigratedServer
) -> None:
    rescoring.begin(rescorer_door, "7")
    foreign = list(scores_csv("globex", archive["acme", MONDAY], 70))
    gone = list(scores_csv("acme", [("nobody", "c1")], 70))
    own = list(scores_csv("acme", archive["acme", MONDAY], 70))
    assert rescoring.write_day(rescorer_door, "7", MONDAY, [*foreign, *gone, *own]) == rescoring.WrittenDay(4, 5)
    with empty_database.superuser() as connection:
        connection.execute("delete from videos where id = %s", [archive["acme", MONDAY][0][0]])
        left = connection.execute("select count(*) from clip_scores").fetchone()
    assert left == (2,)


@pytest.mark.parametrize(
    "row",
    ["acme,{v},c1,nan,0,100,middle,0.4,", "acme,{v},c1,101,0,101,middle,0.4,", "acme,{v},c1,50,60,70,middle,0.4,",
     "acme,{v},c1,50,40,60,splendid,0.4,", "acme,{v},c1,50,40,60,middle,1.4,", "acme,{v},c1,high,40,60,middle,0.4,",
     "acme,{v},c1,50,40,60,middle,0.4,{{", "acme,{v},c1"],
)  # fmt: skip
def test_a_score_that_is_none_is_refused_with_its_day(rescorer_door: Database, archive: Keys, row: str) -> None:
    rescoring.begin(rescorer_door, "7")
    line = row.format(v=archive["acme", MONDAY][0][0]).encode() + b"\n"
    with pytest.raises(InvalidInput, match="scores of 2026-03-02 by 7 are refused"):
        rescoring.write_day(rescorer_door, "7", MONDAY, [line])
    assert rescoring.days_whole(rescorer_door, "7") == set()


@pytest.mark.parametrize(
    "statement",
    ["select title from clips", "update clips set title = ''", "select * from clip_feedback", "select * from tenants",
     "select payload from events", "insert into events (event_id, tenant_id, type, payload) "
     "values ('e', 'acme', 'video.completed', '{}')", "delete from clips", "delete from rescorings"],
)  # fmt: skip
def test_the_rescorer_may_do_nothing_else(rescorer_door: Database, archive: Keys, statement: str) -> None:  # noqa: ARG001
    with (
        pytest.raises(ProgrammingError, match=r"denied|violates row-level"),
        rescorer_door.across_tenants() as connection,
    ):
        connection.execute(text(statement))
