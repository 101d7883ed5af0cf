"""What operators see across tenants: ids, states and error classes, and nothing that a tenant wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

TENANT_ID = "operators"
"""The tenant that operators act in, and whose audit trail has their deeds; it has no videos."""


@dataclass(frozen=True, slots=True)
class VideoSummary:
    video_id: str
    tenant_id: str
    state: str
    attempt: int
    failures: int
    error_class: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TenantSummary:
    tenant_id: str
    created_at: datetime
    closing_at: datetime | None


_VIDEOS = text("""
    select video_id, tenant_id, state, attempt, failures, error_class, updated_at
    from operator_videos(:state, :before_id, :limit)""")
_TENANTS = text("select tenant_id, created_at, closing_at from operator_tenants(:after_id, :limit)")

_TENANT_OF = text("select tenant_of_video(:video_id)")


def videos_page(connection: Connection, limit: int, state: str | None, before_id: str | None) -> list[VideoSummary]:
    """Of all tenants, newest first."""
    values = {"limit": limit, "state": state, "before_id": before_id}
    return [VideoSummary(**row._mapping) for row in connection.execute(_VIDEOS, values)]


def tenants_page(connection: Connection, limit: int, after_id: str | None) -> list[TenantSummary]:
    """By id."""
    values = {"limit": limit, "after_id": after_id}
    return [TenantSummary(**row._mapping) for row in connection.execute(_TENANTS, values)]


def tenant_of(connection: Connection, video_id: str) -> str | None:
    """Whose video this is; None when there is none."""
    tenant_id: str | None = connection.execute(_TENANT_OF, {"video_id": video_id}).scalar_one()
    return tenant_id
