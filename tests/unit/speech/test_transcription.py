"""Words on the talk's clock: seams, silences, and talk that never pauses."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.errors import NoSpeech, ProgramFailed
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.chunks import cut_into_chunks, quietest_sample
from clip_platform.speech.sound import SAMPLE_RATE_HZ
from clip_platform.speech.transcript import Word
from clip_platform.speech.transcription import placed, transcribe
from clip_platform.timeline import Span, total_s
from tests.fakes.speech import BurstRecognizer, SoundInMemory, find_bursts, noise, silence, tone


def test_words_lie_exactly_where_they_were_spoken():
    audio = SoundInMemory(np.concatenate([silence(1.25), tone(400, 0.5), silence(7.1), tone(800, 0.25), silence(1.0)]))

    transcript = transcribe(audio, BurstRecognizer(), find_bursts)

    assert [(word.text, word.span) for word in transcript.words] == [
        ("hz400", Span.of("1.25", "1.75")),
        ("hz800", Span.of("8.85", "9.1")),
    ]
    assert transcript.engine.rough == "it knows nothing but tones"


@pytest.mark.parametrize("preferred_s", [1, 4, 20])
def test_how_the_talk_is_cut_into_chunks_changes_no_word(preferred_s: int):
    words = [(100 * number, Fraction(number, 10)) for number in range(2, 9)]
    talk = np.concatenate([np.r_[tone(pitch, float(length_s)), silence(0.4)] for pitch, length_s in words])

    engine = BurstRecognizer(batch_size=2, preferred_chunk_s=Fraction(preferred_s))
    transcript = transcribe(SoundInMemory(talk), engine, find_bursts)

    assert max(engine.heard_s) <= max(preferred_s, 0.8)
    assert [(word.text, word.span.duration_s) for word in transcript.words] == [
        (f"hz{pitch}", length_s) for pitch, length_s in words
    ]


@pytest.mark.parametrize("batches_at_once", [1, 2])
def test_what_is_heard_beside_a_chunk_gives_no_word_twice(batches_at_once: int, monkeypatch: pytest.MonkeyPatch):
    talk = np.concatenate([np.r_[tone(100 * number, 0.3), silence(0.4)] for number in range(2, 9)])
    engine = BurstRecognizer(batch_size=2, preferred_chunk_s=Fraction(1), margin_s=Fraction(8, 10))
    monkeypatch.setattr(engine, "batches_at_once", batches_at_once)

    transcript = transcribe(SoundInMemory(talk), engine, find_bursts)

    assert [word.text for word in transcript.words] == [f"hz{100 * number}" for number in range(2, 9)]
    assert [float(word.span.start) for word in transcript.words] == pytest.approx([0.7 * n for n in range(7)], abs=0.01)


def test_a_failure_does_not_wait_for_what_is_still_being_heard(monkeypatch: pytest.MonkeyPatch):
    talk = np.concatenate([np.r_[tone(100 * number, 0.3), silence(0.4)] for number in range(2, 9)])
    engine = BurstRecognizer(batch_size=2, preferred_chunk_s=Fraction(1))
    first, second_hears, released, second_ended = threading.Lock(), *(threading.Event() for _ in range(3))

    def recognize(_chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        if first.acquire(blocking=False):
            assert second_hears.wait(10)
            raise ProgramFailed("the decoder died")
        second_hears.set()
        released.wait(10)
        second_ended.set()
        raise ProgramFailed("closed")

    monkeypatch.setattr(engine, "batches_at_once", 2)
    monkeypatch.setattr(engine, "recognize", recognize)

    with pytest.raises(ProgramFailed, match="died"):
        transcribe(SoundInMemory(talk), engine, find_bursts)

    assert not second_ended.is_set()
    released.set()


def test_a_failure_does_not_wait_for_an_earlier_batch(monkeypatch: pytest.MonkeyPatch):
    talk = np.concatenate([np.r_[tone(100 * number, 0.3), silence(0.4)] for number in range(2, 9)])
    engine = BurstRecognizer(batch_size=2, preferred_chunk_s=Fraction(1))
    released, first_is_heard, first_ended = (threading.Event() for _ in range(3))

    def recognize(chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        strongest = int(np.abs(np.fft.rfft(chunks[0])).argmax())
        if strongest * SAMPLE_RATE_HZ / len(chunks[0]) < 250:  # the first sound is one of 200 Hz
            first_is_heard.set()
            released.wait(10)
            first_ended.set()
            raise ProgramFailed("closed")
        assert first_is_heard.wait(10)
        raise ProgramFailed("the decoder died")

    monkeypatch.setattr(engine, "batches_at_once", 2)
    monkeypatch.setattr(engine, "recognize", recognize)

    with pytest.raises(ProgramFailed, match="died"):
        transcribe(SoundInMemory(talk), engine, find_bursts)

    assert first_is_heard.is_set()
    assert not first_ended.is_set()
    released.set()


def test_three_minutes_without_a_pause_are_cut_between_words():
    word = np.r_[tone(500, 0.33), silence(0.05)]
    count = int(180 * SAMPLE_RATE_HZ / len(word))
    audio = SoundInMemory(np.tile(word, count))
    engine = BurstRecognizer()

    transcript = transcribe(audio, engine, find_bursts)

    assert max(engine.heard_s) <= 20
    assert len(transcript.words) == count
    assert {word.text for word in transcript.words} == {"hz500"}


def test_a_forced_cut_falls_where_it_is_quietest():
    loud, dip = noise(13.0), noise(0.2, 0.001)
    audio = SoundInMemory(np.concatenate([loud, dip, loud]))

    chunks = cut_into_chunks(audio, [Span(Fraction(0), Fraction(audio.sample_count, SAMPLE_RATE_HZ))], Fraction(20))

    assert len(chunks) == 2
    assert 13.0 <= chunks[0].span.end <= 13.2
    assert chunks[0].end_sample == chunks[1].start_sample
    assert chunks[1].end_sample == audio.sample_count


def test_the_quietest_point_of_a_plain_tone_is_inside_the_search():
    audio = SoundInMemory(tone(200, 2.0))

    assert 8000 <= quietest_sample(audio, 8000, 16000) < 16000


def test_long_silences_are_never_shown_to_the_engine():
    audio = SoundInMemory(np.concatenate([tone(300, 1.0), silence(5.0), tone(300, 1.0), silence(0.5), tone(300, 1.0)]))
    engine = BurstRecognizer()

    transcribe(audio, engine, find_bursts)

    assert engine.heard_s == pytest.approx([1.0, 2.5], abs=0.01)


def test_progress_comes_with_the_batches_and_ends_at_one():
    audio = SoundInMemory(np.tile(np.r_[tone(300, 1.0), silence(2.0)], 5))
    shares: list[float] = []

    transcribe(audio, BurstRecognizer(batch_size=1), find_bursts, shares.append)

    assert len({round(share, 3) for share in shares}) >= 5
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_memory_does_not_grow_with_the_talk():
    audio = SoundInMemory(np.tile(np.r_[tone(300, 0.5), silence(0.1)], 400))

    transcribe(audio, BurstRecognizer(), lambda _audio, _progress: (Span.of(0, 240),))

    assert audio.largest_read <= 20 * SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    "sound",
    [
        silence(8.0),
        noise(8.0),
        noise(8.0, 0.001),
        sum(tone(frequency, 8.0) for frequency in (262, 330, 392)) * np.float32(0.5),
        np.zeros(0, np.float32),
        np.full(40_000, np.nan, np.float32),
    ],
    ids=["digital silence", "noise", "faint hiss", "a chord", "nothing", "not a number"],
)
def test_where_nobody_speaks_there_are_no_words(sound: np.ndarray):
    with pytest.raises(NoSpeech, match="right sound track"):
        transcribe(SoundInMemory(sound), BurstRecognizer(), SileroVoiceActivity())


def test_speech_of_which_no_word_is_understood_is_said_to_be_that():
    hum = SoundInMemory(np.full(16_000, 0.005, np.float32))

    with pytest.raises(NoSpeech, match=r"1\.0 s of speech were heard, but bursts understood no word.*'en'"):
        transcribe(hum, BurstRecognizer(), lambda _audio, _progress: (Span.of(0, 1),))


def test_a_word_invented_in_a_pause_inside_a_chunk_is_dropped():
    audio = SoundInMemory(np.concatenate([tone(300, 1.0), silence(0.2), tone(900, 0.1), silence(0.2), tone(300, 1.0)]))
    speech = (Span.of(0, 1), Span.of("1.5", "2.5"))

    transcript = transcribe(audio, BurstRecognizer(), lambda _audio, _progress: speech)

    assert [word.text for word in transcript.words] == ["hz300", "hz300"]


def test_words_that_overlap_touch_or_take_no_time_are_put_in_order():
    chunk = Span.of(10, 12)
    words = [
        Word("one", Span.of("0.5", "0.9")),
        Word("two", Span.of("0.8", "1.0")),
        Word("three", Span.of("0.8", "0.8")),
        Word("four", Span.of("1.99", "2.4")),
        Word("five", Span.of("2.5", "2.6")),
    ]

    timed = placed(words, chunk)

    assert [word.text for word in timed] == ["one", "two", "three", "four", "five"]
    assert all(before.span.end <= after.span.start for before, after in itertools.pairwise(timed))
    assert all(word.span.duration_s >= Fraction(1, 100) and chunk.covers(word.span) for word in timed)
    assert timed[0].span == Span.of("10.5", "10.8")


def test_more_words_than_fit_into_a_chunk_do_not_leave_it():
    timed = placed([Word(str(number), Span.of(0, 1)) for number in range(20)], Span.of(3, "3.05"))

    assert [word.text for word in timed] == ["0", "1", "2", "3", "4"]
    assert total_s(word.span for word in timed) == Fraction(5, 100)
