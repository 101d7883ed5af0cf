"""`/v1/clips/{clip_id}/lineage`: what a clip was made from, down to digests of bytes and versions of code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from clip_platform.api import clips
from clip_platform.api.access import TenantSession, viewer
from clip_platform.api.transactions import Transacted
from clip_platform.database import attempts, results, videos
from clip_platform.database.edits import EditRow
from clip_platform.database.results import AssetResult
from clip_platform.identifiers import StoredObject

router = APIRouter(prefix="/v1/clips/{clip_id}/lineage", route_class=Transacted, tags=["clips"])


class Bytes(BaseModel):
    sha256: str
    size_bytes: int


class MadeAsset(BaseModel):
    asset: str
    content: Bytes = Field(description="Of the stored result.")
    code_version: str | None
    fingerprint: str = Field(description="Digest of everything the result depends on.")
    needs: dict[str, str] | None = Field(description="Digest of every input, by asset.")
    reads: dict[str, Any] | None = Field(description="Settings, engines and models it depends on.")
    attempt: int
    made_at: datetime | None


class Attempt(BaseModel):
    attempt: int
    began_at: datetime


class ClipEdit(BaseModel):
    """What the tenant wants otherwise; null: as the machine chose."""

    start_s: float | None
    end_s: float | None
    title: str | None
    aspect: str | None
    caption_style: str | None
    platforms: list[str] | None
    updated_at: datetime


class Lineage(BaseModel):
    clip_id: str
    source: Bytes | None
    files: dict[str, Bytes]
    model: str = Field(description="What gave the score.")
    preferences: dict[str, Any]
    assets: list[MadeAsset] = Field(description="In the order they were made.")
    attempts: list[Attempt]
    edit: ClipEdit | None


@router.get("", summary="What a clip was made from")
def get_clip_lineage(session: Annotated[TenantSession, viewer("clips")], clip_id: str) -> Lineage:
    shown = clips.find(session, clip_id)
    video = videos.find(session.connection, shown.video_id)
    edit = clips.edit_of(session, shown.video_id, shown.row.clip_id)
    made = results.all_current(session.connection, shown.video_id)
    tried = attempts.of_video(session.connection, shown.video_id)
    return Lineage(
        clip_id=clip_id,
        source=_bytes(video.stored_source) if video.stored_source else None,
        files={kind: _bytes(stored) for kind, stored in shown.row.files.items()},
        model=shown.score.model if shown.score else shown.row.model,
        preferences=dict(video.preferences),
        assets=[_asset(result) for result in made],
        attempts=[Attempt(attempt=one.attempt, began_at=one.began_at) for one in tried],
        edit=_edit(edit) if edit else None,
    )


def _bytes(stored: StoredObject) -> Bytes:
    return Bytes(sha256=stored.sha256, size_bytes=stored.size_bytes)


def _asset(result: AssetResult) -> MadeAsset:
    return MadeAsset(
        asset=result.asset,
        content=_bytes(result.artifact),
        code_version=result.code_version,
        fingerprint=result.fingerprint,
        needs=None if result.needs is None else dict(result.needs),
        reads=None if result.reads is None else _without_folders(result.reads),
        attempt=result.attempt,
        made_at=result.created_at,
    )


def _without_folders(value: Any) -> Any:
    """Where the operator keeps a model is nobody else's business; its file's name is."""
    if isinstance(value, Mapping):
        return {name: _without_folders(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return PurePath(value).name if isinstance(value, str) and value.startswith("/") else value


def _edit(edit: EditRow) -> ClipEdit:
    return ClipEdit(
        start_s=None if edit.start_s is None else float(edit.start_s),
        end_s=None if edit.end_s is None else float(edit.end_s),
        title=edit.title,
        aspect=edit.aspect,
        caption_style=edit.caption_style,
        platforms=None if edit.platforms is None else list(edit.platforms),
        updated_at=edit.updated_at,
    )
