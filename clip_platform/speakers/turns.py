"""Who speaks when. Types and the verb; needs speech and vision, which may not see each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clip_platform.timeline import Span


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """A stretch of speech and the face track that speaks.

    `status`: `on_screen` (track_id is the speaker), `off_screen` (speech, no face on display) or `unknown` (several
    faces, none clearly the speaker); `track_id` is None unless `on_screen`. `confidence` 0..1.

    `speaker` is the same label (`S1`, `S2`, in order of first appearance) wherever the same person speaks, on screen or
    not; None where that is unknown.
    """

    span: Span
    status: Literal["on_screen", "off_screen", "unknown"]
    track_id: int | None
    confidence: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerTurns:
    """All turns in order, not overlapping; silence is in none."""

    turns: tuple[SpeakerTurn, ...]
