"""The audit trail is a chain that nobody can change unseen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from clip_platform.database import audit
from clip_platform.database.audit import Chain
from clip_platform.database.connection import Database
from clip_platform.errors import CorruptArtifact
from tests.conftest import MigratedServer


def append(database: Database, tenant_id: str, action: str) -> None:
    with database.tenant_transaction(tenant_id) as connection:
        details = {"ünïcode": 'q"uote\\', "nested": {"b": [1.5, None, True], "a": "\u202e"}}
        audit.append(connection, tenant_id, "token:tok_1", action, "video:1", details, "req_1")


def follow(database: Database, tenant_id: str) -> int:
    chain = Chain()
    with database.tenant_transaction(tenant_id) as connection:
        for event in audit.oldest(connection, 1000):
            chain.follow(event.sequence, event.canonical, event.previous_hash, event.hash)
    return chain.sequence


def append_and_fail(database: Database) -> None:
    with database.tenant_transaction("acme") as connection:
        audit.append(connection, "acme", "a", "b", "c", {}, None)
        _ = 1 / 0


@pytest.fixture
def trail(database: Database) -> Database:
    for number in range(5):
        append(database, "acme", f"deed {number}")
    return database


def test_every_tenants_chain_is_its_own_and_unbroken(trail: Database):
    append(trail, "globex", "deed")

    assert (follow(trail, "acme"), follow(trail, "globex")) == (5, 1)


def test_events_written_at_once_make_one_chain(database: Database):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: append(database, "acme", f"deed {number}"), range(40)))

    assert follow(database, "acme") == 40


def test_an_event_of_a_transaction_that_failed_leaves_no_gap(trail: Database):
    with pytest.raises(ZeroDivisionError):
        append_and_fail(trail)

    append(trail, "acme", "after")

    assert follow(trail, "acme") == 6


@pytest.mark.parametrize(
    ("tampering", "where"),
    [
        ("update audit_events set action = 'nothing' where sequence = 3", "event 3: its content"),
        ("update audit_events set actor = 'somebody' where sequence = 1", "event 1: its content"),
        ("update audit_events set at = at + interval '1 second' where sequence = 2", "event 2: its content"),
        ("delete from audit_events where sequence = 4", "event 4: event 5 follows"),
        ("delete from audit_events where sequence = 1", "event 1: event 2 follows"),
        ("update audit_events set previous_hash = sha256('x') where sequence = 3", "event 3: it does not follow"),
    ],
)
def test_whoever_can_write_the_table_is_found_out(
    trail: Database, empty_database: MigratedServer, tampering: str, where: str
):
    with empty_database.superuser() as connection:
        connection.execute(tampering)

    with pytest.raises(CorruptArtifact, match=where):
        follow(trail, "acme")


def test_newest_events_come_first_and_pages_join(trail: Database):
    with trail.tenant_transaction("acme") as connection:
        first = audit.newest(connection, 2)
        rest = audit.newest(connection, 10, first[-1].sequence)

    assert [event.sequence for event in (*first, *rest)] == [5, 4, 3, 2, 1]
