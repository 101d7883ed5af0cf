"""The ledger and its quotas, on a real Postgres."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from clip_platform.database import usage
from clip_platform.database.connection import Database
from clip_platform.database.usage import Quotas
from clip_platform.errors import InvalidInput, QuotaExceeded
from tests.conftest import MigratedServer


def test_an_entry_counts_once_however_often_it_is_charged(database: Database):
    with database.tenant_transaction("acme") as connection:
        charged = [usage.charge(connection, "stored/v1", "stored_bytes", 1000, None) for _ in range(2)]
        usage.charge(connection, "freed/v1", "stored_bytes", -400, None)
        usage.charge(connection, "minutes/v1", "source_minutes", 3, None)

        totals = usage.totals(connection)

    assert charged == [True, False]
    assert (totals.stored_bytes, totals.source_minutes, totals.videos_in_flight) == (600, 3.0, 0)


def test_minutes_count_in_their_month_only_and_bytes_always(database: Database):
    with database.tenant_transaction("acme") as connection:
        usage.charge(connection, "stored/v1", "stored_bytes", 1000, None)
        usage.charge(connection, "minutes/v1", "source_minutes", 3, None)

        before = usage.totals(connection, datetime(2020, 1, 1, tzinfo=UTC))

    assert (before.stored_bytes, before.source_minutes) == (1000, 0.0)


def test_pages_of_entries_join_without_a_gap(database: Database):
    with database.tenant_transaction("acme") as connection:
        for number in range(5):
            usage.charge(connection, f"stored/v{number}", "stored_bytes", number, None)
        first = usage.entries(connection, None, limit=2)
        rest = usage.entries(connection, None, limit=10, after=(first[-1].at, first[-1].entry_key))

    assert [entry.entry_key for entry in (*first, *rest)] == [f"stored/v{number}" for number in range(5)]


def test_a_tenants_own_quota_goes_before_the_installations(database: Database, empty_database: MigratedServer):
    with empty_database.superuser() as connection:
        connection.execute("update tenants set quota_stored_bytes = 10 where tenant_id = 'acme'")

    with database.tenant_transaction("acme") as connection:
        assert usage.quotas(connection, Quotas(stored_bytes=99, minutes_a_month=5)) == Quotas(10, 5, None)
    with database.tenant_transaction("globex") as connection:
        assert usage.quotas(connection, Quotas(stored_bytes=99)) == Quotas(99, None, None)


def test_an_upload_that_would_not_fit_is_refused_with_the_figures(database: Database):
    quotas = Quotas(stored_bytes=1000)
    with database.tenant_transaction("acme") as connection:
        usage.charge(connection, "stored/v1", "stored_bytes", 600, None)

        usage.check_quota(connection, quotas, new_bytes=400)
        with pytest.raises(QuotaExceeded, match=r"1001 bytes .* 1000 are allowed; delete videos"):
            usage.check_quota(connection, quotas, new_bytes=401)


def test_used_up_minutes_refuse_the_next_upload(database: Database):
    with database.tenant_transaction("acme") as connection:
        usage.check_quota(connection, Quotas(minutes_a_month=30), new_bytes=1)
        usage.charge(connection, "minutes/v1", "source_minutes", 30, None)

        with pytest.raises(QuotaExceeded, match=r"30 minutes .* 30 are allowed; wait for the next month"):
            usage.check_quota(connection, Quotas(minutes_a_month=30), new_bytes=1)


def test_two_uploads_at_once_cannot_both_take_the_last_room(database: Database):
    outcomes: list[str] = []

    def take(name: str) -> None:
        try:
            with database.tenant_transaction("acme") as connection:
                usage.check_quota(connection, Quotas(stored_bytes=1000), new_bytes=700)
                usage.charge(connection, name, "stored_bytes", 700, None)
            outcomes.append("taken")
        except QuotaExceeded:
            outcomes.append("refused")

    threads = [threading.Thread(target=take, args=(f"stored/{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["refused", "refused", "refused", "taken"]


@pytest.mark.parametrize("name", ["2026", "2026-13", "2026-11-01", "", "x"])
def test_a_month_that_is_none_is_refused(name: str):
    with pytest.raises(InvalidInput, match="write 2026-11"):
        usage.month_named(name)
