"""Uses of tenants' keys: in the tenant's own audit trail, one a process and key, and never lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_platform.database import audit, roles
from clip_platform.database.connection import Database
from clip_platform.database.key_uses import KeyUses, KeyUsesLater
from clip_platform.encryption.keys import OnUse
from clip_platform.encryption.opening import keys_at
from clip_platform.errors import StorageUnavailable
from clip_platform.storage.objects import open_store
from tests.conftest import MigratedServer


def events(database: Database, tenant_id: str) -> list[tuple[str, str, str, object]]:
    with database.tenant_transaction(tenant_id) as connection:
        return [(row.actor, row.action, row.resource, row.details) for row in audit.oldest(connection, 50)]


def store_and_read(folder: Path, on_use: OnUse) -> None:
    """As one process does: several objects of one tenant."""
    keys = keys_at((folder / "master.json").as_uri(), (folder / "keys").as_uri(), on_use, make=True)
    store = open_store((folder / "objects").as_uri(), keys.tenants)
    for number in range(3):
        stored = store.put_bytes(f"acme/intermediates/{number}", b"words")
        store.get_bytes(stored)


@pytest.mark.parametrize("role", [roles.API, roles.WORKER, roles.PIPELINE])
def test_every_process_says_once_that_it_uses_a_tenants_key(
    migrated_server: MigratedServer,
    database: Database,  # noqa: ARG001  its tenants
    api_door: Database,
    tmp_path: Path,
    role: str,
):
    door = Database(migrated_server.url(role))

    for _ in range(2):  # two processes
        store_and_read(tmp_path, KeyUses(door, "worker"))
    door.close()

    used = ("process:worker", "key.used", "key:tenants/acme", {"purpose": "objects"})
    assert events(api_door, "acme") == [used, used]
    assert events(api_door, "globex") == []


def test_a_key_whose_use_cannot_be_written_is_not_used(tmp_path: Path):
    nowhere = Database("postgresql+psycopg://nobody:nothing@127.0.0.1:1/nothing")

    with pytest.raises(StorageUnavailable):
        store_and_read(tmp_path, KeyUses(nowhere, "pipeline"))

    assert not list((tmp_path / "objects").rglob("acme*"))


def test_a_use_inside_a_transaction_that_holds_the_trail_waits_for_its_end(
    database: Database,  # noqa: ARG001  its tenants
    api_door: Database,
    tmp_path: Path,
):
    later = KeyUsesLater(KeyUses(api_door, "api"))

    with api_door.tenant_transaction("acme") as connection:
        audit.append(connection, "acme", "token:a", "video.changed", "v", {}, None)
        store_and_read(tmp_path, later)
    later.close()

    assert [action for _, action, _, _ in events(api_door, "acme")] == ["video.changed", "key.used"]


def test_a_use_is_written_when_the_database_is_back(
    database: Database,  # noqa: ARG001  its tenants
    api_door: Database,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("clip_platform.database.key_uses._AGAIN_S", 0.01)
    written = KeyUses(api_door, "api")
    refused = []

    class Away(KeyUses):
        def __call__(self, tenant_id: str, purpose: str) -> None:
            if len(refused) < 3:
                refused.append(purpose)
                raise StorageUnavailable("the database does not answer")
            written(tenant_id, purpose)

    later = KeyUsesLater(Away(api_door, "api"))
    later("acme", "objects")
    later.close()

    assert len(refused) == 3
    assert [action for _, action, _, _ in events(api_door, "acme")] == ["key.used"]


def test_a_use_that_cannot_be_written_at_all_is_reported_and_stops_no_other(
    database: Database,  # noqa: ARG001  its tenants
    api_door: Database,
    caplog: pytest.LogCaptureFixture,
):
    later = KeyUsesLater(KeyUses(api_door, "api"))

    later("no-such-tenant", "objects")
    later("acme", "objects")
    later.close()

    assert [action for _, action, _, _ in events(api_door, "acme")] == ["key.used"]
    assert "a key's use is missing in the audit trail" in caplog.text
