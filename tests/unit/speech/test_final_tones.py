"""The melody around gaps: it sinks towards the end of a sentence, and the next one begins higher."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.final_tones import finality
from clip_platform.speech.sentences import split_sentences
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

WORDS_A_SENTENCE, SENTENCES = 9, 6
WORD_S, GAP_S = Fraction(4, 10), Fraction(1, 10)
NAMES = ["rivers", "carry", "sand", "towards", "every", "valley", "beyond", "green", "hills"]


def _talk() -> list[Word]:
    """Equal words with equal gaps: only the melody tells where sentences end."""
    step = WORD_S + GAP_S
    count = WORDS_A_SENTENCE * SENTENCES
    return [Word(NAMES[n % len(NAMES)], Span(n * step, n * step + WORD_S)) for n in range(count)]


def _sinking(words: list[Word], semitones: float = 6.0) -> AcousticFeatures:
    """From the first to the last word of each sentence the pitch sinks evenly; voiced within words only."""
    frames = round(float(words[-1].span.end) * 100) + 50
    pitch_hz = np.zeros(frames, np.float32)
    for number, word in enumerate(words):
        share = number % WORDS_A_SENTENCE / (WORDS_A_SENTENCE - 1)
        pitch_hz[round(float(word.span.start) * 100) : round(float(word.span.end) * 100)] = 140 * 2 ** (
            -semitones * share / 12
        )
    return AcousticFeatures(Fraction(1, 10), {}, frames={"pitch_hz": pitch_hz})


def _ends() -> list[int]:
    return [(number + 1) * WORDS_A_SENTENCE - 1 for number in range(SENTENCES)]


def test_a_gap_after_which_the_voice_starts_anew_sounds_final() -> None:
    words = _talk()
    final = finality(words, _sinking(words))
    inner_ends = _ends()[:-1]
    others = np.delete(final, inner_ends)
    assert final.shape == (len(words) - 1,)
    assert final[inner_ends].min() > 0.9 > 0.3 > others.mean()
    assert np.abs(final).max() <= 1


def test_of_equal_pauses_those_after_a_sunken_voice_end_sentences() -> None:
    words = _talk()
    melody = finality(words, _sinking(words)).tolist()
    ends = {one.last_word for one in split_sentences(words, "en", melody)}
    assert set(_ends()) <= ends
    assert len(ends) <= SENTENCES + 1
    assert not set(_ends()) <= {one.last_word for one in split_sentences(words, "en")}


def test_a_long_pause_outweighs_a_melody_that_goes_on() -> None:
    words = _talk()
    late = [Word(w.text, Span(w.span.start + 2, w.span.end + 2)) if n > 12 else w for n, w in enumerate(words)]
    goes_on = [-1.0 if n == 12 else 0.0 for n in range(len(words) - 1)]
    assert 12 in [one.last_word for one in split_sentences(late, "en", goes_on)]


@pytest.mark.parametrize("pitch_hz", [np.zeros(3000, np.float32), np.zeros(0, np.float32)])
def test_a_voice_without_pitch_tells_nothing(pitch_hz: np.ndarray) -> None:
    words = _talk()
    silent = AcousticFeatures(Fraction(1, 10), {}, frames={"pitch_hz": pitch_hz})
    assert not finality(words, silent).any()
    assert not finality(words, AcousticFeatures(Fraction(1, 10), {})).any()


def test_few_gaps_tell_nothing() -> None:
    assert finality([], _sinking(_talk())).shape == (0,)
    assert not finality(_talk()[:10], _sinking(_talk())).any()


def test_words_past_the_end_of_the_features_tell_nothing() -> None:
    words = _talk()
    later = [Word(word.text, Span(word.span.start + 999, word.span.end + 999)) for word in words]
    assert not finality(later, _sinking(words)).any()
