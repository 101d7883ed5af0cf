"""From sound to timed words: where speech is, how it is cut for an engine, and words put back on the talk's clock.

Which engine listens is not known here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from clip_platform.errors import NoSpeech
from clip_platform.progress import OnProgress, part_of, repeated, silent
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples, sample_at, samples_span
from clip_platform.speech.transcript import SpeechRecognizer, Transcript, Word
from clip_platform.timeline import Span, total_s

LONGEST_CHUNK_S = Fraction(20)
"""Full attention grows with the square of the chunk: 7 GB at 10 min. Every engine here is good at 20 s."""

_LONGEST_INNER_SILENCE_S = Fraction(3, 2)
"""Longer silences are not shown to an engine at all."""

_SHORTEST_WORD_S = Fraction(1, 100)
_SEARCH_FROM = Fraction(1, 2)  # a forced cut falls into the later half of the longest chunk
_QUIET_WINDOW_S = Fraction(6, 100)
_VOICE_ACTIVITY_SHARE = 0.1


class VoiceActivity(Protocol):
    """Finds the stretches in which somebody speaks."""

    def __call__(self, audio: SoundTrack, on_progress: OnProgress) -> tuple[Span, ...]:
        """Stretches in order, not overlapping, inside the track, on samples; padded, so that no onset is cut."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """What an engine hears at once: samples `start_sample..end_sample`."""

    start_sample: int
    end_sample: int

    @property
    def span(self) -> Span:
        return samples_span(self.start_sample, self.end_sample)


def transcribe(
    audio: SoundTrack, recognizer: SpeechRecognizer, find_speech: VoiceActivity, on_progress: OnProgress = silent
) -> Transcript:
    """Timed words of a whole track, in memory that does not grow with its length.

    Engines hear only what `find_speech` found: on digital silence, some invent words.

    Returns:
        words in order, not overlapping, each at least 10 ms long and inside the track.

    Raises:
        NoSpeech: nothing was found to be speech, or no word was understood.
    """
    speech = find_speech(audio, part_of(on_progress, 0.0, _VOICE_ACTIVITY_SHARE))
    if not speech:
        raise NoSpeech(
            f"nobody speaks in the {audio.sample_count / SAMPLE_RATE_HZ:.1f} s of sound; clips are cut from talk, "
            "so check that the right sound track was chosen and that it is not muted"
        )
    with repeated(part_of(on_progress, _VOICE_ACTIVITY_SHARE, 1.0)) as report:
        chunks = on_strides(cut_into_chunks(audio, speech, recognizer.preferred_chunk_s), recognizer.stride_s)
        words = tuple(_within(_recognized(audio, chunks, recognizer, report), speech))
    if not words:
        raise NoSpeech(
            f"{float(total_s(speech)):.1f} s of speech were heard, but {recognizer.identity.name} understood no word; "
            f"it expects language '{recognizer.language}', so choose an engine for the language that is spoken"
        )
    on_progress(1.0)
    return Transcript(words=words, speech=speech, language=recognizer.language, engine=recognizer.identity)


def cut_into_chunks(audio: SoundTrack, speech: Sequence[Span], preferred_s: Fraction) -> list[Chunk]:
    """What an engine hears at once, in order, not overlapping: stretches of speech, cut in silences.

    Neighbours are joined while the chunk stays within `preferred_s`; a stretch longer than `LONGEST_CHUNK_S`, talk
    without a pause, is cut where it is quietest.
    """
    chunks: list[Chunk] = []
    for piece in itertools.chain.from_iterable(_short_enough(audio, span) for span in speech):
        if chunks and _fit_together(chunks[-1], piece, preferred_s):
            chunks[-1] = Chunk(chunks[-1].start_sample, piece.end_sample)
        else:
            chunks.append(piece)
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


def _recognized(
    audio: SoundTrack, chunks: Sequence[Chunk], recognizer: SpeechRecognizer, on_progress: OnProgress
) -> Iterable[Word]:
    whole_s, done_s = total_s(chunk.span for chunk in chunks), Fraction(0)
    for first in range(0, len(chunks), recognizer.batch_size):
        batch = chunks[first : first + recognizer.batch_size]
        sounds = [clean_samples(audio, chunk.start_sample, chunk.end_sample) for chunk in batch]
        for chunk, words in zip(batch, recognizer.recognize(sounds), strict=True):
            yield from placed(words, chunk.span)
        done_s += total_s(chunk.span for chunk in batch)
        on_progress(float(done_s / whole_s))


def placed(words: Sequence[Word], chunk: Span) -> list[Word]:
    """Words on a chunk's own clock, put on the talk's: exactly shifted, inside the chunk, in order, not overlapping.

    Engines give words that touch, overlap, or last no time at all; a word begins at least 10 ms after the one before,
    and ends where the next one begins at the latest. Words beyond what then fits into the chunk are dropped.
    """
    room = int(chunk.duration_s / _SHORTEST_WORD_S)
    kept = sorted(words, key=lambda word: word.span.start)[:room]
    starts = _spread(kept, chunk)
    nexts = [*starts, chunk.end][1:]
    return [
        Word(
            word.text,
            Span(start, min(max(chunk.start + word.span.end, start + _SHORTEST_WORD_S), end)),
            word.confidence,
        )
        for word, start, end in zip(kept, starts, nexts, strict=True)
    ]


def _spread(words: Sequence[Word], chunk: Span) -> list[Fraction]:
    """Where each word starts: at least 10 ms after the one before, and early enough for those after it."""
    starts: list[Fraction] = []
    earliest = chunk.start
    for number, word in enumerate(words):
        latest = chunk.end - (len(words) - number) * _SHORTEST_WORD_S
        starts.append(min(max(chunk.start + word.span.start, earliest), latest))
        earliest = starts[-1] + _SHORTEST_WORD_S
    return starts


def _within(words: Iterable[Word], speech: Sequence[Span]) -> Iterable[Word]:
    """Words whose middle was heard as speech: in a pause inside a chunk, some engines invent words."""
    spans = iter(speech)
    span = next(spans)
    for word in words:
        while span.end <= word.span.middle and (following := next(spans, None)) is not None:
            span = following
        if span.contains(word.span.middle):
            yield word
