"""When somebody speaks, by silero-vad."""

from __future__ import annotations

from array import array
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.evaluation.nonspeech import NAMES, nonspeech_sounds
from clip_platform.speech.backends import silero
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.backends.silero_gate import believed
from clip_platform.speech.sound import SAMPLE_RATE_HZ
from tests.fakes.speech import SoundInMemory, noise, silence, spoken


@pytest.fixture(scope="module")
def find_speech() -> SileroVoiceActivity:
    return SileroVoiceActivity()


def test_speech_between_silences_is_found_with_its_onset(find_speech: SileroVoiceActivity):
    word = spoken("Fish.")
    audible = np.flatnonzero(np.abs(word) > 0.005)
    audio = SoundInMemory(np.concatenate([silence(2.0), word, silence(2.0)]))

    (found,) = find_speech(audio)

    assert 1.5 < found.start <= 2.0 + audible[0] / SAMPLE_RATE_HZ
    assert 2.0 + audible[-1] / SAMPLE_RATE_HZ - 0.05 <= found.end < 2.5 + len(word) / SAMPLE_RATE_HZ


def test_speech_in_noise_is_found_and_the_noise_is_not(find_speech: SileroVoiceActivity):
    sentence = spoken("Every morning I take a long walk.", "rms")
    hiss = noise(10.0, 0.003)
    hiss[48_000 : 48_000 + len(sentence)] += sentence

    found = find_speech(SoundInMemory(hiss))

    assert found[0].start > 2.5
    assert found[-1].end < 3.5 + len(sentence) / SAMPLE_RATE_HZ


def test_reading_in_blocks_leaves_no_trace(find_speech: SileroVoiceActivity, monkeypatch: pytest.MonkeyPatch):
    talk = np.concatenate([np.r_[spoken("Sleep is more important than people believe."), silence(0.7)]] * 4)
    whole = find_speech(SoundInMemory(talk))

    monkeypatch.setattr(silero, "_BLOCK", 40 * 512)
    audio = SoundInMemory(talk)

    assert find_speech(audio) == whole
    assert audio.largest_read <= 40 * 512 + 64


def test_torch_keeps_its_threads_and_progress_ends_at_one():
    import torch

    before, shares = torch.get_num_threads(), []

    SileroVoiceActivity()(SoundInMemory(spoken("Hello.")), shares.append)

    assert torch.get_num_threads() == before
    assert shares[-1] == 1.0


SOUNDS_LIKE_A_VOICE = [name for name in NAMES if "melody" in name or "vibrato" in name]
NOISES = ["silence", "white noise, loud", "pink noise, soft", "pulsed noise", "clicks", "clapping", "sweep", "drums"]


def test_nobody_speaks_in_silence_noise_and_music(find_speech: SileroVoiceActivity):
    heard = {sound.name: find_speech(SoundInMemory(sound.samples)) for sound in nonspeech_sounds(NOISES)}
    heard |= {sound.name: find_speech(SoundInMemory(sound.samples)) for sound in nonspeech_sounds(SOUNDS_LIKE_A_VOICE)}

    assert {name: spans for name, spans in heard.items() if spans} == {}


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
@pytest.mark.parametrize("word", ["Yes.", "Oh.", "Up."])
def test_a_lone_short_word_in_noise_is_still_speech(find_speech: SileroVoiceActivity, voice: str, word: str):
    sound = noise(5.0, 0.01)
    sound[32_000 : 32_000 + len(spoken(word, voice))] += spoken(word, voice)

    (found,) = find_speech(SoundInMemory(sound))

    assert found.contains(Fraction(2) + Fraction(int(np.argmax(np.abs(spoken(word, voice)))), SAMPLE_RATE_HZ))


def test_a_doubtful_moment_is_believed_only_where_it_is_louder_than_what_is_around_it():
    probabilities = array("f", [0.0] * 200)
    probabilities[90:94] = array("f", [0.9] * 4)  # 51 ms of certainty beyond the threshold: too little
    probabilities[150:156] = array("f", [0.99] * 6)  # 94 ms: doubtful
    even, standing_out = noise(6.4, 0.1), noise(6.4, 0.1)  # 200 frames
    standing_out[150 * 512 : 156 * 512] *= 2
    stretches = [(90 * 512, 94 * 512), (150 * 512, 156 * 512)]

    assert believed(SoundInMemory(even), stretches, probabilities) == []
    assert believed(SoundInMemory(standing_out), stretches, probabilities) == stretches[1:]


def test_a_doubtful_moment_between_certain_speech_is_believed():
    probabilities = array("f", [1.0] * 60 + [0.0] * 4 + [0.9] * 6 + [0.0] * 4 + [1.0] * 60)
    stretches = [(0, 60 * 512), (64 * 512, 70 * 512), (74 * 512, 134 * 512)]

    assert believed(SoundInMemory(noise(134 * 0.032, 0.1)), stretches, probabilities) == stretches


def test_a_track_of_no_or_one_sample_holds_no_speech(find_speech: SileroVoiceActivity):
    assert find_speech(SoundInMemory(silence(0.0))) == ()
    assert find_speech(SoundInMemory(np.ones(1, np.float32))) == ()
