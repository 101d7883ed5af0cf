"""What a tenant has used: a ledger of stored bytes and source minutes, and the quotas it is held against.

Entries are added, never changed; what is freed is a negative entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy import Connection, text

from clip_platform.errors import InvalidInput, QuotaExceeded

Kind = Literal["stored_bytes", "source_minutes"]


@dataclass(frozen=True, slots=True)
class Quotas:
    """None: unlimited. `minutes_a_month` counts by calendar month, UTC."""

    stored_bytes: int | None = None
    minutes_a_month: float | None = None
    concurrent_videos: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """`stored_bytes` is what is stored now; `source_minutes` what was processed in the month asked for."""

    stored_bytes: int
    source_minutes: float
    videos_in_flight: int


@dataclass(frozen=True, slots=True)
class Entry:
    entry_key: str
    kind: Kind
    quantity: float
    video_id: str | None
    at: datetime


_CHARGE = text("""
    insert into usage_entries (tenant_id, entry_key, kind, quantity, video_id)
    values (current_setting('app.tenant_id'), :entry_key, :kind, :quantity, :video_id)
    on conflict (tenant_id, entry_key) do nothing""")
_TOTALS = text("""
    select
        (select coalesce(sum(quantity), 0) from usage_entries where kind = 'stored_bytes') as stored_bytes,
        (select coalesce(sum(quantity), 0) from usage_entries where kind = 'source_minutes'
            and at >= cast(:begins as timestamptz) and at < cast(:begins as timestamptz) + interval '1 month')
            as source_minutes,
        (select count(*) from videos where state in ('admitted', 'processing')) as videos_in_flight""")
_QUOTAS = text("""
    select quota_stored_bytes, quota_minutes_a_month, quota_concurrent_videos from tenants
    where tenant_id = current_setting('app.tenant_id')""")
_ANNOUNCED = text("""
    select coalesce(sum(sessions.size_bytes), 0) from upload_sessions as sessions
    join videos on videos.id = sessions.video_id where videos.state in ('uploading', 'verifying')""")
_ENTRIES = text("""
    select entry_key, kind, quantity, video_id, at from usage_entries
    where at >= cast(:begins as timestamptz) and at < cast(:begins as timestamptz) + interval '1 month'
        and (cast(:after_at as timestamptz) is null or (at, entry_key) > (cast(:after_at as timestamptz), :after_key))
    order by at, entry_key limit :limit""")
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('quota/' || current_setting('app.tenant_id'), 0))")
_MONTH_NOW = text("select date_trunc('month', now(), 'UTC')")


def charge(connection: Connection, entry_key: str, kind: Kind, quantity: Decimal | int, video_id: str | None) -> bool:
    """Adds an entry of the entered tenant; False when one of this key is there already, which stays as it is."""
    values = {"entry_key": entry_key, "kind": kind, "quantity": quantity, "video_id": video_id}
    return connection.execute(_CHARGE, values).rowcount == 1


def totals(connection: Connection, month: datetime | None = None) -> Totals:
    """`month`: its first moment, UTC; this month when None."""
    row = connection.execute(_TOTALS, {"begins": month or _this_month(connection)}).one()
    return Totals(int(row.stored_bytes), float(row.source_minutes), row.videos_in_flight)


def entries(
    connection: Connection, month: datetime | None, limit: int, after: tuple[datetime, str] | None = None
) -> Sequence[Entry]:
    """The month's entries, oldest first; `after` is time and key of the last one seen."""
    after_at, after_key = after or (None, "")
    values = {"begins": month or _this_month(connection), "limit": limit, "after_at": after_at, "after_key": after_key}
    return [
        Entry(row.entry_key, row.kind, float(row.quantity), row.video_id, row.at)
        for row in connection.execute(_ENTRIES, values)
    ]


def quotas(connection: Connection, defaults: Quotas) -> Quotas:
    """The entered tenant's own, where it has one, otherwise the installation's."""
    row = connection.execute(_QUOTAS).one()
    minutes = row.quota_minutes_a_month
    return Quotas(
        stored_bytes=defaults.stored_bytes if row.quota_stored_bytes is None else row.quota_stored_bytes,
        minutes_a_month=defaults.minutes_a_month if minutes is None else float(minutes),
        concurrent_videos=(
            defaults.concurrent_videos if row.quota_concurrent_videos is None else row.quota_concurrent_videos
        ),
    )


def check_quota(connection: Connection, defaults: Quotas, *, new_bytes: int) -> None:
    """Whether one more upload of that size fits; uploads under way count with what they announced. Callers of one
    tenant wait for each other until they commit, so that two cannot both take the last room.

    Raises:
        QuotaExceeded: names what is used, the limit and what to do.
    """
    held = quotas(connection, defaults)
    if held.stored_bytes is None and held.minutes_a_month is None:
        return
    connection.execute(_ONE_AT_A_TIME)
    used = totals(connection)
    expected = used.stored_bytes + connection.execute(_ANNOUNCED).scalar_one() + new_bytes
    if held.stored_bytes is not None and expected > held.stored_bytes:
        raise QuotaExceeded(
            f"{expected} bytes would be stored with this upload, {held.stored_bytes} are allowed; delete videos or "
            "ask the operator for more"
        )
    if held.minutes_a_month is not None and used.source_minutes >= held.minutes_a_month:
        raise QuotaExceeded(
            f"{used.source_minutes:.0f} minutes were processed this month, {held.minutes_a_month:.0f} are allowed; "
            "wait for the next month or ask the operator for more"
        )


def month_named(name: str) -> datetime:
    """The first moment of a month such as `2026-11`.

    Raises:
        InvalidInput.
    """
    try:
        return datetime.fromisoformat(f"{name}-01T00:00:00+00:00")
    except ValueError as error:
        raise InvalidInput(f"month {name!r} is no year and month; write 2026-11") from error


def _this_month(connection: Connection) -> datetime:
    moment: datetime = connection.execute(_MONTH_NOW).scalar_one()
    return moment
