"""`/v1/operator`: what operators do across tenants. They see ids, states and error classes, and nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from clip_platform.api.access import TenantSession, operator
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.transactions import Transacted
from clip_platform.database import audit, operators, videos
from clip_platform.database.connection import enter_tenant
from clip_platform.errors import NotFound
from clip_platform.upload.states import VideoState

router = APIRouter(prefix="/v1/operator", route_class=Transacted, tags=["operators"])

Operating = Annotated[TenantSession, operator()]
VideoId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$", description="A ULID.")]


class OperatorVideo(BaseModel):
    id: str
    tenant_id: str
    state: VideoState
    attempt: int
    failures: int
    error_class: str | None
    updated_at: datetime


class OperatorTenant(BaseModel):
    id: str
    created_at: datetime
    closing_at: datetime | None


class Requeued(BaseModel):
    id: str
    state: VideoState


@router.get("/videos", summary="Videos of all tenants by state, newest first")
def list_operator_videos(
    session: Operating,
    state: Annotated[VideoState | None, Query(description="`dead_lettered`, say.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OperatorVideo]:
    position = read_cursor(cursor, {"id": str})
    wanted = state.value if state else None
    rows = operators.videos_page(session.connection, limit + 1, wanted, position["id"] if position else None)
    return page_of(rows, limit, _video, lambda row: {"id": row.video_id})


@router.post(
    "/videos/{video_id}/requeue", status_code=202, response_model=Requeued, summary="Give a video all its chances again"
)
def requeue_operator_video(session: Operating, video_id: VideoId, once: Once) -> Response:
    return once.answer(202, lambda: _requeue(session, video_id))


@router.get("/tenants", summary="All tenants, by id")
def list_operator_tenants(session: Operating, limit: Limit = 50, cursor: Cursor = None) -> Page[OperatorTenant]:
    position = read_cursor(cursor, {"id": str})
    rows = operators.tenants_page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, _tenant, lambda row: {"id": row.tenant_id})


def _requeue(session: TenantSession, video_id: str) -> Requeued:
    """In the name of the video's tenant, whose trail says which operator it was; then back to the operators' own."""
    tenant_id = operators.tenant_of(session.connection, video_id)
    if tenant_id is None:
        raise NotFound(f"there is no video {video_id}; GET /v1/operator/videos lists them")
    enter_tenant(session.connection, tenant_id)
    row = videos.put_back(session.connection, video_id)
    by = f"operator:{session.actor}"
    audit.append(session.connection, tenant_id, by, "video.requeued", f"video:{video_id}", {}, session.request_id)
    enter_tenant(session.connection, session.tenant_id)
    return Requeued(id=row.video_id, state=row.state)


def _video(row: operators.VideoSummary) -> OperatorVideo:
    return OperatorVideo(
        id=row.video_id,
        tenant_id=row.tenant_id,
        state=VideoState(row.state),
        attempt=row.attempt,
        failures=row.failures,
        error_class=row.error_class,
        updated_at=row.updated_at,
    )


def _tenant(row: operators.TenantSummary) -> OperatorTenant:
    return OperatorTenant(id=row.tenant_id, created_at=row.created_at, closing_at=row.closing_at)
