"""From packages to the rows a tenant sees, in one fenced transaction."""

from __future__ import annotations

from typing import Any

from clip_platform.database import clips
from clip_platform.database.clips import CandidateRow, ClipRow
from clip_platform.delivery.manifest import contributions, spoken_words
from clip_platform.delivery.packages import ClipPackage, ClipPackages, PublishedClips
from clip_platform.rendering.clips import RenderedClip, RenderedClips
from clip_platform.resources.attempts import VideoAttempt
from clip_platform.scoring.scorer import ClipScore, ClipScores
from clip_platform.selection.choice import RejectedCandidate, SelectedClip
from clip_platform.selection.duplicates import signature_of
from clip_platform.selection.edits import EditedClips, Presentation
from clip_platform.speech.transcript import Transcript


def publish_rows(
    attempt: VideoAttempt,
    published: PublishedClips,
    packages: ClipPackages,
    edited: EditedClips,
    scores: ClipScores,
    rendered: RenderedClips,
    transcript: Transcript,
) -> None:
    """Makes these the video's clips and rejected candidates.

    Raises:
        Superseded: a newer attempt owns the video.
    """
    package_of = {package.clip_id: package for package in packages.packages}
    score_of = {score.candidate_id: score for score in scores.scores}
    file_of = {clip.clip_id: clip for clip in rendered.clips}
    shown_as, shown = edited.presentation_of, set(published.published)
    rows = [
        _clip_row(
            clip,
            package_of[clip.clip_id],
            shown_as[clip.clip_id],
            file_of[clip.clip_id],
            score_of.get(clip.clip_id),
            " ".join(spoken_words(clip, transcript)),
            scores.model,
        )
        for clip in edited.selected.clips
        if clip.clip_id in shown
    ]
    rejected = [_candidate_row(candidate) for candidate in edited.selected.rejected]
    owner = (attempt.database, attempt.tenant_id, attempt.video.video_id, attempt.token)
    clips.publish(*owner, rows, rejected, edited.revision)


def _clip_row(
    clip: SelectedClip,
    package: ClipPackage,
    look: Presentation,
    file: RenderedClip,
    score: ClipScore | None,
    text: str,
    model: str,
) -> ClipRow:
    return ClipRow(
        clip_id=clip.clip_id,
        rank=clip.rank,
        start_s=clip.span.start,
        end_s=clip.span.end,
        score=clip.score,
        title=clip.title,
        reasons=clip.reasons,
        files={file.kind: file.stored for file in package.files},
        fallbacks=package.fallbacks,
        model=model,
        baseline=None if score is None else score.baseline,
        contributions=tuple(contributions(clip, score)),
        text=text,
        aspect=look.aspect,
        caption_style=look.caption_style,
        platforms=look.platforms,
        width_px=file.width_px,
        height_px=file.height_px,
        edit_revision=look.edit_revision,
        hashtags=clip.hashtags,
        summary=clip.summary,
        signature=signature_of(text),
        **_outlook(clip.score, score),
    )


def _outlook(shown: float, score: ClipScore | None) -> dict[str, Any]:
    """What a trained model says beside the score; wide enough for what keywords added to it."""
    if score is None or score.low is None or score.high is None:
        return {}
    return {
        "low": min(score.low, shown),
        "high": max(score.high, shown),
        "band": score.band,
        "top_chance": score.top_chance,
    }


def _candidate_row(candidate: RejectedCandidate) -> CandidateRow:
    return CandidateRow(
        candidate_id=candidate.candidate_id,
        start_s=candidate.span.start,
        end_s=candidate.span.end,
        score=candidate.score,
        text=candidate.text,
        reason=candidate.reason,
    )
