"""`/v1/videos/{video_id}/candidates`: the stretches that were weighed, and why most of them became no clip."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from clip_platform.api import stored_values
from clip_platform.api.access import TenantSession, viewer
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.transactions import Transacted
from clip_platform.database import clips, shown_scores, videos
from clip_platform.database.clips import CandidateRow, ScoredClip
from clip_platform.database.shown_scores import Withheld
from clip_platform.scoring.scorer import ClipScore, ClipScores

router = APIRouter(prefix="/v1/videos/{video_id}/candidates", route_class=Transacted, tags=["videos"])


class Contribution(BaseModel):
    """How many of the score's points one feature gave or took."""

    feature: str
    value: float
    points: float


class Candidate(BaseModel):
    """Times are the source's, in seconds."""

    candidate_id: str | None = Field(description="Null for a stretch that could not be a clip at all.")
    start_s: float
    end_s: float
    score: float | None = Field(description="0 to 100; null when it was never scored, or while that is withheld.")
    score_withheld: Withheld | None = Field(default=None, description="As on a clip; the reason is withheld too.")
    text: str
    rejected: bool
    reason: str | None = Field(description="Why it became no clip.")
    baseline: float | None = Field(default=None, description="Score of a clip of which nothing is known.")
    contributions: list[Contribution] | None = Field(
        default=None, description="They sum to score - baseline; null when not asked for, or not known."
    )


@router.get("", summary="Stretches that were weighed: the rejected ones with their reasons, or the chosen ones")
def list_candidates(
    session: Annotated[TenantSession, viewer("videos")],
    video_id: str,
    rejected: Annotated[bool, Query(description="`true`: what became no clip; `false`: what did.")] = True,
    contributions: Annotated[bool, Query(description="With what every feature gave or took.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Candidate]:
    videos.find(session.connection, video_id)
    position = read_cursor(cursor, {"after": int})
    after = position["after"] if position else 0
    if not rejected:
        chosen = [clip for clip in clips.shown_of_video(session.connection, video_id) if clip.row.rank > after]
        return page_of(chosen, limit, _chosen, lambda clip: {"after": clip.row.rank})
    rows = clips.candidates(session.connection, video_id, after, limit + 1)
    if shown_scores.withheld(session.connection, video_id):
        return page_of(rows, limit, _withheld, lambda row: {"after": row.row_id})
    scores = _scores(session, video_id) if contributions and rows else {}
    return page_of(rows, limit, lambda row: _rejected(row, scores), lambda row: {"after": row.row_id})


def _scores(session: TenantSession, video_id: str) -> dict[str, ClipScore]:
    scored = stored_values.find(session, video_id, "clip_scores", ClipScores)
    return {score.candidate_id: score for score in scored.scores} if scored else {}


def _chosen(clip: ScoredClip) -> Candidate:
    row, score = clip.row, clip.score
    known: dict[str, Any] = {"score": None, "score_withheld": "exploration"}
    if score is not None:
        given = [Contribution(**one) for one in score.contributions]
        known = {"score": score.value, "baseline": score.baseline, "contributions": given}
    return Candidate(
        candidate_id=row.clip_id,
        start_s=float(row.start_s),
        end_s=float(row.end_s),
        text=row.text,
        rejected=False,
        reason=None,
        **known,
    )


def _withheld(row: CandidateRow) -> Candidate:
    """Its reason may name the score or the rank of a clip."""
    return _rejected(replace(row, score=None), {}).model_copy(update={"reason": None, "score_withheld": "exploration"})


def _rejected(row: CandidateRow, scores: dict[str, ClipScore]) -> Candidate:
    score = scores.get(row.candidate_id or "")
    known: dict[str, Any] = {}
    if score is not None:
        given = [Contribution(feature=one.feature, value=one.value, points=one.points) for one in score.contributions]
        known = {"baseline": score.baseline, "contributions": given}
    return Candidate(
        candidate_id=row.candidate_id,
        start_s=float(row.start_s),
        end_s=float(row.end_s),
        score=row.score,
        text=row.text,
        rejected=True,
        reason=row.reason,
        **known,
    )
