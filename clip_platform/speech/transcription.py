"""From sound to timed words: where speech is, how it is cut for an engine, and words put back on the talk's clock.

Which engine listens is not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from fractions import Fraction
from typing import Protocol

from clip_platform.errors import NoSpeech
from clip_platform.progress import OnProgress, part_of, repeated, silent
from clip_platform.speech.chunks import Chunk, cut_into_chunks, on_strides
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples, sample_at
from clip_platform.speech.transcript import SpeechRecognizer, Transcript, Word
from clip_platform.timeline import Span, total_s

_SHORTEST_WORD_S = Fraction(1, 100)
_VOICE_ACTIVITY_SHARE = 0.1


class VoiceActivity(Protocol):
    """Finds the stretches in which somebody speaks."""

    def __call__(self, audio: SoundTrack, on_progress: OnProgress) -> tuple[Span, ...]:
        """Stretches in order, not overlapping, inside the track, on samples; padded, so that no onset is cut."""
        ...


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
        chunks = chunks_for(recognizer, audio, speech)
        words = tuple(_within(_recognized(audio, chunks, recognizer, report), speech))
    if not words:
        raise NoSpeech(
            f"{float(total_s(speech)):.1f} s of speech were heard, but {recognizer.identity.name} understood no word; "
            f"it expects language '{recognizer.language}', so choose an engine for the language that is spoken"
        )
    on_progress(1.0)
    return Transcript(words=words, speech=speech, language=recognizer.language, engine=recognizer.identity)


def chunks_for(recognizer: SpeechRecognizer, audio: SoundTrack, speech: Sequence[Span]) -> list[Chunk]:
    """What this engine hears at once."""
    chunks = cut_into_chunks(audio, speech, recognizer.preferred_chunk_s, one_voice=recognizer.wants_one_voice)
    return on_strides(chunks, recognizer.stride_s)


def _recognized(
    audio: SoundTrack, chunks: Sequence[Chunk], recognizer: SpeechRecognizer, on_progress: OnProgress
) -> Iterable[Word]:
    whole_s, done_s = total_s(chunk.span for chunk in chunks), Fraction(0)
    for batch, answers in _answers(audio, chunks, recognizer):
        for chunk, words in zip(batch, answers, strict=True):
            yield from placed(_own(words, recognizer.margin_s, chunk.span), chunk.span)
        done_s += total_s(chunk.span for chunk in batch)
        on_progress(float(done_s / whole_s))


def _answers(
    audio: SoundTrack, chunks: Sequence[Chunk], recognizer: SpeechRecognizer
) -> Iterator[tuple[Sequence[Chunk], list[tuple[Word, ...]]]]:
    """Batches with their words, in order; as many at once as the engine takes, so that no core of it waits for us."""

    def answer(batch: Sequence[Chunk]) -> list[tuple[Word, ...]]:
        return recognizer.recognize(
            [clean_samples(audio, chunk.start_sample - margin, chunk.end_sample + margin) for chunk in batch]
        )

    size, margin = recognizer.batch_size, sample_at(recognizer.margin_s)
    batches = [chunks[first : first + size] for first in range(0, len(chunks), size)]
    if recognizer.batches_at_once == 1:
        yield from ((batch, answer(batch)) for batch in batches)
        return
    threads = ThreadPoolExecutor(recognizer.batches_at_once, "speech")
    waiting: _Asked = deque()
    try:
        for batch in batches:
            waiting.append((batch, threads.submit(answer, batch)))
            if len(waiting) > recognizer.batches_at_once:
                yield _oldest(waiting)
        while waiting:
            yield _oldest(waiting)
    finally:
        # After a failure or Ctrl-C nobody waits for what is still being heard; closing the engine ends it.
        threads.shutdown(wait=False, cancel_futures=True)


_Asked = deque[tuple[Sequence[Chunk], "Future[list[tuple[Word, ...]]]"]]


def _oldest(waiting: _Asked) -> tuple[Sequence[Chunk], list[tuple[Word, ...]]]:
    """Takes it out with its words; fails as soon as any fails, whichever is still being heard."""
    batch, words = waiting[0]
    while not words.done():
        wait([one for _, one in waiting if not one.done()], return_when=FIRST_COMPLETED)
        for _, one in waiting:
            if one.done():
                one.result()
    waiting.popleft()
    return batch, words.result()


def _own(words: Sequence[Word], margin_s: Fraction, chunk: Span) -> list[Word]:
    """A chunk's own words, whose middle is inside it, on its own clock; in the margins the neighbours have theirs."""
    own = []
    for word in words:
        start, end = word.span.start - margin_s, word.span.end - margin_s
        if margin_s == 0 or 0 <= (start + end) / 2 < chunk.duration_s:
            start = max(start, Fraction(0))
            own.append(Word(word.text, Span(start, max(start, end)), word.confidence))
    return own


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
