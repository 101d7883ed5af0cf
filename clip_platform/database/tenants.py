"""Tenants: who owns videos."""

from __future__ import annotations

from sqlalchemy import text

from clip_platform.database.connection import Database

_ENSURE = text("insert into tenants (tenant_id, name) values (:tenant_id, :name) on conflict do nothing")


def ensure(db: Database, tenant_id: str, name: str) -> None:
    """Makes the tenant unless it is there; an existing one keeps its name."""
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_ENSURE, {"tenant_id": tenant_id, "name": name})
