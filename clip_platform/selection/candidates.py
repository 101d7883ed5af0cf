"""Stretches of a talk that could be clips. Types and the verb that proposes them."""

from __future__ import annotations

from dataclasses import dataclass

from clip_platform.timeline import Span


@dataclass(frozen=True, slots=True)
class ClipCandidate:
    """A stretch from a sentence start to a sentence end.

    `span` is the stretch to show: it begins shortly before the first word and ends shortly after the last one, inside no
    word. Words `first_word..last_word` (the last one included). `candidate_id` is derived from the words' times, so the same
    stretch has the same id in every run. `topic` numbers the topic segment it starts in.
    """

    candidate_id: str
    span: Span
    first_word: int
    last_word: int
    first_sentence: int
    last_sentence: int
    topic: int
    text: str


@dataclass(frozen=True, slots=True)
class UnfitStretch:
    """A stretch that cannot be a clip, and why, for people."""

    span: Span
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClipCandidates:
    """All candidates by start; `unfit` are stretches dropped before scoring; `topics` are the topic segments in order."""

    candidates: tuple[ClipCandidate, ...]
    unfit: tuple[UnfitStretch, ...]
    topics: tuple[Span, ...]
