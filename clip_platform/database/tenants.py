"""Tenants: who owns videos, what they prefer, how long their videos are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from clip_platform.database import retention
from clip_platform.database.connection import Database
from clip_platform.errors import AccountClosing


@dataclass(frozen=True, slots=True)
class TenantRow:
    """`retention_days` is None where the installation's default holds; `closing_at` is set once closing was asked."""

    tenant_id: str
    name: str
    default_preferences: Mapping[str, Any]
    retention_days: int | None
    revision: int
    created_at: datetime
    closing_at: datetime | None


_CREATE = text("insert into tenants (tenant_id, name) values (:tenant_id, :name) on conflict do nothing")
_COLUMNS = "tenant_id, name, default_preferences, retention_days, revision, created_at, closing_at"
_OWN = text(f"select {_COLUMNS} from tenants where tenant_id = current_setting('app.tenant_id')")  # noqa: S608
_OWN_LOCKED = text(f"""
    select {_COLUMNS} from tenants where tenant_id = current_setting('app.tenant_id') for no key update""")  # noqa: S608
_CHANGE = text(f"""
    update tenants
    set name = :name, default_preferences = cast(:default_preferences as jsonb), retention_days = :retention_days,
        revision = revision + 1
    where tenant_id = current_setting('app.tenant_id')
    returning {_COLUMNS}""")  # noqa: S608


def ensure(db: Database, tenant_id: str, name: str) -> None:
    """Makes the tenant unless it is there; an existing one keeps its name."""
    with db.tenant_transaction(tenant_id) as connection:
        create(connection, tenant_id, name)


def create(connection: Connection, tenant_id: str, name: str) -> bool:
    """Makes the entered tenant; False when it is there, which stays as it is."""
    return connection.execute(_CREATE, {"tenant_id": tenant_id, "name": name}).rowcount == 1


def own(connection: Connection, *, lock: bool = False) -> TenantRow:
    """The entered tenant's row; `lock` keeps others from changing it until the transaction ends."""
    return TenantRow(**connection.execute(_OWN_LOCKED if lock else _OWN).one()._mapping)


def exists(connection: Connection) -> bool:
    """Whether the entered tenant is there."""
    return connection.execute(_OWN).one_or_none() is not None


def change(
    connection: Connection, *, name: str, default_preferences: Mapping[str, Any], retention_days: int | None
) -> TenantRow:
    """Sets what a tenant may set; another retention dates all its videos anew."""
    before = own(connection)
    values = {"name": name, "default_preferences": json.dumps(dict(default_preferences))}
    row = connection.execute(_CHANGE, {**values, "retention_days": retention_days}).one()
    if before.retention_days != retention_days:
        retention.forget_dates(connection)
    return TenantRow(**row._mapping)


def expect_open(connection: Connection) -> None:
    """
    Raises:
        AccountClosing: the entered tenant's account is being closed; what is there can be read, nothing be added.
    """
    row = own(connection)
    if row.closing_at is not None:
        raise AccountClosing(
            f"the account is being closed since {row.closing_at:%Y-%m-%d}; nothing can be added any more"
        )
