"""True words, times and seams, heard by the committed tiny model through the product."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch

pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs these tests')

from benchmarks.long_talk import RepeatedSound
from clip_platform.evaluation.tiny_asr.accuracy import held_out_lines
from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE
from clip_platform.evaluation.tiny_asr.corpus import Recording, joined, record
from clip_platform.evaluation.tiny_asr.grammar import Line
from clip_platform.progress import OnProgress, silent
from clip_platform.speech.backends.nemo import NemoRecognizer
from clip_platform.speech.backends.nemo_words import Token, ctc_tokens, words_of
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound
from clip_platform.speech.transcript import Transcript, Word
from clip_platform.speech.transcription import transcribe
from clip_platform.timeline import Span

STRIDE_S = Fraction(8, 100)


@functools.cache
def recognizer() -> NemoRecognizer:
    return NemoRecognizer(str(MODEL_FILE), device="cpu")


@functools.cache
def talk() -> Recording:
    """Eight held-out sentences in all voices, with pauses of one second."""
    return joined(part for line in held_out_lines()[:8] for part in (1.0, record(line)))


def transcribed(samples: np.ndarray) -> Transcript:
    return transcribe(HeldSound(samples), recognizer(), SileroVoiceActivity())


@functools.cache
def heard() -> tuple[Word, ...]:
    return transcribed(talk().samples).words


def test_every_word_is_heard_with_its_capital_and_its_mark():
    assert [word.text for word in heard()] == [word.text for word in talk().words]


def test_a_word_starts_where_it_is_said_whatever_pause_is_before_it():
    errors_s = [
        abs(found.span.start - Fraction(true.start_s)) for found, true in zip(heard(), talk().words, strict=True)
    ]
    assert max(errors_s) <= STRIDE_S


def test_a_word_ends_where_it_is_said_to_end_and_not_at_the_next_one():
    errors_s = [abs(found.span.end - Fraction(true.end_s)) for found, true in zip(heard(), talk().words, strict=True)]
    assert sorted(errors_s)[len(errors_s) // 2] <= STRIDE_S
    assert max(errors_s) <= 4 * STRIDE_S


def test_what_is_heard_well_is_surer_than_what_is_buried_in_noise():
    sound = record(Line("slt", "Today we talk about money.")).samples
    buried = sound + np.random.default_rng(1).normal(0, 0.1, len(sound)).astype(np.float32)

    clear, doubtful = recognizer().recognize([sound]), recognizer().recognize([buried])

    assert min(word.confidence or 0 for word in clear[0]) > 0.5
    assert min((word.confidence or 0 for word in doubtful[0]), default=0) < min(
        word.confidence or 0 for word in clear[0]
    )


def test_talk_without_a_pause_is_cut_on_strides_and_agrees_with_a_single_pass():
    hurried = joined(part for line in held_out_lines()[:18] for part in (record(line),))
    sound, whole = HeldSound(hurried.samples), Span(Fraction(0), Fraction(len(hurried.samples), SAMPLE_RATE_HZ))

    chunked = transcribe(sound, recognizer(), lambda _sound, _report: (whole,)).words
    (single,) = recognizer().recognize([hurried.samples])

    assert whole.duration_s > 40
    assert [word.text for word in chunked] == [word.text for word in single]
    assert all(abs(a.span.start - b.span.start) <= STRIDE_S for a, b in zip(chunked, single, strict=True))


def test_where_nothing_is_said_there_is_no_word():
    assert recognizer().recognize([np.zeros(SAMPLE_RATE_HZ, np.float32), talk().samples[: SAMPLE_RATE_HZ // 2]]) == [
        (),
        (),
    ]


def test_one_word_is_a_transcript():
    sound = joined((0.5, record(Line("rms", "Nobody will open the garden.")), 0.5))
    end_s = sound.words[0].end_s
    alone = sound.samples[: round(end_s * SAMPLE_RATE_HZ)]

    (words,) = recognizer().recognize([alone])

    assert [word.text for word in words] == ["Nobody"]


def test_samples_that_are_no_numbers_spoil_nothing():
    spoilt = talk().samples.copy()
    spoilt[:: SAMPLE_RATE_HZ // 2] = np.nan
    spoilt[SAMPLE_RATE_HZ // 4] = np.inf

    words = transcribed(spoilt).words

    true = [word.text for word in talk().words]
    assert sum(a.text == b for a, b in zip(words, true, strict=False)) >= 0.9 * len(true)


def test_three_hours_of_talk_are_heard_to_the_end_a_few_seconds_at_a_time(monkeypatch: pytest.MonkeyPatch):
    phrase = joined((0.5, *(record(line) for line in held_out_lines()[:4]), 2.0))
    hours = RepeatedSound(phrase.samples, 3 * 3600)
    monkeypatch.setattr(recognizer(), "recognize", functools.partial(heard_once, recognizer().recognize, {}))
    shares: list[float] = []

    words = transcribe(hours, recognizer(), speech_of_each_repetition, shares.append).words

    assert [word.text for word in words] == [word.text for word in phrase.words] * hours.repetitions
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(words))
    assert words[-1].span.end > 3 * 3600 - 2 * phrase.duration_s
    assert hours.longest_read_s <= 20 + STRIDE_S
    assert shares == sorted(shares)
    assert max(b - a for a, b in itertools.pairwise(shares)) < 0.01


def speech_of_each_repetition(sound: RepeatedSound, _report: OnProgress) -> tuple[Span, ...]:
    length_s = Fraction(len(sound.once), SAMPLE_RATE_HZ)
    spans = SileroVoiceActivity()(HeldSound(sound.once), silent)
    return tuple(span.shifted(number * length_s) for number in range(sound.repetitions) for span in spans)


def heard_once(
    hear: Callable[[list[np.ndarray]], list[tuple[Word, ...]]],
    known: dict[bytes, tuple[Word, ...]],
    chunks: Sequence[np.ndarray],
) -> list[tuple[Word, ...]]:
    """The engine's own answers, without asking it again for what it has heard: three hours in seconds."""
    for chunk in chunks:
        if chunk.tobytes() not in known:
            known[chunk.tobytes()] = hear([chunk])[0]
    return [known[chunk.tobytes()] for chunk in chunks]


