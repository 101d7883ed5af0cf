"""`/v1/videos/{video_id}/transcript`: what was said, in four formats."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from clip_platform.api import stored_values, transcripts
from clip_platform.api.access import TenantSession, viewer
from clip_platform.api.transactions import Transacted
from clip_platform.api.transcripts import MEDIA_TYPES, Format
from clip_platform.database import videos
from clip_platform.speech.transcript import Transcript

router = APIRouter(prefix="/v1/videos/{video_id}/transcript", route_class=Transacted, tags=["videos"])


class SpokenWord(BaseModel):
    """Times are the source's, in seconds."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = Field(description="0 to 1; null when the engine gives none.")


class Stretch(BaseModel):
    start_s: float
    end_s: float


class SpeechEngine(BaseModel):
    name: str
    version: str
    model: str
    rough: str | None = Field(description="Why results are rough, and what to do; null for a production engine.")


class VideoTranscript(BaseModel):
    language: str
    engine: SpeechEngine
    words: list[SpokenWord]
    speech: list[Stretch] = Field(description="Where speech was heard.")


_TEXTS = {media_type: {"schema": {"type": "string"}} for name, media_type in MEDIA_TYPES.items() if name != "json"}


@router.get(
    "",
    response_model=VideoTranscript,
    responses={200: {"content": _TEXTS}},
    summary="What was said, as JSON, SRT, VTT or text",
)
def get_transcript(
    session: Annotated[TenantSession, viewer("videos")],
    video_id: str,
    format_: Annotated[Format | None, Query(alias="format", description="Goes before `Accept`.")] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    video = videos.find(session.connection, video_id)
    transcript = stored_values.current(session, video.video_id, "transcript", Transcript)
    kind = transcripts.wanted(format_, accept)
    if kind == "json":
        content = json.dumps(transcripts.document(transcript), ensure_ascii=False, separators=(",", ":"))
    else:
        content = transcripts.written(transcript, kind)
    session.audit("transcript.read", f"video:{video_id}", format=kind)
    return Response(content, media_type=MEDIA_TYPES[kind], headers={"Vary": "Accept"})
