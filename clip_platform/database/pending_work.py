"""What waits for the worker across tenants, by id only, and what it forgets after a while."""

from __future__ import annotations

from sqlalchemy import Connection, text

_VERIFY = text("select tenant_id, video_id from videos_to_verify(:most)")
_EXPIRE = text("select tenant_id, video_id from uploads_to_expire(:most)")
_EXPORT = text("select tenant_id from audits_to_export(:most)")
_TENANTS = text("select tenant_id from operator_tenants(:after_id, :most)")
_FORGET_ANSWERS = text("delete from idempotency_keys where created_at < now() - interval '24 hours'")
_TENANTS_AT_ONCE = 1000


def videos_to_verify(connection: Connection, most: int) -> list[tuple[str, str]]:
    """Tenant and video."""
    return [(row.tenant_id, row.video_id) for row in connection.execute(_VERIFY, {"most": most})]


def uploads_to_expire(connection: Connection, most: int) -> list[tuple[str, str]]:
    """Tenant and video."""
    return [(row.tenant_id, row.video_id) for row in connection.execute(_EXPIRE, {"most": most})]


def audits_to_export(connection: Connection, most: int) -> list[str]:
    return [row.tenant_id for row in connection.execute(_EXPORT, {"most": most})]


def all_tenants(connection: Connection) -> list[str]:
    found: list[str] = []
    while True:
        values = {"after_id": found[-1] if found else None, "most": _TENANTS_AT_ONCE}
        page = [row.tenant_id for row in connection.execute(_TENANTS, values)]
        found += page
        if len(page) < _TENANTS_AT_ONCE:
            return found


def forget_old_answers(connection: Connection) -> int:
    """Of the entered tenant: answers kept for repeated requests, which clients are told last a day."""
    return connection.execute(_FORGET_ANSWERS).rowcount
