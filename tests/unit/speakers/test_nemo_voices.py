from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_nemo import save_tiny_model, save_tiny_speaker_model

from clip_platform.errors import EngineUnavailable
from clip_platform.resources.engines import SpeechRecognizerResource
from clip_platform.speakers.backends.nemo_voices import NemoVoiceEmbedder
from clip_platform.speakers.voices import find_voices
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound
from clip_platform.timeline import Span

pytest.importorskip("nemo.collections.asr")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_speaker_model(tmp_path_factory.mktemp("speakers"))


def noise(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(24_000)).astype(np.float32)


def test_each_sound_has_a_vector_that_does_not_depend_on_its_company(model: Path):
    embedder = NemoVoiceEmbedder(str(model), "cpu")

    together = embedder.embed([noise(1), noise(2), noise(3)])
    alone = embedder.embed([noise(2)])

    assert together.shape == (3, 16)
    assert np.allclose(together[1], alone[0], atol=1e-4)
    assert not np.allclose(together[0], together[1])


def test_two_sounds_of_different_kinds_are_two_voices(model: Path):
    times = np.arange(8 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    hum = 0.3 * np.sign(np.sin(2 * np.pi * 110 * times)).astype(np.float32)
    hiss = np.tile(noise(5), 6)[: len(hum)]

    embedder = NemoVoiceEmbedder(str(model), "cpu")
    found = find_voices(HeldSound(np.concatenate([hum, hiss])), [Span.of(0, 8), Span.of(8, 16)], embedder)

    assert len(found.windows) == len(found.voices) == 20
    assert all(voice == found.voices[0] for voice in found.voices[:10])


def test_a_model_of_another_kind_is_refused_by_name(tmp_path: Path):
    other = save_tiny_model("ctc", tmp_path)

    with pytest.raises(EngineUnavailable, match="tells no voices apart; choose a speaker model"):
        NemoVoiceEmbedder(str(other), "cpu").embed([noise(1)])


def test_a_model_that_is_not_there_says_how_to_get_it_without_a_network(tmp_path: Path):
    missing = tmp_path / "titanet.nemo"

    with pytest.raises(EngineUnavailable, match=r"no model file at .*hf download .*CLIP_PLATFORM_SPEAKER_MODEL"):
        NemoVoiceEmbedder(str(missing), "cpu").embed([noise(1)])


def test_a_file_that_is_no_model_is_refused(tmp_path: Path):
    text = tmp_path / "titanet.nemo"
    text.write_text("not a model")

    with pytest.raises(EngineUnavailable, match=r"is not a \.nemo archive"):
        NemoVoiceEmbedder(str(text), "cpu").embed([noise(1)])


def test_without_a_model_no_voices_are_told_apart():
    assert SpeechRecognizerResource().voices() is None
    assert SpeechRecognizerResource().voices_key() == {}
    assert SpeechRecognizerResource(speaker_model="a/b").voices_key() == {"speaker_model": "a/b"}
