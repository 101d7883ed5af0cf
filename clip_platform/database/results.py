"""Which stored result belongs to which asset of a video: the checkpoints. The bytes are in the object store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from clip_platform.database import videos
from clip_platform.database.connection import Database
from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class AssetResult:
    """A value of an asset: where it is, and `fingerprint`, a digest of everything it depends on.

    What went into that digest is kept for people: `needs` are content digests by asset, `reads` settings and engines;
    all three are None for results of versions that did not keep them.
    """

    video_id: str
    asset: str
    fingerprint: str
    artifact: StoredObject
    attempt: int
    code_version: str | None = None
    needs: Mapping[str, str] | None = None
    reads: Mapping[str, Any] | None = None
    created_at: datetime | None = field(default=None, compare=False)


_COLUMNS = """video_id, asset, fingerprint, artifact_key, artifact_sha256, artifact_size_bytes, attempt, code_version,
    needs, reads, created_at"""
_FIND = text(f"""
    select {_COLUMNS} from asset_results
    where video_id = :video_id and asset = :asset and fingerprint = :fingerprint""")  # noqa: S608
_CURRENT = text(f"select {_COLUMNS} from asset_results where video_id = :video_id and asset = :asset and is_current")  # noqa: S608
_ALL_CURRENT = text(f"""
    select {_COLUMNS} from asset_results where video_id = :video_id and is_current
    order by created_at, asset""")  # noqa: S608
_RETIRE = text("""
    update asset_results set is_current = false
    where video_id = :video_id and asset = :asset and is_current and fingerprint <> :fingerprint""")
_PUT = text("""
    insert into asset_results (video_id, tenant_id, asset, fingerprint, artifact_key, artifact_sha256,
        artifact_size_bytes, attempt, is_current, code_version, needs, reads)
    values (:video_id, :tenant_id, :asset, :fingerprint, :key, :sha256, :size_bytes, :attempt, true, :code_version,
        cast(:needs as jsonb), cast(:reads as jsonb))
    on conflict (video_id, asset, fingerprint) do update
    set artifact_key = excluded.artifact_key, artifact_sha256 = excluded.artifact_sha256,
        artifact_size_bytes = excluded.artifact_size_bytes, attempt = excluded.attempt, is_current = true,
        code_version = excluded.code_version, needs = excluded.needs, reads = excluded.reads, created_at = now()""")


def find(db: Database, tenant_id: str, video_id: str, asset: str, fingerprint: str) -> AssetResult | None:
    """The result made from exactly these inputs, whichever attempt made it."""
    with db.tenant_transaction(tenant_id) as connection:
        identity = {"video_id": video_id, "asset": asset, "fingerprint": fingerprint}
        found = connection.execute(_FIND, identity).one_or_none()
    return None if found is None else _result(found)


def current(db: Database, tenant_id: str, video_id: str, asset: str) -> AssetResult | None:
    """The asset's latest committed result."""
    with db.tenant_transaction(tenant_id) as connection:
        found = connection.execute(_CURRENT, {"video_id": video_id, "asset": asset}).one_or_none()
    return None if found is None else _result(found)


def all_current(connection: Connection, video_id: str) -> list[AssetResult]:
    """The latest committed result of every asset of the entered tenant's video, in the order they were made."""
    return [_result(found) for found in connection.execute(_ALL_CURRENT, {"video_id": video_id})]


def commit(db: Database, tenant_id: str, result: AssetResult, token: str) -> None:
    """Stores the claim and makes it the asset's current result.

    Raises:
        Superseded: the token is not the current attempt's; nothing is written.
    """
    identity = {"video_id": result.video_id, "asset": result.asset, "fingerprint": result.fingerprint}
    artifact = {"key": result.artifact.key, "sha256": result.artifact.sha256, "size_bytes": result.artifact.size_bytes}
    made_from = {
        "code_version": result.code_version,
        "needs": _document(result.needs),
        "reads": _document(result.reads),
    }
    with db.tenant_transaction(tenant_id) as connection:
        videos.fenced(connection, result.video_id, token)
        connection.execute(_RETIRE, identity)
        row = {**identity, **artifact, **made_from, "tenant_id": tenant_id, "attempt": result.attempt}
        connection.execute(_PUT, row)


def _document(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(dict(values), sort_keys=True, default=str)


def _result(found: Row[Any]) -> AssetResult:
    artifact = StoredObject(found.artifact_key, found.artifact_sha256, found.artifact_size_bytes)
    made_from = (found.code_version, found.needs, found.reads)
    return AssetResult(
        found.video_id, found.asset, found.fingerprint, artifact, found.attempt, *made_from, found.created_at
    )
