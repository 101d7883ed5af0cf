"""Receipts of erased accounts. A row names no account: who holds the secret that was shown once may read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """`receipt` is signed JSON, as it is given out; None, as `completed_at`, while the erasure goes on."""

    request_id: str
    requested_at: datetime
    deadline_at: datetime
    completed_at: datetime | None
    receipt: str | None


_BEGIN = text("""
    insert into erasure_receipts (request_id, secret_hash, requested_at, deadline_at)
    values (:request_id, :secret_hash, :requested_at, :deadline_at)""")
_COMPLETE = text("""
    update erasure_receipts set completed_at = :completed_at, receipt = :receipt
    where request_id = :request_id and receipt is null""")
_FIND = text("""
    select request_id, requested_at, deadline_at, completed_at, receipt from receipt_by_secret(:secret_hash)""")


def begin(
    connection: Connection, request_id: str, secret_hash: bytes, requested_at: datetime, deadline_at: datetime
) -> None:
    values = {"request_id": request_id, "secret_hash": secret_hash, "requested_at": requested_at}
    connection.execute(_BEGIN, {**values, "deadline_at": deadline_at})


def complete(connection: Connection, request_id: str, completed_at: datetime, receipt: str) -> None:
    connection.execute(_COMPLETE, {"request_id": request_id, "completed_at": completed_at, "receipt": receipt})


def find(connection: Connection, secret_hash: bytes) -> KeptReceipt | None:
    row = connection.execute(_FIND, {"secret_hash": secret_hash}).one_or_none()
    return None if row is None else KeptReceipt(**row._mapping)
