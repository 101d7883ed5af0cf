"""`/v1/videos`: taking videos in. What becomes of them afterwards is in `routes.videos`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from clip_platform.api import uploads
from clip_platform.api.access import TenantSession, editor
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Page, page_of, read_cursor
from clip_platform.api.text import PlainText
from clip_platform.api.transactions import Transacted
from clip_platform.api.uploads import Announced
from clip_platform.storage.parts.protocol import Part, SignedPart, StoredPart
from clip_platform.upload.acceptance import UNKNOWN_TYPE
from clip_platform.upload.states import VideoState

router = APIRouter(prefix="/v1/videos", route_class=Transacted, tags=["uploads"])

Editing = Annotated[TenantSession, editor("videos")]
VideoId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$", description="A ULID.")]
MAX_PARTS_A_REQUEST = 1000


class NewVideo(BaseModel):
    """A file that will be sent in parts (`size_bytes`), or an address to fetch it from (`source_url`)."""

    model_config = ConfigDict(extra="forbid")

    name: PlainText = Field(examples=["town-hall.mp4"])
    content_type: str = Field(default=UNKNOWN_TYPE, max_length=200, examples=["video/mp4"])
    size_bytes: int | None = Field(default=None, ge=0, lt=2**63)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Of the whole file, in hex.")
    source_url: str | None = Field(
        default=None, max_length=2000, description="https://, or a public object as s3:// or az://."
    )
    preferences: dict[str, JsonValue] = Field(
        default_factory=dict, description="Laid over the tenant's defaults.", examples=[{"clips": 3, "aspect": "9:16"}]
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.size_bytes is None) == (self.source_url is None):
            raise ValueError("give size_bytes, for a file that you send, or source_url, for one to fetch")
        if self.source_url is not None and self.sha256 is not None:
            raise ValueError("sha256 is of a file that you send; leave it out with source_url")
        return self


class UploadTerms(BaseModel):
    part_size_bytes: int = Field(description="Of every part but the last, which has the rest.")
    part_count: int
    expires_at: datetime = Field(description="An upload that is not completed by then is removed.")


class NewVideoAnswer(BaseModel):
    video_id: str
    state: VideoState
    upload: UploadTerms | None = Field(description="Null when the video is fetched from an address.")


class PartToSend(BaseModel):
    model_config = ConfigDict(extra="forbid")

    part_number: int = Field(ge=-(2**31), lt=2**31, description="From 1.")
    size_bytes: int = Field(ge=0, lt=2**63, description="Exact.")
    md5: str = Field(max_length=64, description="Of its bytes, in base64, as in Content-MD5.")


class PartsToSend(BaseModel):
    model_config = ConfigDict(extra="forbid")

    parts: list[PartToSend] = Field(min_length=1, max_length=MAX_PARTS_A_REQUEST)


class SignedRequest(BaseModel):
    """PUT the part's bytes to `url` with exactly these headers, and with no token."""

    part_number: int
    method: str = "PUT"
    url: str
    headers: dict[str, str]
    expires_at: datetime
    expires_in_s: int = Field(description="The same, for clients whose clock is wrong.")


class SignedRequests(BaseModel):
    parts: list[SignedRequest]


class ArrivedPart(BaseModel):
    part_number: int
    size_bytes: int
    md5: str | None


class VideoStateAnswer(BaseModel):
    video_id: str
    state: VideoState


@router.post("", status_code=201, response_model=NewVideoAnswer, summary="Begin an upload, or have a video fetched")
def create_video(session: Editing, once: Once, video: NewVideo) -> Response:
    return once.answer(201, lambda: _created(session, once.response, video))


@router.post("/{video_id}/parts", summary="Addresses to send parts to")
def sign_parts(session: Editing, video_id: VideoId, wanted: PartsToSend) -> SignedRequests:
    parts = [Part(part.part_number, part.size_bytes, part.md5) for part in wanted.parts]
    signed, now = uploads.sign_parts(session, video_id, parts), datetime.now(UTC)
    return SignedRequests(parts=[_request(part, now) for part in signed])


@router.get("/{video_id}/parts", summary="Parts that have arrived")
def list_parts(
    session: Editing,
    video_id: VideoId,
    limit: Annotated[int, Query(ge=1, le=MAX_PARTS_A_REQUEST, description="How many parts at most.")] = 200,
    cursor: Cursor = None,
) -> Page[ArrivedPart]:
    position = read_cursor(cursor, {"part": int}) or {"part": 0}
    arrived = uploads.arrived_parts(session, video_id, position["part"], limit + 1)
    return page_of(arrived, limit, _arrived, lambda part: {"part": part.number})


@router.post("/{video_id}/complete", status_code=202, summary="All parts are sent: join and verify them")
def complete_upload(session: Editing, video_id: VideoId) -> VideoStateAnswer:
    return VideoStateAnswer(video_id=video_id, state=uploads.complete_upload(session, video_id))


@router.delete("/{video_id}/upload", status_code=204, summary="Give an upload up")
def give_up_upload(session: Editing, video_id: VideoId) -> None:
    uploads.give_up_upload(session, video_id)


def _created(session: TenantSession, response: Response, video: NewVideo) -> NewVideoAnswer:
    preferences: dict[str, Any] = video.preferences
    if video.source_url is not None:
        video_id = uploads.pull(session, video.name, video.content_type, video.source_url, preferences)
        answer = NewVideoAnswer(video_id=video_id, state=VideoState.SUBMITTED, upload=None)
    else:
        size_bytes = video.size_bytes or 0
        begun = uploads.begin_upload(
            session, Announced(video.name, video.content_type, size_bytes, video.sha256, preferences)
        )
        whole = begun.whole
        terms = UploadTerms(
            part_size_bytes=whole.part_size_bytes, part_count=whole.part_count, expires_at=begun.expires_at
        )
        answer = NewVideoAnswer(video_id=begun.video_id, state=VideoState.UPLOADING, upload=terms)
    response.headers["Location"] = f"/v1/videos/{answer.video_id}"
    return answer


def _request(part: SignedPart, now: datetime) -> SignedRequest:
    return SignedRequest(
        part_number=part.number,
        url=part.url,
        headers=dict(part.headers),
        expires_at=part.expires_at,
        expires_in_s=int((part.expires_at - now).total_seconds()),
    )


def _arrived(part: StoredPart) -> ArrivedPart:
    return ArrivedPart(part_number=part.number, size_bytes=part.size_bytes, md5=part.md5)
