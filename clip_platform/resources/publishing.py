"""From packages to the rows a tenant sees, in one fenced transaction."""

from __future__ import annotations

from clip_platform.database import clips
from clip_platform.database.clips import CandidateRow, ClipRow
from clip_platform.delivery.packages import ClipPackage, ClipPackages, PublishedClips
from clip_platform.resources.attempts import VideoAttempt
from clip_platform.selection.choice import RejectedCandidate, SelectedClip, SelectedClips


def publish_rows(
    attempt: VideoAttempt, published: PublishedClips, packages: ClipPackages, selected: SelectedClips, model: str
) -> None:
    """Replaces the video's clips and rejected candidates.

    Raises:
        Superseded: a newer attempt owns the video.
    """
    package_of = {package.clip_id: package for package in packages.packages}
    shown = set(published.published)
    rows = [_clip_row(clip, package_of[clip.clip_id], model) for clip in selected.clips if clip.clip_id in shown]
    rejected = [_candidate_row(candidate) for candidate in selected.rejected]
    clips.publish(attempt.database, attempt.tenant_id, attempt.video.video_id, attempt.token, rows, rejected)


def _clip_row(clip: SelectedClip, package: ClipPackage, model: str) -> ClipRow:
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
    )


def _candidate_row(candidate: RejectedCandidate) -> CandidateRow:
    return CandidateRow(
        candidate_id=candidate.candidate_id,
        start_s=candidate.span.start,
        end_s=candidate.span.end,
        score=candidate.score,
        text=candidate.text,
        reason=candidate.reason,
    )