class Spelled:
    """Decoding of a vocabulary of two words and a full stop: what `words_of` asks of NeMo's."""

    supported_punctuation = frozenset({"."})
    word_seperator, tokenizer_type = " ", "bpe"
    _pieces = ("▁good", "▁mor", "ning", ".")

    def decode_ids_to_tokens(self, numbers: Sequence[int]) -> list[str]:
        return [self._pieces[number] for number in numbers]

    def decode_tokens_to_str(self, pieces: Sequence[str]) -> str:
        return "".join(pieces).replace("▁", " ").strip()

    def decode_ids_to_str(self, numbers: Sequence[int]) -> str:
        return self.decode_tokens_to_str(self.decode_ids_to_tokens(numbers))


def test_a_word_of_several_pieces_is_as_sure_as_its_worst_one_and_its_mark_counts_for_nothing():
    pieces = [Token(0, 2, 4, 0.9), Token(1, 10, 12, 0.8), Token(2, 12, 13, 0.6), Token(3, 40, 41, 0.1)]

    words = words_of(pieces, Spelled(), STRIDE_S, Span.of(0, 10))

    assert words == (
        Word("good", Span(2 * STRIDE_S, 4 * STRIDE_S), 0.9),
        Word("morning.", Span(10 * STRIDE_S, 13 * STRIDE_S), 0.6),
    )


def test_a_word_beyond_the_sound_is_no_word_and_one_that_reaches_beyond_ends_there():
    words = words_of(
        [Token(0, 5, 9, None), Token(0, 12, 13, None)], Spelled(), STRIDE_S, Span(Fraction(0), 8 * STRIDE_S)
    )

    assert words == (Word("good", Span(5 * STRIDE_S, 8 * STRIDE_S), None),)


def test_ctc_emits_a_token_once_however_long_it_is_the_likeliest_and_twice_across_a_blank():
    emitted = torch.tensor([3, 0, 0, 3, 0, 1, 3, 3, 3, 3, 3])
    probabilities = torch.full((11, 4), 0.1).scatter(1, emitted[:, None], 0.7)

    tokens = ctc_tokens(probabilities.log(), blank=3)

    assert [(token.number, token.first, token.end) for token in tokens] == [(0, 1, 4), (0, 4, 5), (1, 5, 8)]
    assert all(token.probability == pytest.approx(0.7) for token in tokens)
