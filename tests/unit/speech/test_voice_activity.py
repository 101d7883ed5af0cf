"""When somebody speaks, by silero-vad."""

from __future__ import annotations

import numpy as np
import pytest

from clip_platform.speech.backends import silero
from clip_platform.speech.backends.silero import SileroVoiceActivity
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
