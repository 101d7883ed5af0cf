"""How a talk sounds: known sounds give known numbers."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from clip_platform.speech.acoustics import COLUMNS, AcousticFeatures
from clip_platform.speech.backends import torch_acoustics
from clip_platform.speech.backends.torch_acoustics import measure_acoustics
from tests.fakes.speech import SoundInMemory, noise, silence, spoken, tone


def _measured(*parts: np.ndarray) -> AcousticFeatures:
    return measure_acoustics(SoundInMemory(np.concatenate(parts)))


def test_there_is_one_row_for_every_tenth_of_a_second_begun():
    features = _measured(tone(200, 1.03))

    assert set(features.columns) == set(COLUMNS)
    assert {len(column) for column in features.columns.values()} == {11}
    assert all(
        type(value) is float and math.isfinite(value) for column in features.columns.values() for value in column
    )


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
    steady = max(flux[12:18] + flux[22:28])
    assert flux[9] + flux[10] > 20 * steady
    assert flux[19] + flux[20] > 20 * steady


def test_reading_in_chunks_leaves_no_trace(monkeypatch: pytest.MonkeyPatch):
    talk = np.concatenate([spoken("Every morning I take a long walk.", "rms"), noise(0.5), spoken("Hello again.")])
    whole = _measured(talk)

    monkeypatch.setattr(torch_acoustics, "_CHUNK_WINDOWS", 7)
    audio = SoundInMemory(talk)
    pieces = measure_acoustics(audio)

    assert audio.largest_read < 14_000
    for name, column in pieces.columns.items():
        assert column == pytest.approx(whole.columns[name], rel=1e-3, abs=1e-6)


def test_nothing_at_all_has_no_rows_and_what_is_not_a_number_is_silence():
    assert _measured(silence(0.0)).columns["energy_db"] == ()
    assert set(_measured(np.full(3200, np.nan)).columns["energy_db"]) == {-80.0}


def test_it_is_a_hundred_times_faster_than_the_talk():
    talk = np.resize(spoken("Every morning I take a long walk.", "rms"), 60 * 16_000)
    measure_acoustics(SoundInMemory(talk[:16_000]))

    before = time.process_time()
    measure_acoustics(SoundInMemory(talk))

    assert time.process_time() - before < 0.6
