"""`clips.json`: what was made of a video and why, for programs.

Described by `docs/clips.schema.json` (JSON Schema 2020-12).

Deterministic: no clock, no host, no path. A change that breaks a reader raises `SCHEMA_VERSION`'s first number.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from clip_platform.identifiers import StoredObject
from clip_platform.media.information import MediaInfo
from clip_platform.rendering.clips import LayoutRun, QualityReport, RenderedClip, RenderedClips
from clip_platform.scoring.scorer import ClipScore, ClipScores
from clip_platform.selection.choice import RejectedCandidate, SelectedClip
from clip_platform.selection.edits import EditedClips, Presentation
from clip_platform.speech.transcript import Transcript
from clip_platform.upload.preferences import Preferences

SCHEMA_VERSION = "1.1"
FIRST_WORDS = 12
"""Words of a clip's opening that are shown in lists."""

Json = dict[str, Any]


def clips_manifest(
    video_name: str,
    source: StoredObject,
    media: MediaInfo,
    transcript: Transcript,
    scores: ClipScores,
    edited: EditedClips,
    rendered: RenderedClips,
    preferences: Preferences,
    file_names: Mapping[str, Mapping[str, str]],
    *,
    face_detector: str = "",
) -> Json:
    """The manifest as plain JSON values. Times are seconds of the source, to the microsecond.

    Args:
        file_names: file name by kind (see `packages.SUFFIX_BY_KIND`), by clip id; names only, no folders.
        face_detector: engine and model that found the faces (`FaceTracks.detector`), for lineage.
    """
    score_of = {score.candidate_id: score for score in scores.scores}
    rendered_of = {clip.clip_id: clip for clip in rendered.clips}
    shown_as = edited.presentation_of
    selected = edited.selected
    return {
        "schema_version": SCHEMA_VERSION,
        "video": _video(video_name, source, media),
        "engines": _engines(transcript, scores, face_detector),
        "preferences": _preferences(preferences),
        "clips": [
            _clip(clip, transcript, score_of.get(clip.clip_id), rendered_of.get(clip.clip_id), file_names)
            | _looks(shown_as[clip.clip_id])
            for clip in selected.clips
        ],
        "rejected": [_rejected(candidate) for candidate in selected.rejected],
        "shortfall": selected.shortfall,
    }


def _s(moment: Fraction) -> float:
    return round(float(moment), 6)


def _video(name: str, source: StoredObject, media: MediaInfo) -> Json:
    return {
        "name": name,
        "sha256": source.sha256,
        "size_bytes": source.size_bytes,
        "container": media.container,
        "duration_s": _s(media.duration_s),
        "width_px": media.video.width_px,
        "height_px": media.video.height_px,
        "frame_rate": round(float(media.video.frame_rate), 6),
        "warnings": list(media.warnings),
    }


def _engines(transcript: Transcript, scores: ClipScores, face_detector: str) -> Json:
    engine = transcript.engine
    return {
        "speech": {
            "name": engine.name,
            "version": engine.version,
            "model": engine.model,
            "language": transcript.language,
            "rough": engine.rough,
        },
        "faces": face_detector,
        "score": {"model": scores.model, "feature_digest": scores.feature_digest},
    }


def _preferences(preferences: Preferences) -> Json:
    return preferences.as_mapping()


def _looks(shown: Presentation) -> Json:
    return {
        "aspect": shown.aspect,
        "caption_style": shown.caption_style,
        "platforms": list(shown.platforms),
        "edit_revision": shown.edit_revision,
    }


def _clip(
    clip: SelectedClip,
    transcript: Transcript,
    score: ClipScore | None,
    rendered: RenderedClip | None,
    file_names: Mapping[str, Mapping[str, str]],
) -> Json:
    words = spoken_words(clip, transcript)
    return {
        "rank": clip.rank,
        "clip_id": clip.clip_id,
        "start_s": _s(clip.span.start),
        "end_s": _s(clip.span.end),
        "duration_s": _s(clip.span.duration_s),
        "title": clip.title,
        "hashtags": list(clip.hashtags),
        "summary": clip.summary,
        "first_words": " ".join(words[:FIRST_WORDS]),
        "text": " ".join(words),
        "score": _score(clip, score),
        "files": dict(file_names.get(clip.clip_id, {})),
        "width_px": rendered.width_px if rendered else None,
        "height_px": rendered.height_px if rendered else None,
        "layout": [_run(run) for run in rendered.layout] if rendered else [],
        "quality": _quality(rendered.quality) if rendered else None,
    }


def _score(clip: SelectedClip, score: ClipScore | None) -> Json:
    return {
        "value": clip.score,
        "baseline": score.baseline if score else None,
        "reasons": list(clip.reasons),
        "contributions": contributions(clip, score),
    }


def contributions(clip: SelectedClip, score: ClipScore | None) -> list[Json]:
    """What the score is made of: they sum to it with the baseline, points for keywords included."""
    if score is None:
        return []
    parts = [{"feature": part.feature, "value": part.value, "points": part.points} for part in score.contributions]
    for_keywords = clip.score - score.value
    if for_keywords > 0:
        parts.append({"feature": "keywords", "value": for_keywords, "points": for_keywords})
    return parts


def spoken_words(clip: SelectedClip, transcript: Transcript) -> list[str]:
    return [word.text for word in transcript.words[clip.first_word : clip.last_word + 1]]


def _run(run: LayoutRun) -> Json:
    return {"start_s": _s(run.span.start), "end_s": _s(run.span.end), "layout": run.layout, "reason": run.reason}


def _quality(quality: QualityReport) -> Json:
    return {
        "publishable": not quality.problems,
        "frames": quality.frames,
        "expected_frames": quality.expected_frames,
        "duration_s": quality.duration_s,
        "loudness_lufs": quality.loudness_lufs,
        "true_peak_dbtp": quality.true_peak_dbtp,
        "caption_error_s": quality.caption_error_s,
        "fallbacks": list(quality.fallbacks),
        "problems": list(quality.problems),
    }


def _rejected(candidate: RejectedCandidate) -> Json:
    return {
        "candidate_id": candidate.candidate_id,
        "start_s": _s(candidate.span.start),
        "end_s": _s(candidate.span.end),
        "score": candidate.score,
        "text": candidate.text,
        "reason": candidate.reason,
    }
