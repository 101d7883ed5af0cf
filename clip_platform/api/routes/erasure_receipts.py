"""`/v1/erasure-receipts`: how far an erasure is, and its signed receipt. Asked without a token, since tokens go with
the account: who has the secret that the request was answered with may read."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field

from clip_platform.api.services import Services
from clip_platform.database import erasure_receipts
from clip_platform.encryption import receipts
from clip_platform.errors import Unauthenticated

router = APIRouter(prefix="/v1/erasure-receipts", tags=["account"])

Secret = Annotated[
    str, Header(alias="Receipt-Secret", max_length=200, description="As the request to erase was answered.")
]


class ReceiptKey(BaseModel):
    key_id: str
    algorithm: str = "Ed25519"
    public_key: str = Field(description="32 bytes in base64.")


class ErasureReceipt(BaseModel):
    request_id: str
    requested_at: datetime
    deadline_at: datetime
    completed_at: datetime | None
    document: dict[str, Any] | None = Field(
        description="Once it is completed: `receipt`, which says what was removed, and its `signature`."
    )


@router.get("/key", openapi_extra={"security": []}, summary="The key that receipts are signed with")
def get_receipt_key(request: Request) -> ReceiptKey:
    services: Services = request.app.state.services
    public_key = services.receipts.public_key
    return ReceiptKey(key_id=receipts.key_id(public_key), public_key=public_key)


@router.get("/{request_id}", openapi_extra={"security": []}, summary="How far an erasure is, and its receipt")
def get_erasure_receipt(request: Request, request_id: str, secret: Secret) -> ErasureReceipt:
    """
    Raises:
        Unauthenticated: another request's secret, or none at all.
    """
    services: Services = request.app.state.services
    with services.database.across_tenants() as connection:
        found = erasure_receipts.find(connection, receipts.hash_of(secret))
    if found is None or found.request_id != request_id:
        services.rate_limits.refuse(request.client.host if request.client else "")
        raise Unauthenticated("this secret belongs to no erasure of this id; send the one that it was accepted with")
    return ErasureReceipt(
        request_id=found.request_id,
        requested_at=found.requested_at,
        deadline_at=found.deadline_at,
        completed_at=found.completed_at,
        document=None if found.receipt is None else json.loads(found.receipt),
    )
