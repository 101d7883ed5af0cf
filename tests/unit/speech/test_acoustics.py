"""How a talk sounds: known sounds give known numbers."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from clip_platform.errors import EngineUnavailable
from clip_platform.evaluation.nonspeech import nonspeech_sounds
from clip_platform.speech.acoustics import COLUMNS, FRAME_COLUMNS, AcousticFeatures, burst_spans
from clip_platform.speech.backends import torch_acoustics
from clip_platform.speech.backends.torch_acoustics import measure_acoustics
from clip_platform.speech.verdicts import acoustic_problems
from clip_platform.storage import artifacts
from tests.fakes.speech import SoundInMemory, noise, silence, spoken, tone


def _measured(*parts: np.ndarray) -> AcousticFeatures:
    return measure_acoustics(SoundInMemory(np.concatenate(parts)))


def test_there_is_one_row_for_every_tenth_of_a_second_begun():
    features = _measured(tone(200, 1.03))

    assert tuple(features.columns) == tuple(COLUMNS)
    assert tuple(features.frames) == tuple(FRAME_COLUMNS)
    assert {(len(column), column.dtype.name) for column in features.columns.values()} == {(11, "float32")}
    assert {(len(column), column.dtype.name) for column in features.frames.values()} == {(110, "float32")}
    assert acoustic_problems(features) == []


@pytest.mark.parametrize("pitch_hz", [75, 110, 210, 380])
def test_the_pitch_of_a_voice_is_found(pitch_hz: int):
    harmonics = sum(tone(pitch_hz * number, 1.0) / number for number in (1, 2, 3))

    features = _measured(harmonics)

    assert features.columns["pitch_hz"][5] == pytest.approx(pitch_hz, rel=0.01)
    assert features.columns["voiced_share"][5] == 1.0


def test_silence_and_noise_have_no_pitch():
    features = _measured(silence(1.0), noise(1.0))

    assert features.columns["pitch_hz"][2] == features.columns["voiced_share"][2] == 0.0
    assert np.mean(features.columns["voiced_share"][11:19]) < 0.1


def test_energy_is_decibels_of_full_scale_with_a_floor():
    features = _measured(tone(200, 1.0), silence(1.0))

    assert features.columns["energy_db"][5] == pytest.approx(20 * math.log10(0.3 / math.sqrt(2)), abs=0.05)
    assert features.columns["energy_db"][15] == -80.0


def test_the_last_window_is_not_quieter_for_being_short():
    features = _measured(tone(200, 1.025))

    assert features.columns["energy_db"][10] == pytest.approx(features.columns["energy_db"][5], abs=0.5)


def test_flux_rises_where_the_sound_changes():
    features = _measured(silence(1.0), tone(200, 1.0), tone(2000, 1.0))

    flux = features.columns["spectral_flux"]
    steady = max(*flux[12:18], *flux[22:28])
    assert flux[9] + flux[10] > 20 * steady
    assert flux[19] + flux[20] > 20 * steady


def test_reading_in_chunks_leaves_no_trace(monkeypatch: pytest.MonkeyPatch):
    talk = np.concatenate([spoken("Every morning I take a long walk.", "rms"), noise(0.5), spoken("Hello again.")])
    whole = _measured(talk)

    monkeypatch.setattr(torch_acoustics, "_CHUNK_WINDOWS", 7)
    audio = SoundInMemory(talk)
    pieces = measure_acoustics(audio)

    assert audio.largest_read <= 7 * 1600 + 20_000
    for name, column in pieces.columns.items():
        assert column == pytest.approx(whole.columns[name], rel=2e-3, abs=1e-3)
    for name, column in pieces.frames.items():
        assert column == pytest.approx(whole.frames[name], rel=2e-3, abs=1e-3)


def test_nothing_at_all_has_no_rows_and_what_is_not_a_number_is_silence():
    nothing, spoiled, one_sample = _measured(silence(0.0)), _measured(np.full(3200, np.nan)), _measured(np.ones(1))

    assert {len(column) for column in (*nothing.columns.values(), *nothing.frames.values())} == {0}
    assert set(spoiled.columns["energy_db"].tolist()) == {-80.0}
    assert one_sample.columns["energy_db"].tolist() == [0.0]
    assert acoustic_problems(nothing) == acoustic_problems(spoiled) == acoustic_problems(one_sample) == []


def test_infinite_and_clipped_samples_give_finite_numbers():
    sound = 40 * tone(200, 1.0)
    sound[4000], sound[4001] = np.inf, -np.inf

    features = _measured(sound)

    assert acoustic_problems(features) == []
    assert -0.5 < features.columns["energy_db"][5] <= 0.0


TALK = "Every morning I take a long walk. Sleep is more important than people believe."
TALK_SYLLABLES = 20


@pytest.mark.parametrize("sound", ["voice", "tone", "noise"])
def test_momentary_loudness_is_that_of_ffmpegs_ebur128(tmp_path: Path, sound: str):
    samples = {"voice": spoken(TALK, "rms"), "tone": tone(997, 2.0), "noise": noise(2.0, 0.05)}[sound]
    path = tmp_path / "sound.f32"
    samples.astype("<f4").tofile(path)

    loudness = _measured(samples).frames["loudness_lufs"]

    # Theirs looks back over 400 ms, ours is around the frame's middle.
    theirs = {round(100 * at_s) - 21: lufs for at_s, lufs in _ebur128(path) if at_s >= 0.4 and lufs > -60}
    assert len(theirs) > 12
    assert max(abs(loudness[frame] - lufs) for frame, lufs in theirs.items()) < 0.5


def _ebur128(path: Path) -> list[tuple[float, float]]:
    """Time and momentary loudness, every 100 ms."""
    command = ["ffmpeg", "-nostdin", "-v", "verbose", "-f", "f32le", "-ar", "16000", "-ac", "1", "-i", path]
    said = subprocess.run([*command, "-af", "ebur128", "-f", "null", "-"], capture_output=True, check=True).stderr
    found = re.findall(r"t: ([\d.]+) .*? M: *(\S+)", said.decode())
    return [(float(at_s), float(lufs)) for at_s, lufs in found]


def test_a_full_scale_tone_of_1_khz_has_minus_3_lufs():
    loudness = _measured(tone(997, 2.0) / 0.3)

    assert loudness.columns["loudness_lufs"][10] == pytest.approx(-3.01, abs=0.1)


def test_an_offset_and_rumble_are_energy_but_not_loudness_nor_speech():
    features = _measured(
        tone(200, 2.0), np.full(32_000, 0.2) + 0.2 * np.sin(np.arange(32_000) * 2 * np.pi * 20 / 16_000)
    )

    assert features.columns["energy_db"][30] > -15
    assert features.columns["loudness_lufs"][30] < -30
    assert features.frames["speech_band_db"][300] < -35
    assert features.columns["pause_share"][32] > 0.7


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
def test_the_speaking_rate_is_that_of_the_syllables_said(voice: str):
    words = spoken(TALK, voice)

    rate = _measured(words).columns["syllables_per_s"].mean()

    assert rate == pytest.approx(TALK_SYLLABLES / (len(words) / 16_000), rel=0.3)


def test_a_faster_talk_has_a_higher_rate_and_noise_has_none():
    words = spoken(TALK, "slt")
    slow = np.interp(np.arange(0, len(words), 0.7), np.arange(len(words)), words)

    assert _measured(words).columns["syllables_per_s"].mean() > 1.2 * _measured(slow).columns["syllables_per_s"].mean()
    assert _measured(noise(4.0)).columns["syllables_per_s"].max() == 0.0


def test_the_range_of_a_steady_pitch_is_small_and_of_an_octave_twelve_semitones():
    time_s = np.arange(64_000) / 16_000
    phase = 2 * np.pi * np.cumsum(150 * 2 ** (time_s / 4)) / 16_000

    steady = _measured(tone(150, 4.0)).columns["pitch_range_st"]
    rising = _measured(np.sin(phase)).columns["pitch_range_st"]

    assert steady[20] < 0.1
    assert rising[20] == pytest.approx(12 * 0.9 * 2 / 4, rel=0.05)  # 90 % of the 2 s around, of an octave in 4 s


def test_a_pause_has_its_length_and_a_stop_consonants_closure_is_none():
    features = _measured(tone(200, 2.0), silence(1.0), tone(200, 1.0), silence(0.1), tone(200, 2.0))

    assert features.columns["pause_s"][25] == pytest.approx(1.0, abs=0.05)
    assert set(features.columns["pause_s"][40:].tolist()) == {0.0}
    assert features.columns["pause_share"][25] == pytest.approx(0.5, abs=0.03)


def laughter(pitch_hz: float, calls: int) -> np.ndarray:
    """Calls 200 ms apart: 90 ms of voice, then breath."""
    chance, made = np.random.default_rng(7), []
    for _ in range(calls):
        time_s = np.arange(int(3200 * chance.uniform(0.93, 1.07))) / 16_000
        phase = 2 * np.pi * pitch_hz * (time_s - 0.4 * time_s**2)
        voice = sum(np.sin(number * phase) / number for number in range(1, 8)) * np.exp(
            -(((time_s - 0.045) / 0.035) ** 2)
        )
        made.append(0.25 * voice + chance.normal(0.0, 0.006, len(time_s)))
    return np.concatenate(made).astype(np.float32)


def test_a_laugh_is_a_burst_and_the_talk_around_it_is_none():
    talk = spoken(TALK, "rms")
    start_s, end_s = len(talk) / 16_000, len(talk) / 16_000 + 2.0

    (burst,) = burst_spans(_measured(talk, laughter(280.0, 10), talk))

    assert float(burst.start) == pytest.approx(start_s, abs=0.4)
    assert float(burst.end) == pytest.approx(end_s, abs=0.4)


def test_applause_is_a_burst_and_hiss_in_a_pause_is_none():
    talk = spoken(TALK, "slt")
    (clapping,) = (sound.samples[:48_000] for sound in nonspeech_sounds(["clapping"]))

    features = _measured(talk, clapping, talk, noise(3.0, 0.003), talk)
    (burst,) = burst_spans(features)

    assert float(burst.start) == pytest.approx(len(talk) / 16_000, abs=0.4)
    assert float(burst.duration_s) == pytest.approx(3.0, abs=0.8)
    assert features.columns["laughter_likeness"].max() < 0.5


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
def test_speech_is_neither_laughter_nor_applause(voice: str):
    assert burst_spans(_measured(spoken(TALK, voice), spoken(TALK, "rms"))) == ()


def test_features_survive_storage_in_few_bytes():
    features = _measured(spoken(TALK, "rms"))

    data = artifacts.encode(features)

    assert artifacts.decode(AcousticFeatures, data) == features
    assert len(data) < 120 * len(features.columns["energy_db"]) + 12_000


def test_a_gpu_asked_for_where_there_is_none_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(EngineUnavailable, match="CLIP_PLATFORM_DEVICE"):
        measure_acoustics(SoundInMemory(silence(0.1)), device="cuda")
    assert len(measure_acoustics(SoundInMemory(silence(0.1)), device="auto").columns["energy_db"]) == 1
