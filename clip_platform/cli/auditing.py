"""`audit verify`: whether nobody has changed the audit trail, in the database or in an exported file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from clip_platform.cli.tenants import every_tenant, open_database
from clip_platform.database import audit
from clip_platform.database.audit import AuditEvent, Chain
from clip_platform.database.connection import Database
from clip_platform.errors import CorruptArtifact, NotFound, UnreadableFile

_READ_AT_ONCE = 2000


def verify_database(tenant_id: str | None) -> int:
    """Follows every tenant's chain, or one tenant's.

    Raises:
        NotFound: there is no such tenant.
        CorruptArtifact: names the tenant's first event that is not as it was written.
    """
    with open_database() as database:
        known = [row.tenant_id for row in every_tenant(database)]
        if tenant_id is not None and tenant_id not in known:
            raise NotFound(f"there is no tenant {tenant_id!r}; `clip-platform tenant list` shows them")
        wanted = [tenant_id] if tenant_id else known
        for one in wanted:
            chain = Chain()
            for event in _events(database, one):
                chain.follow(event.sequence, event.canonical, event.previous_hash, event.hash)
            _expect_no_shorter_than_exported(database, one, chain.sequence)
            Console().print(f"{one}: {chain.sequence} events, unbroken", highlight=False)
    return 0


def _expect_no_shorter_than_exported(database: Database, tenant_id: str, sequence: int) -> None:
    """Events cut off at the end leave a chain that is whole; the copies say how long it was."""
    with database.tenant_transaction(tenant_id) as connection:
        exported = audit.exported_up_to(connection)
    if sequence < exported:
        raise CorruptArtifact(
            f"{tenant_id}: the audit trail ends at event {sequence}, but {exported} events were exported; compare with "
            "the exported copy, which is locked"
        )


def verify_file(path: Path) -> int:
    """Follows the chain of an exported segment, from its first line on.

    Raises:
        UnreadableFile, CorruptArtifact.
    """
    chain: Chain | None = None
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                before = bytes.fromhex(event["previous_hash"])
                chain = chain or Chain(event["sequence"] - 1, before)
                chain.follow(event["sequence"], event["canonical"], before, bytes.fromhex(event["hash"]))
                _expect_shown_as_hashed(event)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}; check its name and permissions") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifact(f"{path} is no exported audit trail; name a file of the audit store") from error
    if chain is None:
        raise CorruptArtifact(f"{path} is empty; name a file of the audit store")
    Console().print(f"{path.name}: unbroken up to event {chain.sequence}", highlight=False)
    return 0


def _expect_shown_as_hashed(event: Mapping[str, Any]) -> None:
    """People read the fields, the hash is over `canonical`: the two must say the same."""
    _, sequence, at, *hashed = json.loads(event["canonical"])
    shown = [event[name] for name in ("actor", "action", "resource", "details", "request_id")]
    same_time = datetime.fromisoformat(event["at"]) == datetime.fromisoformat(at)
    if not same_time or (event["sequence"], shown) != (sequence, hashed):
        raise CorruptArtifact(f"event {event['sequence']} shows other fields than were hashed; believe its `canonical`")


def _events(database: Database, tenant_id: str) -> Iterator[AuditEvent]:
    after = 0
    while True:
        with database.tenant_transaction(tenant_id) as connection:
            events = audit.oldest(connection, _READ_AT_ONCE, after)
        yield from events
        if len(events) < _READ_AT_ONCE:
            return
        after = events[-1].sequence
