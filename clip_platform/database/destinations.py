"""Destinations: a tenant's own buckets. Where one is lies open, how to write to it is sealed. What was copied to one is
in `destination_copies`. All on the entered tenant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from clip_platform.encryption.columns import ColumnCipher
from clip_platform.errors import Conflict, NotFound
from clip_platform.identifiers import new_ulid

CREDENTIALS_COLUMN = "destinations.credentials"
MOST_OF_TENANT = 20
"""Each is another copy of every clip."""


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """`location` is a `storage.destinations.Place` but for its kind; `credentials` are sealed."""

    destination_id: str
    tenant_id: str
    name: str
    kind: str
    location: Mapping[str, Any]
    credentials: bytes
    enabled: bool
    revision: int
    created_at: datetime
    last_written_at: datetime | None
    last_error: str | None


_COLUMNS = """destination_id, tenant_id, name, kind, location, credentials, enabled, revision, created_at,
    last_written_at, last_error"""
_ONE_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtextextended('destinations/' || current_setting('app.tenant_id'), 0))"
)
_COUNT = text("select count(*) from destinations")
_ADD = text(f"""
    insert into destinations (destination_id, tenant_id, name, kind, location, credentials)
    values (:destination_id, :tenant_id, :name, :kind, cast(:location as jsonb), :credentials)
    returning {_COLUMNS}""")  # noqa: S608
_GET = text(f"select {_COLUMNS} from destinations where destination_id = :destination_id")  # noqa: S608
_LOCK = text(f"select {_COLUMNS} from destinations where destination_id = :destination_id for update")  # noqa: S608
_PAGE = text(f"""
    select {_COLUMNS} from destinations
    where cast(:after_id as text) is null or destination_id > :after_id
    order by destination_id limit :limit""")  # noqa: S608
_CHANGE = text(f"""
    update destinations set name = coalesce(:name, name), enabled = coalesce(:enabled, enabled),
        credentials = coalesce(:credentials, credentials), revision = revision + 1
    where destination_id = :destination_id returning {_COLUMNS}""")  # noqa: S608
_REMOVE = text("delete from destinations where destination_id = :destination_id")
_WENT_WELL = text("""
    update destinations set last_written_at = greatest(last_written_at, :at), last_error = null
    where destination_id = :destination_id""")
_WENT_WRONG = text("update destinations set last_error = :error where destination_id = :destination_id")


def add(
    connection: Connection,
    tenant_id: str,
    columns: ColumnCipher,
    *,
    name: str,
    kind: str,
    location: Mapping[str, Any],
    credentials: Mapping[str, str],
) -> DestinationRow:
    """
    Raises:
        Conflict: the tenant has as many as one may have.
    """
    connection.execute(_ONE_AT_A_TIME)
    if connection.execute(_COUNT).scalar_one() >= MOST_OF_TENANT:
        raise Conflict(f"there are {MOST_OF_TENANT} destinations, which is the most; remove one first")
    destination_id = f"dst_{new_ulid()}"
    values = {
        "destination_id": destination_id,
        "tenant_id": tenant_id,
        "name": name,
        "kind": kind,
        "location": json.dumps(dict(location)),
        "credentials": _sealed(columns, tenant_id, destination_id, credentials),
    }
    return _row(connection.execute(_ADD, values).one())


def get(connection: Connection, destination_id: str) -> DestinationRow:
    """
    Raises:
        NotFound.
    """
    return _found(connection.execute(_GET, {"destination_id": destination_id}).one_or_none(), destination_id)


def locked(connection: Connection, destination_id: str) -> DestinationRow:
    """As `get`, and nobody else changes it until the transaction ends."""
    return _found(connection.execute(_LOCK, {"destination_id": destination_id}).one_or_none(), destination_id)


def page(connection: Connection, limit: int, after_id: str | None) -> list[DestinationRow]:
    """In the order in which they were added."""
    return [_row(row) for row in connection.execute(_PAGE, {"limit": limit, "after_id": after_id})]


def change(
    connection: Connection,
    columns: ColumnCipher,
    row: DestinationRow,
    *,
    name: str | None,
    enabled: bool | None,
    credentials: Mapping[str, str] | None,
) -> DestinationRow:
    """None leaves a value as it is."""
    sealed = None if credentials is None else _sealed(columns, row.tenant_id, row.destination_id, credentials)
    values = {"destination_id": row.destination_id, "name": name, "enabled": enabled, "credentials": sealed}
    return _row(connection.execute(_CHANGE, values).one())


def remove(connection: Connection, destination_id: str) -> None:
    """What was written there stays there.

    Raises:
        NotFound.
    """
    if connection.execute(_REMOVE, {"destination_id": destination_id}).rowcount == 0:
        raise _missing(destination_id)


def went_well(connection: Connection, destination_id: str, at: datetime) -> None:
    connection.execute(_WENT_WELL, {"destination_id": destination_id, "at": at})


def went_wrong(connection: Connection, destination_id: str, error: str) -> None:
    connection.execute(_WENT_WRONG, {"destination_id": destination_id, "error": error})


def credentials_of(columns: ColumnCipher, row: DestinationRow) -> str:
    """As JSON. Raises as `ColumnCipher.open`."""
    return columns.open(row.tenant_id, CREDENTIALS_COLUMN, row.destination_id, row.credentials)


def _sealed(columns: ColumnCipher, tenant_id: str, destination_id: str, credentials: Mapping[str, str]) -> bytes:
    return columns.seal(tenant_id, CREDENTIALS_COLUMN, destination_id, json.dumps(dict(credentials)))


def _found(row: Row[Any] | None, destination_id: str) -> DestinationRow:
    if row is None:
        raise _missing(destination_id)
    return _row(row)


def _missing(destination_id: str) -> NotFound:
    return NotFound(f"there is no destination {destination_id}; GET /v1/destinations lists them")


def _row(row: Row[Any]) -> DestinationRow:
    return DestinationRow(**{**row._mapping, "credentials": bytes(row.credentials)})
