"""Which stored result belongs to which asset of a video: the checkpoints. The bytes are in the object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from clip_platform.database import videos
from clip_platform.database.connection import Database
from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class AssetResult:
    """A value of an asset: where it is, and `fingerprint`, a digest of everything it depends on."""

    video_id: str
    asset: str
    fingerprint: str
    artifact: StoredObject
    attempt: int


_COLUMNS = "video_id, asset, fingerprint, artifact_key, artifact_sha256, artifact_size_bytes, attempt"
_FIND = text(f"""
    select {_COLUMNS} from asset_results
    where video_id = :video_id and asset = :asset and fingerprint = :fingerprint""")  # noqa: S608
_CURRENT = text(f"select {_COLUMNS} from asset_results where video_id = :video_id and asset = :asset and is_current")  # noqa: S608
_RETIRE = text("""
    update asset_results set is_current = false
    where video_id = :video_id and asset = :asset and is_current and fingerprint <> :fingerprint""")
_PUT = text("""
    insert into asset_results (video_id, tenant_id, asset, fingerprint, artifact_key, artifact_sha256,
        artifact_size_bytes, attempt, is_current)
    values (:video_id, :tenant_id, :asset, :fingerprint, :key, :sha256, :size_bytes, :attempt, true)
    on conflict (video_id, asset, fingerprint) do update
    set artifact_key = excluded.artifact_key, artifact_sha256 = excluded.artifact_sha256,
        artifact_size_bytes = excluded.artifact_size_bytes, attempt = excluded.attempt, is_current = true,
        created_at = now()""")


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


def commit(db: Database, tenant_id: str, result: AssetResult, token: str) -> None:
    """Stores the claim and makes it the asset's current result.

    Raises:
        Superseded: the token is not the current attempt's; nothing is written.
    """
    identity = {"video_id": result.video_id, "asset": result.asset, "fingerprint": result.fingerprint}
    artifact = {"key": result.artifact.key, "sha256": result.artifact.sha256, "size_bytes": result.artifact.size_bytes}
    with db.tenant_transaction(tenant_id) as connection:
        videos.fenced(connection, result.video_id, token)
        connection.execute(_RETIRE, identity)
        connection.execute(_PUT, {**identity, **artifact, "tenant_id": tenant_id, "attempt": result.attempt})


def _result(found: Row[Any]) -> AssetResult:
    artifact = StoredObject(found.artifact_key, found.artifact_sha256, found.artifact_size_bytes)
    return AssetResult(found.video_id, found.asset, found.fingerprint, artifact, found.attempt)
