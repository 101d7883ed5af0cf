"""`/v1/erasure-requests`: closing the account. Finished within a day; how it went is told by `erasure_receipts`, since
members and tokens go with the account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from clip_platform.api.access import TenantSession, owner
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.transactions import Transacted
from clip_platform.database import erasure
from clip_platform.encryption import receipts

router = APIRouter(prefix="/v1/erasure-requests", route_class=Transacted, tags=["account"])

Owning = Annotated[TenantSession, owner("account")]


class ErasureRequest(BaseModel):
    id: str
    state: str
    requested_by: str
    requested_at: datetime
    deadline_at: datetime
    completed_at: datetime | None


class ErasureOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    confirm: str = Field(description="The account's name, typed by a person: there is no way back.", max_length=500)


class AcceptedErasure(ErasureRequest):
    receipt_url: str = Field(description="Says how far it is, and has the receipt afterwards; needs `receipt_secret`.")
    receipt_secret: str = Field(description="Shown once; `Receipt-Secret` when asking there. Tokens will be gone.")


@router.post("", status_code=202, response_model=AcceptedErasure, summary="Close the account and erase all of it")
def request_erasure(session: Owning, once: Once, order: ErasureOrder) -> Response:
    """From now on nothing is added; within a day all of it is gone."""
    return once.answer(202, lambda: _ask(session, order.confirm))


@router.get("", summary="How far it is")
def list_erasure_requests(session: Owning, limit: Limit = 50, cursor: Cursor = None) -> Page[ErasureRequest]:
    position = read_cursor(cursor, {"id": str})
    rows = erasure.page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, _shown, lambda row: {"id": row.request_id})


def _ask(session: TenantSession, confirmation: str) -> AcceptedErasure:
    secret, hash_ = receipts.new_secret()
    asked = erasure.ask(session.connection, session.actor, confirmation, hash_)
    session.audit("account.closing", f"erasure_request:{asked.request_id}")
    url = f"{session.services.settings.public_api_url}/v1/erasure-receipts/{asked.request_id}"
    return AcceptedErasure(**_shown(asked).model_dump(), receipt_url=url, receipt_secret=secret)


def _shown(row: erasure.ErasureRequest) -> ErasureRequest:
    return ErasureRequest(
        id=row.request_id,
        state=row.state,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        deadline_at=row.deadline_at,
        completed_at=row.completed_at,
    )
