"""What a rendered clip is. Types only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clip_platform.identifiers import StoredObject
from clip_platform.timeline import Span


@dataclass(frozen=True, slots=True)
class LayoutRun:
    """One stretch of a clip, in clip time, shown in one layout: `crop` follows a face, `fit` shows the whole picture
    over a blurred copy. `reason` says why, for people."""

    span: Span
    layout: Literal["crop", "fit"]
    reason: str


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Measured on the finished file. `fallbacks`: what was second best, in words; `problems`: why it must not be
    published."""

    frames: int
    expected_frames: int
    duration_s: float
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    caption_error_s: float
    fallbacks: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenderedClip:
    """One clip's files, and what they show. `source_span` is in the source's time; `layout` in the clip's."""

    clip_id: str
    rank: int
    source_span: Span
    width_px: int
    height_px: int
    video: StoredObject
    thumbnail: StoredObject
    srt: StoredObject
    vtt: StoredObject
    ass: StoredObject
    layout: tuple[LayoutRun, ...]
    quality: QualityReport


@dataclass(frozen=True, slots=True)
class RenderedClips:
    clips: tuple[RenderedClip, ...]
