"""Sentences as runs of words; where a talk may be cut. Needs words only."""

from __future__ import annotations

from dataclasses import dataclass

from clip_platform.timeline import Span


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words `first_word..last_word` (the last one included) of a transcript."""

    first_word: int
    last_word: int
    span: Span
    text: str
