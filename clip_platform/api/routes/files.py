"""`/v1/clips/{clip_id}/files`: short-lived addresses of a clip's files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from clip_platform.api import clips
from clip_platform.api.access import TenantSession, viewer
from clip_platform.api.clips import ShownClip
from clip_platform.api.transactions import Transacted
from clip_platform.delivery.packages import MEDIA_TYPE_BY_KIND, SUFFIX_BY_KIND, file_stem

router = APIRouter(prefix="/v1/clips/{clip_id}/files", route_class=Transacted, tags=["clips"])


class ClipFile(BaseModel):
    kind: str = Field(description="`video`, `thumbnail`, `srt`, `vtt` or `ass`.")
    name: str = Field(description="Safe on every file system.")
    content_type: str
    size_bytes: int
    sha256: str
    url: str = Field(description="Fetches the file without a token until `expires_at`.")
    expires_at: datetime


class ClipFiles(BaseModel):
    items: list[ClipFile]


@router.get("", summary="Short-lived addresses of a clip's files")
def list_clip_files(session: Annotated[TenantSession, viewer("clips")], clip_id: str) -> ClipFiles:
    """Each call is in the audit trail."""
    shown = clips.find(session, clip_id)
    files = [_file(session, shown, kind) for kind in SUFFIX_BY_KIND if kind in shown.row.files]
    session.audit("clip.files_signed", clip_id, kinds=[file.kind for file in files])
    return ClipFiles(items=files)


def _file(session: TenantSession, shown: ShownClip, kind: str) -> ClipFile:
    stored = shown.row.files[kind]
    name = file_stem(shown.row.rank, shown.row.title) + SUFFIX_BY_KIND[kind]
    lasts_s = int(session.services.settings.signed_url_minutes * 60)
    url = session.services.part_store.sign_download(stored.key, name, MEDIA_TYPE_BY_KIND[kind], lasts_s)
    return ClipFile(
        kind=kind,
        name=name,
        content_type=MEDIA_TYPE_BY_KIND[kind],
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        url=url,
        expires_at=datetime.now(UTC) + timedelta(seconds=lasts_s),
    )
