"""Which scored candidates become clips: the best ones that do not overlap. Types and the verb."""

from __future__ import annotations

from dataclasses import dataclass

from clip_platform.timeline import Span


@dataclass(frozen=True, slots=True)
class SelectedClip:
    """`clip_id` is the candidate's id. `rank` counts from 1; `score` is 0..100."""

    clip_id: str
    rank: int
    span: Span
    first_word: int
    last_word: int
    score: float
    title: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RejectedCandidate:
    """A candidate that lost, and why. `score` is None when it was never scored."""

    candidate_id: str | None
    span: Span
    score: float | None
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class SelectedClips:
    """The chosen clips by rank, every other stretch with its reason, and why there are fewer than asked for, if so."""

    clips: tuple[SelectedClip, ...]
    rejected: tuple[RejectedCandidate, ...]
    shortfall: str | None
