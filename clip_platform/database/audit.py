"""The audit trail: who did what to which resource. Appended in the transaction of the deed; the chain of hashes is
made by a trigger, so nobody can leave it out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from clip_platform.errors import CorruptArtifact

_APPEND = text("""
    insert into audit_events (tenant_id, actor, action, resource, details, request_id)
    values (:tenant_id, :actor, :action, :resource, cast(:details as jsonb), :request_id)""")


def append(
    connection: Connection,
    tenant_id: str,
    actor: str,
    action: str,
    resource: str,
    details: Mapping[str, Any],
    request_id: str | None,
) -> None:
    """Adds one event. Appends of a tenant wait for each other until they commit: make it a transaction's last act."""
    values = {
        "tenant_id": tenant_id,
        "actor": actor,
        "action": action,
        "resource": resource,
        "details": json.dumps(details),
        "request_id": request_id,
    }
    connection.execute(_APPEND, values)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """`sequence` counts a tenant's events from 1, without gaps. `canonical` is what `hash` is made from, after the
    hash before: SHA-256, as in the trigger of migration 0002."""

    sequence: int
    at: datetime
    actor: str
    action: str
    resource: str
    details: Mapping[str, Any]
    request_id: str | None
    previous_hash: bytes
    hash: bytes
    canonical: str


_COLUMNS = """sequence, at, actor, action, resource, details, request_id, previous_hash, hash,
    jsonb_build_array(tenant_id, sequence, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor,
        action, resource, details, request_id)::text as canonical"""
_NEWEST = text(f"""
    select {_COLUMNS} from audit_events
    where cast(:before as bigint) is null or sequence < :before order by sequence desc limit :limit""")  # noqa: S608
_OLDEST = text(f"""
    select {_COLUMNS} from audit_events where sequence > :after order by sequence limit :limit""")  # noqa: S608
_EXPORTED = text("select coalesce(max(last_sequence), 0) from audit_exports")
_REMEMBER_EXPORT = text("""
    insert into audit_exports (tenant_id, first_sequence, last_sequence, object_key)
    values (current_setting('app.tenant_id'), :first, :last, :object_key) on conflict do nothing""")
_TO_EXPORT = text("select tenant_id from audits_to_export(:limit)")


def newest(connection: Connection, limit: int, before: int | None = None) -> list[AuditEvent]:
    """The entered tenant's events, newest first; `before` is the last sequence seen."""
    return [AuditEvent(**row._mapping) for row in connection.execute(_NEWEST, {"limit": limit, "before": before})]


def oldest(connection: Connection, limit: int, after: int = 0) -> list[AuditEvent]:
    """The entered tenant's events after a sequence, oldest first."""
    return [AuditEvent(**row._mapping) for row in connection.execute(_OLDEST, {"limit": limit, "after": after})]


def exported_up_to(connection: Connection) -> int:
    last: int = connection.execute(_EXPORTED).scalar_one()
    return last


def remember_export(connection: Connection, first: int, last: int, object_key: str) -> None:
    connection.execute(_REMEMBER_EXPORT, {"first": first, "last": last, "object_key": object_key})


def to_export(connection: Connection, limit: int = 100) -> list[str]:
    """Tenants with events that are not exported yet; as the worker's role, without a tenant."""
    return list(connection.execute(_TO_EXPORT, {"limit": limit}).scalars())


class Chain:
    """Follows a trail from its first event, or from a known hash, and says where it breaks."""

    def __init__(self, sequence: int = 0, hash_: bytes = b"") -> None:
        self.sequence = sequence
        self._hash = hash_

    def follow(self, sequence: int, canonical: str, previous_hash: bytes, hash_: bytes) -> None:
        """
        Raises:
            CorruptArtifact: an event is missing, was put in, or is not what was written.
        """
        if sequence != self.sequence + 1:
            raise _broken(self.sequence + 1, f"event {sequence} follows: events are missing or were put in")
        if previous_hash != self._hash:
            raise _broken(sequence, "it does not follow the event before it")
        if hashlib.sha256(previous_hash + canonical.encode()).digest() != hash_:
            raise _broken(sequence, "its content is not what was written")
        self.sequence, self._hash = sequence, hash_


def _broken(sequence: int, what: str) -> CorruptArtifact:
    return CorruptArtifact(
        f"the audit trail is broken at event {sequence}: {what}; compare with the exported copy, which is locked"
    )
