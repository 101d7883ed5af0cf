"""How talk is cut into what an engine hears at once: stretches of speech, joined where they belong together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples, sample_at, samples_span
from clip_platform.speech.voices import Voice
from clip_platform.timeline import Span

LONGEST_CHUNK_S = Fraction(20)
"""Full attention grows with the square of the chunk: 7 GB at 10 min. Every engine here is good at 20 s."""

_LONGEST_INNER_SILENCE_S = Fraction(3, 2)
"""Longer silences are not shown to an engine at all."""

_SEARCH_FROM = Fraction(1, 2)  # a forced cut falls into the later half of the longest chunk
_QUIET_WINDOW_S = Fraction(6, 100)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What an engine hears at once: samples `start_sample..end_sample`."""

    start_sample: int
    end_sample: int

    @property
    def span(self) -> Span:
        return samples_span(self.start_sample, self.end_sample)


def cut_into_chunks(
    audio: SoundTrack, speech: Sequence[Span], preferred_s: Fraction, *, one_voice: bool = False
) -> list[Chunk]:
    """What an engine hears at once, in order, not overlapping: stretches of speech, cut in silences.

    Neighbours are joined while the chunk stays within `preferred_s`; a stretch longer than `LONGEST_CHUNK_S`, talk
    without a pause, is cut where it is quietest.

    Args:
        one_voice: neighbours by one voice are joined up to `LONGEST_CHUNK_S`, those by two voices never; `preferred_s`
            holds where a stretch is too short to tell.
    """
    pieces = itertools.chain.from_iterable(_short_enough(audio, span) for span in speech)
    if one_voice:
        return _by_voice(audio, pieces, preferred_s)
    chunks: list[Chunk] = []
    for piece in pieces:
        if chunks and _fit_together(chunks[-1], piece, preferred_s):
            chunks[-1] = Chunk(chunks[-1].start_sample, piece.end_sample)
        else:
            chunks.append(piece)
    return chunks


def _by_voice(audio: SoundTrack, pieces: Iterable[Chunk], preferred_s: Fraction) -> list[Chunk]:
    chunks: list[Chunk] = []
    heard: Voice | None = None
    for piece in pieces:
        voice = Voice.of(clean_samples(audio, piece.start_sample, piece.end_sample))
        if heard is not None:
            differs = heard.differs_from(voice)
            longest_s = preferred_s if differs is None else Fraction(0) if differs else LONGEST_CHUNK_S
            if _fit_together(chunks[-1], piece, longest_s):
                chunks[-1], heard = Chunk(chunks[-1].start_sample, piece.end_sample), heard + voice
                continue
        chunks.append(piece)
        heard = voice
    return chunks


def on_strides(chunks: Sequence[Chunk], stride_s: Fraction) -> list[Chunk]:
    """The same chunks, each starting on a multiple of `stride_s`, earlier by less than one; the one before gives way.

    An engine's steps then fall on the same moments of the talk, wherever it is cut, and so do its words.
    """
    stride = max(1, round(stride_s * SAMPLE_RATE_HZ))
    placed_on: list[Chunk] = []
    for chunk in chunks:
        start = chunk.start_sample // stride * stride
        if placed_on and placed_on[-1].end_sample > start:
            placed_on[-1] = Chunk(placed_on[-1].start_sample, start)
        placed_on.append(Chunk(start, chunk.end_sample))
    return [chunk for chunk in placed_on if chunk.end_sample > chunk.start_sample]


def _fit_together(chunk: Chunk, piece: Chunk, preferred_s: Fraction) -> bool:
    silence_s = piece.span.start - chunk.span.end
    return silence_s <= _LONGEST_INNER_SILENCE_S and piece.span.end - chunk.span.start <= preferred_s


def _short_enough(audio: SoundTrack, span: Span) -> Iterable[Chunk]:
    start, end = sample_at(span.start), sample_at(span.end)
    longest = sample_at(LONGEST_CHUNK_S)
    while end - start > longest:
        # Not beyond the middle of what is left, or the last piece would be a syllable.
        latest = min(start + longest, (start + end) // 2 + longest // 4)
        cut = quietest_sample(audio, start + int(longest * _SEARCH_FROM), latest)
        yield Chunk(start, cut)
        start = cut
    yield Chunk(start, end)


def quietest_sample(audio: SoundTrack, start_sample: int, end_sample: int) -> int:
    """Middle of the quietest 60 ms within the given samples."""
    import numpy as np

    window = sample_at(_QUIET_WINDOW_S)
    power = np.square(clean_samples(audio, start_sample, end_sample), dtype=np.float64)
    sums = np.concatenate(([0.0], np.cumsum(power)))
    energy = sums[window:] - sums[:-window]
    return start_sample + int(np.argmin(energy)) + window // 2
