"""The audit trail: who did what to which resource. Appended in the transaction of the deed; the chain of hashes is
made by a trigger, so nobody can leave it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

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
