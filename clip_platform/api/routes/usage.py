"""`/v1/usage`: what this tenant has used this month, what it may use, and the ledger behind the figures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from clip_platform.api.access import TenantSession, viewer
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.transactions import Transacted
from clip_platform.database import usage
from clip_platform.database.usage import Kind, Quotas
from clip_platform.settings import Settings

router = APIRouter(prefix="/v1/usage", route_class=Transacted, tags=["usage"])

Month = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="Such as 2026-11, UTC; this month when missing."),
]


class Limits(BaseModel):
    """Null is unlimited."""

    stored_bytes: int | None
    minutes_a_month: float | None
    concurrent_videos: int | None


class Usage(BaseModel):
    stored_bytes: int = Field(description="Stored now, originals only.")
    source_minutes: float = Field(description="Length of the videos that were processed in the month.")
    videos_in_flight: int = Field(description="Admitted or being processed now.")
    quotas: Limits


class UsageEntry(BaseModel):
    entry: str = Field(description="Names what was counted; once only.")
    kind: Kind
    quantity: float = Field(description="Negative when something was freed.")
    video_id: str | None
    at: datetime


@router.get("", summary="Totals of a month, and quotas")
def get_usage(session: Annotated[TenantSession, viewer("usage")], month: Month = None) -> Usage:
    totals = usage.totals(session.connection, usage.month_named(month) if month else None)
    quotas = usage.quotas(session.connection, default_quotas(session.services.settings))
    return Usage(
        stored_bytes=totals.stored_bytes,
        source_minutes=totals.source_minutes,
        videos_in_flight=totals.videos_in_flight,
        quotas=Limits(
            stored_bytes=quotas.stored_bytes,
            minutes_a_month=quotas.minutes_a_month,
            concurrent_videos=quotas.concurrent_videos,
        ),
    )


@router.get("/entries", summary="The ledger of a month, oldest first")
def list_usage_entries(
    session: Annotated[TenantSession, viewer("usage")],
    month: Month = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UsageEntry]:
    position = read_cursor(cursor, {"at": datetime, "entry": str})
    after = (position["at"], position["entry"]) if position else None
    rows = usage.entries(session.connection, usage.month_named(month) if month else None, limit + 1, after)
    return page_of(rows, limit, _shown, lambda row: {"at": row.at, "entry": row.entry_key})


def default_quotas(settings: Settings) -> Quotas:
    """The installation's quotas, for tenants without their own."""
    return Quotas(
        stored_bytes=settings.quota_stored_bytes,
        minutes_a_month=settings.quota_minutes_a_month,
        concurrent_videos=settings.quota_concurrent_videos,
    )


def _shown(row: usage.Entry) -> UsageEntry:
    return UsageEntry(entry=row.entry_key, kind=row.kind, quantity=row.quantity, video_id=row.video_id, at=row.at)
