"""`/v1/clips` and a video's clips: shown, re-cut, retitled, taken away."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from clip_platform.api import clips
from clip_platform.api.access import TenantSession, editor, viewer
from clip_platform.api.clips import RenderingState, ShownClip
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.routes.candidates import Contribution
from clip_platform.api.text import PlainText
from clip_platform.api.transactions import Transacted
from clip_platform.database.shown_scores import Band, ShownScore, Withheld
from clip_platform.errors import InvalidInput
from clip_platform.timeline import seconds
from clip_platform.upload.preferences import LATEST_S, PLATFORMS

router = APIRouter(prefix="/v1", route_class=Transacted, tags=["clips"])

Aspect = Literal["9:16", "4:5", "1:1", "16:9"]
CaptionStyle = Literal["highlight", "plain", "none"]
_MOST_REASONS = 3
Platform = Literal["tiktok", "instagram_reels", "youtube_shorts", "linkedin", "x"]


def _distinct(platforms: list[Platform]) -> list[Platform]:
    if len(set(platforms)) < len(platforms):
        raise ValueError("a platform is named twice; name each once")
    return platforms


SourceTime = Annotated[float, Field(ge=0, le=LATEST_S, allow_inf_nan=False, description="Seconds of the source.")]


class Score(BaseModel):
    """Of the model version that the tenant is shown. Interval, band and chance are null where the heuristic scored."""

    value: float = Field(description="0 to 100.")
    interval: tuple[float, float] | None = Field(
        description="Where the clip ends up with 80 % chance: lowest and highest."
    )
    band: Band | None
    top_chance: float | None = Field(description="Chance, 0 to 1, to be in the best third of clips.")
    reasons: list[str] = Field(description="What moved it most; at most three.")
    baseline: float | None = Field(description="Null where the clip was scored again by a later model.")
    contributions: list[Contribution] = Field(description="They sum to value - baseline; empty where that is null.")
    model_version: str


class Clip(BaseModel):
    """Times are the source's, in seconds. What is shown is what is wanted; `state` says whether the files show it."""

    clip_id: str
    video_id: str
    rank: int = Field(description="By score; in an order that means nothing while scores are withheld.")
    state: RenderingState = Field(description="`failed`: the edit cannot be rendered; the files are as they were.")
    start_s: float
    end_s: float
    title: str
    hashtags: list[str] = Field(description="Key phrases of what is said; at most five.")
    summary: str = Field(description="One line, taken from what is said.")
    text: str
    score: Score | None
    score_withheld: Withheld | None = Field(
        description="Why there is no score: `exploration`, so that people judge the clips of this video by themselves. "
        "It is shown once there is a decision on each, or after 28 days."
    )
    aspect: str | None
    caption_style: str | None
    platforms: list[str]
    width_px: int | None
    height_px: int | None
    fallbacks: list[str] = Field(description="What is second best about it.")
    created_at: datetime | None
    updated_at: datetime | None


class ClipChange(BaseModel):
    """What is left out stays as it is; null is as the machine chose."""

    model_config = ConfigDict(extra="forbid")

    start_s: SourceTime | None = None
    end_s: SourceTime | None = None
    title: PlainText | None = None
    aspect: Aspect | None = None
    caption_style: CaptionStyle | None = None
    platforms: Annotated[list[Platform], Field(max_length=len(PLATFORMS)), AfterValidator(_distinct)] | None = None


@router.get("/videos/{video_id}/clips", summary="A video's clips, best first")
def list_clips(
    session: Annotated[TenantSession, viewer("clips")], video_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[Clip]:
    position = read_cursor(cursor, {"rank": int, "clip": str})
    after = (position["rank"], position["clip"]) if position else (0, "")
    rows = [one for one in clips.of_video(session, video_id) if (one.row.rank, one.row.clip_id) > after]
    return page_of(rows, limit, _clip, lambda one: {"rank": one.row.rank, "clip": one.row.clip_id})


@router.get("/clips/{clip_id}", summary="One clip")
def get_clip(session: Annotated[TenantSession, viewer("clips")], clip_id: str, response: Response) -> Clip:
    shown = clips.find(session, clip_id)
    set_etag(response, shown.version)
    return _clip(shown)


@router.patch("/clips/{clip_id}", summary="Cut a clip otherwise, retitle it, change its looks")
def change_clip(
    session: Annotated[TenantSession, editor("clips")],
    clip_id: str,
    change: ClipChange,
    precondition: IfMatch,
    response: Response,
) -> Clip:
    """It is rendered again soon, with all other edits of its video; what did not change is not."""
    found = clips.locked(session, clip_id)
    precondition.check(found.version)
    shown = clips.change(session, found, _changes(change))
    set_etag(response, shown.version)
    session.audit("clip.changed", clip_id, fields=sorted(change.model_fields_set))
    return _clip(shown)


@router.delete("/clips/{clip_id}", status_code=204, summary="Take a clip away for good")
def remove_clip(session: Annotated[TenantSession, editor("clips")], clip_id: str) -> None:
    if clips.remove(session, clip_id):
        session.audit("clip.removed", clip_id)


def _changes(change: ClipChange) -> dict[str, Any]:
    if not change.model_fields_set:
        raise InvalidInput(f"nothing is to be changed; send some of {', '.join(ClipChange.model_fields)}")
    changes = {name: getattr(change, name) for name in change.model_fields_set}
    for name in ("start_s", "end_s"):
        if changes.get(name) is not None:
            changes[name] = Fraction(seconds(changes[name]))
    if changes.get("platforms") is not None:
        changes["platforms"] = tuple(changes["platforms"])
    return changes


def _clip(shown: ShownClip) -> Clip:
    row = shown.row
    return Clip(
        clip_id=shown.public_id,
        video_id=shown.video_id,
        rank=row.rank,
        state=shown.state,
        start_s=float(row.start_s),
        end_s=float(row.end_s),
        title=row.title,
        hashtags=list(row.hashtags),
        summary=row.summary,
        text=row.text,
        score=None if shown.score is None else _score(shown.score),
        score_withheld="exploration" if shown.score is None else None,
        aspect=row.aspect,
        caption_style=row.caption_style,
        platforms=list(row.platforms),
        width_px=row.width_px,
        height_px=row.height_px,
        fallbacks=list(row.fallbacks),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _score(score: ShownScore) -> Score:
    return Score(
        value=score.value,
        interval=None if score.low is None or score.high is None else (score.low, score.high),
        band=score.band,
        top_chance=score.top_chance,
        reasons=list(score.reasons[:_MOST_REASONS]),
        baseline=score.baseline,
        contributions=[Contribution(**one) for one in score.contributions],
        model_version=score.model,
    )
