"""Voices that are told apart, and chunks that follow them, on the sample talk's own voices."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from clip_platform.evaluation.voices import SAMPLE_RATE_HZ, speak
from clip_platform.speech.chunks import cut_into_chunks
from clip_platform.speech.sound import HeldSound
from clip_platform.speech.voices import Voice
from clip_platform.timeline import Span

TEXTS = ("Small teams finish more good work than large teams do", "Nobody reads a long report about the weather")


@pytest.fixture(scope="module")
def said() -> dict[tuple[str, int], np.ndarray]:
    return {
        (voice, number): speak(text, voice).samples.astype(np.float32) / 32768
        for voice in ("slt", "rms")
        for number, text in enumerate(TEXTS)
    }


def test_two_voices_differ_whatever_they_say_and_one_does_not(said):
    voice = {key: Voice.of(samples) for key, samples in said.items()}

    assert voice["slt", 0].differs_from(voice["rms", 0]) is True
    assert voice["slt", 0].differs_from(voice["rms", 1]) is True
    assert voice["slt", 0].differs_from(voice["slt", 1]) is False
    assert voice["rms", 0].differs_from(voice["rms", 1]) is False
    both = voice["slt", 0] + voice["slt", 1]
    assert both.frames == voice["slt", 0].frames + voice["slt", 1].frames
    assert both.differs_from(voice["rms", 0]) is True


def test_a_syllable_and_silence_tell_nothing(said):
    whole = Voice.of(said["slt", 0])

    assert whole.differs_from(Voice.of(said["rms", 0][:4000])) is None
    assert whole.differs_from(Voice.of(np.zeros(0, np.float32))) is None
    assert Voice.of(np.zeros(16000, np.float32)).frames == 0


def test_chunks_join_one_voice_beyond_the_preferred_length_and_never_two(said):
    turns = [("slt", 0), ("slt", 1), ("rms", 0), ("rms", 1)]
    sound, spans, at = [], [], 0
    for turn in turns:
        spans.append(Span(Fraction(at, SAMPLE_RATE_HZ), Fraction(at + len(said[turn]), SAMPLE_RATE_HZ)))
        sound += [said[turn], np.zeros(SAMPLE_RATE_HZ // 2, np.float32)]
        at += len(said[turn]) + SAMPLE_RATE_HZ // 2
    audio = HeldSound(np.concatenate(sound))

    by_voice = cut_into_chunks(audio, spans, Fraction(1), one_voice=True)
    by_length = cut_into_chunks(audio, spans, Fraction(20))

    assert [chunk.span for chunk in by_voice] == [
        Span(spans[0].start, spans[1].end),
        Span(spans[2].start, spans[3].end),
    ]
    assert [chunk.span for chunk in by_length] == [Span(spans[0].start, spans[3].end)]
