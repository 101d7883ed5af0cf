"""Words with times, and who recognised them. Types only; engines are in `backends`, the verb in `transcription`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from clip_platform.timeline import Span

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word as written. `confidence` is 0..1, None when the engine has none."""

    text: str
    span: Span
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Which engine and model produced a result; part of a clip's lineage.

    `rough` is None for a production engine; otherwise why results are rough and what to do about it, for people.
    """

    name: str
    version: str
    model: str
    rough: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """All words of a video, in order, not overlapping. `speech` is where the voice-activity detector heard speech."""

    words: tuple[Word, ...]
    speech: tuple[Span, ...]
    language: str
    engine: EngineIdentity


class SpeechRecognizer(Protocol):
    """Turns stretches of speech into words."""

    @property
    def identity(self) -> EngineIdentity: ...

    @property
    def language(self) -> str:
        """What is taken to be spoken when nobody says, a plain code such as `en`."""
        ...

    @property
    def languages(self) -> Sequence[str]:
        """All that it knows."""
        ...

    @property
    def stride_s(self) -> Fraction:
        """Its words start at multiples of this from a chunk's start, so chunks start at multiples of it too."""
        ...

    @property
    def batch_size(self) -> int:
        """How many chunks to hand over at once."""
        ...

    @property
    def batches_at_once(self) -> int:
        """From how many threads to hand over batches, so that it always has work."""
        ...

    @property
    def preferred_chunk_s(self) -> Fraction:
        """Neighbouring stretches of speech are joined into chunks up to this long."""
        ...

    @property
    def margin_s(self) -> Fraction:
        """How much more than a chunk it hears on either side, as context; words there are not the chunk's."""
        ...

    @property
    def wants_one_voice(self) -> bool:
        """Whether it adapts to a chunk's voice, so that stretches are joined by voice rather than by length."""
        ...

    def recognize(self, chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        """Words of each chunk, times relative to the chunk's start.

        Args:
            chunks: float32 mono at 16 kHz, each in -1..1, shape (samples,).
        """
        ...
