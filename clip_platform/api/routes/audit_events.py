"""`/v1/audit-events`: who did what to which resource, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from clip_platform.api.access import TenantSession, owner
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.transactions import Transacted
from clip_platform.database import audit

router = APIRouter(prefix="/v1/audit-events", route_class=Transacted, tags=["audit"])


class AuditEvent(BaseModel):
    sequence: int = Field(description="Counts from 1, without gaps.")
    at: datetime
    actor: str
    action: str
    resource: str
    details: dict[str, Any]
    request_id: str | None
    hash: str = Field(description="SHA-256, in hex, over the hash before and this event's content.")
    previous_hash: str


@router.get("", summary="The audit trail, newest first")
def list_audit_events(
    session: Annotated[TenantSession, owner("audit")], limit: Limit = 50, cursor: Cursor = None
) -> Page[AuditEvent]:
    position = read_cursor(cursor, {"before": int})
    rows = audit.newest(session.connection, limit + 1, position["before"] if position else None)
    return page_of(rows, limit, _shown, lambda row: {"before": row.sequence})


def _shown(row: audit.AuditEvent) -> AuditEvent:
    return AuditEvent(
        sequence=row.sequence,
        at=row.at,
        actor=row.actor,
        action=row.action,
        resource=row.resource,
        details=dict(row.details),
        request_id=row.request_id,
        hash=row.hash.hex(),
        previous_hash=row.previous_hash.hex(),
    )
