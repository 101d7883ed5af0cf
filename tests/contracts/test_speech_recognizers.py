"""What every speech engine promises, the hand-written fake included."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE
from clip_platform.speech.backends.nemo import NemoRecognizer
from clip_platform.speech.backends.pocketsphinx import PocketsphinxRecognizer
from clip_platform.speech.sound import SAMPLE_RATE_HZ
from clip_platform.speech.transcript import SpeechRecognizer
from tests.fakes.speech import BurstRecognizer, noise, spoken, tone
from tests.fakes.tiny_nemo import save_tiny_model

A_SENTENCE, ANOTHER = "Today we talk about history.", "The biggest mistake was hiring twenty people."


@pytest.fixture(scope="module", params=["bursts", "pocketsphinx", "nemo-tdt", "nemo-ctc"])
def recognizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechRecognizer]:
    if request.param == "bursts":
        yield BurstRecognizer()
    elif request.param == "pocketsphinx":
        with PocketsphinxRecognizer(workers=2) as engine:
            yield engine
    else:
        if importlib.util.find_spec("nemo") is None:
            pytest.skip('NeMo is not installed: pip install "clip-platform[nemo]" runs the contract against it')
        folder = tmp_path_factory.mktemp("model")
        path = save_tiny_model("tdt", folder) if request.param == "nemo-tdt" else MODEL_FILE
        yield NemoRecognizer(str(path), device="cpu")


def test_every_chunk_gets_its_words_inside_the_chunk(recognizer: SpeechRecognizer):
    chunks = [spoken(A_SENTENCE), spoken(ANOTHER, "rms")[: SAMPLE_RATE_HZ // 2], tone(300, 0.1), spoken(ANOTHER)]

    answers = recognizer.recognize(chunks)

    assert len(answers) == len(chunks)
    assert answers[0]
    for chunk, words in zip(chunks, answers, strict=True):
        length_s = Fraction(len(chunk), SAMPLE_RATE_HZ)
        assert all(0 <= word.span.start <= word.span.end <= length_s for word in words)
        assert [word.span.start for word in words] == sorted(word.span.start for word in words)


def test_a_word_is_written_without_spaces_marks_of_the_engine_or_emptiness(recognizer: SpeechRecognizer):
    words = [word for answer in recognizer.recognize([spoken(A_SENTENCE), noise(1.0)]) for word in answer]

    assert words
    assert all(word.text and not set(word.text) & set(" <>[]()▁") for word in words)
    assert all(word.confidence is None or 0 <= word.confidence <= 1 for word in words)


def test_what_was_heard_before_changes_nothing(recognizer: SpeechRecognizer):
    first = recognizer.recognize([spoken(A_SENTENCE)])

    recognizer.recognize([noise(1.0, 0.5), spoken(ANOTHER, "rms"), tone(100, 0.3)])

    assert recognizer.recognize([spoken(A_SENTENCE)]) == first


def test_no_chunks_no_words(recognizer: SpeechRecognizer):
    assert recognizer.recognize([]) == []


def test_a_sample_that_is_no_number_spoils_nothing(recognizer: SpeechRecognizer):
    spoilt = spoken(A_SENTENCE).copy()
    spoilt[100] = np.nan

    assert recognizer.recognize([spoilt])[0]


def test_an_engine_says_what_it_is_and_how_it_likes_its_chunks(recognizer: SpeechRecognizer):
    identity = recognizer.identity

    assert identity.name
    assert identity.version
    assert identity.model
    assert recognizer.language
    assert recognizer.batch_size >= 1
    assert recognizer.preferred_chunk_s > 0
    assert 0 < recognizer.stride_s <= Fraction(1, 10)


def test_a_word_starts_on_a_stride_of_its_engine(recognizer: SpeechRecognizer):
    (words,) = recognizer.recognize([spoken(A_SENTENCE)])

    assert words
    assert all(word.span.start % recognizer.stride_s == 0 for word in words)
