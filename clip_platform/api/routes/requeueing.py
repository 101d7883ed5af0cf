"""`POST /v1/videos/{id}/requeue`: a tenant's own failed video gets all its chances again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from clip_platform.api.access import TenantSession, editor
from clip_platform.api.idempotency import Once
from clip_platform.api.transactions import Transacted
from clip_platform.database import videos
from clip_platform.upload.states import VideoState

router = APIRouter(prefix="/v1/videos", route_class=Transacted, tags=["videos"])

VideoId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$", description="A ULID.")]


class RequeuedVideo(BaseModel):
    id: str
    state: VideoState


@router.post(
    "/{video_id}/requeue", status_code=202, response_model=RequeuedVideo, summary="Process a failed video again"
)
def requeue_video(session: Annotated[TenantSession, editor("videos")], video_id: VideoId, once: Once) -> Response:
    return once.answer(202, lambda: _requeue(session, video_id))


def _requeue(session: TenantSession, video_id: str) -> RequeuedVideo:
    row = videos.put_back(session.connection, video_id)
    session.audit("video.requeued", f"video:{video_id}")
    return RequeuedVideo(id=row.video_id, state=row.state)
