"""Tokens as rows: what is stored, what a hash leads to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clip_platform.database import tokens
from clip_platform.database.connection import Database, enter_tenant
from clip_platform.database.tokens import TokenRow
from clip_platform.errors import NotFound
from tests.conftest import MigratedServer

pytestmark = pytest.mark.usefixtures("database")


def _create(api_door: Database, tenant_id: str = "acme") -> tuple[TokenRow, str]:
    with api_door.tenant_transaction(tenant_id) as connection:
        return tokens.create(
            connection,
            name="ci",
            kind="service",
            role="editor",
            scopes=["videos"],
            created_by="member:mem_1",
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )


def test_a_secret_leads_to_its_token_before_any_tenant_is_entered(api_door: Database) -> None:
    row, secret = _create(api_door)

    with api_door.across_tenants() as connection:
        found = tokens.find(connection, tokens.hash_of(secret))
        other = tokens.find(connection, tokens.hash_of(secret + "x"))

    assert found is not None
    assert (found.token_id, found.tenant_id, found.role, found.scopes) == (row.token_id, "acme", "editor", {"videos"})
    assert other is None


def test_no_column_holds_the_secret(api_door: Database, migrated_server: MigratedServer) -> None:
    _, secret = _create(api_door)

    with migrated_server.superuser() as connection:
        stored = connection.execute("select to_jsonb(t)::text from api_tokens t").fetchall()
        hashes = connection.execute("select secret_hash from api_tokens").fetchall()

    assert secret not in str(stored)
    assert hashes == [(tokens.hash_of(secret),)]


def test_use_is_noted_once_a_minute(api_door: Database, migrated_server: MigratedServer) -> None:
    row, _ = _create(api_door)

    def used_at() -> datetime | None:
        with api_door.across_tenants() as connection:
            enter_tenant(connection, "acme")
            tokens.touch(connection, row.token_id)
        with api_door.tenant_transaction("acme") as connection:
            return tokens.get(connection, row.token_id).last_used_at

    first = used_at()
    assert first is not None
    assert used_at() == first
    with migrated_server.superuser() as connection:
        connection.execute("update api_tokens set last_used_at = last_used_at - interval '61 seconds'")
    second = used_at()
    assert second is not None
    assert second > first


def test_another_tenants_token_is_not_there_to_revoke(api_door: Database) -> None:
    row, _ = _create(api_door)

    with pytest.raises(NotFound), api_door.tenant_transaction("globex") as connection:
        tokens.revoke(connection, row.token_id)
    with api_door.tenant_transaction("acme") as connection:
        assert tokens.revoke(connection, row.token_id).revoked_at is not None
