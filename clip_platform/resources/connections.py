"""The database and the object store: one pool and one store per process and address, whoever names them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.errors import InvalidSetting

if TYPE_CHECKING:
    from clip_platform.database.connection import Database
    from clip_platform.storage.objects import ObjectStore


class DatabaseResource(dg.ConfigurableResource):
    """One role's door to the application's database. `password` is a secret and has no default."""

    host: str
    port: int
    name: str
    role: str
    password: str

    def get(self) -> Database:
        """
        Raises:
            InvalidSetting: no server is configured.
        """
        if not self.host:
            raise InvalidSetting(
                "no database server is configured; set CLIP_PLATFORM_DATABASE_HOST and the roles' passwords, or start "
                "the platform with `clip-platform up`"
            )
        from clip_platform.database.connection import address

        return database_at(address(self.role, self.password, self.host, self.port, self.name))


class ObjectStoreResource(dg.ConfigurableResource):
    """Where bytes are, `file:///folder`, `s3://bucket/prefix` or `az://container/prefix`, and what seals them.

    `master_key` is the master's address, `keys_url` the store of wrapped keys, `make_master` whether a missing master
    may be made; `kms_key` is a tenant's in S3, for what is not sealed.
    """

    url: str
    master_key: str
    keys_url: str
    make_master: bool = False
    kms_key: str | None = None

    def get(self, database: Database) -> ObjectStore:
        """`database` takes the uses of tenants' keys into their audit trails."""
        return store_at(database, self.url, self.master_key, self.keys_url, self.make_master, self.kms_key)


@cache
def database_at(url: str) -> Database:
    from clip_platform.database.connection import Database

    return Database(url)


@cache
def store_at(
    database: Database, url: str, master_key: str, keys_url: str, make_master: bool, kms_key: str | None
) -> ObjectStore:
    from clip_platform.database.key_uses import KeyUses
    from clip_platform.encryption.opening import keys_at
    from clip_platform.storage.objects import open_store

    keys = keys_at(master_key, keys_url, KeyUses(database, "pipeline"), make=make_master)
    return open_store(url, keys.tenants, kms_key=kms_key)
