"""Answers to requests that were made with an `Idempotency-Key`, of the entered tenant."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

_CLAIM = text("""
    insert into idempotency_keys (tenant_id, operation, key, request_digest)
    values (current_setting('app.tenant_id'), :operation, :key, :digest) on conflict do nothing""")
_FIND = text("""
    select request_digest, status, answer from idempotency_keys where operation = :operation and key = :key""")
_KEEP = text("""
    update idempotency_keys set status = :status, answer = :answer where operation = :operation and key = :key""")


@dataclass(frozen=True, slots=True)
class Kept:
    """`answer` is sealed."""

    request_digest: str
    status: int
    answer: bytes


def claim(connection: Connection, operation: str, key: str, digest: str) -> Kept | None:
    """None: the key is this transaction's, which is to `keep` its answer. Otherwise what was kept under it.

    Waits for another transaction that has the key, until it ends.
    """
    named = {"operation": operation, "key": key}
    while connection.execute(_CLAIM, {**named, "digest": digest}).rowcount == 0:
        row = connection.execute(_FIND, named).one_or_none()
        if row is not None:  # None: it was deleted between the two statements, as keys are after a day
            return Kept(row.request_digest, row.status, bytes(row.answer))
    return None


def keep(connection: Connection, operation: str, key: str, status: int, answer: bytes) -> None:
    connection.execute(_KEEP, {"operation": operation, "key": key, "status": status, "answer": answer})
