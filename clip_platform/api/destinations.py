"""Trying a tenant's bucket out, between two transactions: none is open while a stranger's server is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from clip_platform.api.access import Caller
from clip_platform.database import audit, destination_copies, destinations
from clip_platform.database.destinations import DestinationRow
from clip_platform.errors import DestinationFailed, UnsafeAddress
from clip_platform.storage.destinations import Credentials, endpoints_of, open_bucket, place_of

CHECK_NAME = "clip-platform-check.txt"
_CONTENT = b"clip-platform wrote this to see that it can. It may be deleted.\n"


@dataclass(frozen=True, slots=True)
class Checked:
    """`error` says what to do; None when it was written."""

    key: str
    error: str | None


def check(caller: Caller, destination_id: str) -> Checked:
    """Writes a small file, and keeps how it went.

    Raises:
        NotFound.
    """
    database, tenant_id = caller.services.database, caller.tenant_id
    with database.tenant_transaction(tenant_id) as connection:
        row = destinations.get(connection, destination_id)
    error = _tried(caller, row)
    with database.tenant_transaction(tenant_id) as connection:
        if error is None:
            destinations.went_well(connection, destination_id, datetime.now(UTC))
            destination_copies.try_now(connection, destination_id)
        else:
            destinations.went_wrong(connection, destination_id, error)
        resource, details = f"destination:{destination_id}", {"written": error is None}
        audit.append(connection, tenant_id, caller.actor, "destination.checked", resource, details, caller.request_id)
    return Checked(place_of(row.kind, row.location).key_of(CHECK_NAME), error)


def _tried(caller: Caller, row: DestinationRow) -> str | None:
    listed = endpoints_of(caller.services.settings.destination_endpoints)
    credentials = Credentials.from_json(destinations.credentials_of(caller.services.columns, row))
    try:
        bucket = open_bucket(place_of(row.kind, row.location), credentials, listed, tries=1)
        bucket.write(CHECK_NAME, iter([_CONTENT]), len(_CONTENT), "text/plain")
    except (DestinationFailed, UnsafeAddress) as error:
        return error.message
    return None
