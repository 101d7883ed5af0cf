"""`/v1/erasure-requests`: closing the account. Finished within a day; until then what is there can be read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel

from clip_platform.api.access import TenantSession, owner
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.transactions import Transacted
from clip_platform.database import erasure

router = APIRouter(prefix="/v1/erasure-requests", route_class=Transacted, tags=["account"])

Owning = Annotated[TenantSession, owner("account")]


class ErasureRequest(BaseModel):
    id: str
    state: str
    requested_by: str
    requested_at: datetime
    deadline_at: datetime
    completed_at: datetime | None


@router.post("", status_code=202, response_model=ErasureRequest, summary="Close the account and erase all of it")
def request_erasure(session: Owning, once: Once) -> Response:
    return once.answer(202, lambda: _ask(session))


@router.get("", summary="How far it is")
def list_erasure_requests(session: Owning, limit: Limit = 50, cursor: Cursor = None) -> Page[ErasureRequest]:
    position = read_cursor(cursor, {"id": str})
    rows = erasure.page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, _shown, lambda row: {"id": row.request_id})


def _ask(session: TenantSession) -> ErasureRequest:
    asked = erasure.ask(session.connection, session.actor)
    session.audit("account.closing", f"erasure_request:{asked.request_id}")
    return _shown(asked)


def _shown(row: erasure.ErasureRequest) -> ErasureRequest:
    return ErasureRequest(
        id=row.request_id,
        state=row.state,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        deadline_at=row.deadline_at,
        completed_at=row.completed_at,
    )
