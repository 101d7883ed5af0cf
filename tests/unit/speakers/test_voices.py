from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.speakers.voices import MOST_VOICES, WINDOW_S, cluster, find_voices
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound
from clip_platform.timeline import Span

SIZE = 64


def heard(voices: Sequence[int], *, spread: float = 0.6, seed: int = 0) -> np.ndarray:
    """A vector a window: the voice's own direction and noise, of any length."""
    dice = np.random.default_rng(seed)
    directions = np.linalg.qr(dice.standard_normal((SIZE, SIZE)))[0]
    noise = dice.standard_normal((len(voices), SIZE)) / SIZE**0.5
    vectors = directions[list(voices)] + spread * noise
    return vectors * dice.uniform(0.1, 10, (len(voices), 1))


class ByPitch:
    """Tells voices apart by where their spectrum has its peak; enough for tones."""

    def embed(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        spectra = np.abs(np.fft.rfft(np.stack(sounds)))[:, :3000]
        return spectra.reshape(len(sounds), 30, 100).sum(axis=2)


def tone(frequency_hz: float, duration_s: float) -> np.ndarray:
    times = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def test_windows_of_one_voice_are_one_group_in_order_of_appearance():
    voices = [3, 3, 0, 0, 3, 5, 5, 0, 3]

    assert cluster(heard(voices)).tolist() == [0, 0, 1, 1, 0, 2, 2, 1, 0]


def test_a_voice_that_returns_after_many_batches_is_the_same():
    voices = [0] * 900 + [1] * 1500 + [2] * 300 + [0] * 600

    found = cluster(heard(voices))

    assert (found == np.array(voices)).mean() > 0.995


def test_there_are_never_more_voices_than_the_bound():
    voices = [number // 4 for number in range(4 * 40)]

    found = cluster(heard(voices, spread=0.1))

    assert found.max() == MOST_VOICES - 1
    assert (found == -1).sum() == 4 * (40 - MOST_VOICES)


def test_what_is_heard_once_is_nobodys_voice():
    assert cluster(heard([0, 0, 0, 7, 0])).tolist() == [0, 0, 0, -1, 0]


def test_a_single_window_is_a_voice_and_none_is_none():
    assert cluster(heard([0])).tolist() == [0]
    assert cluster(np.zeros((0, SIZE))).tolist() == []


@pytest.mark.parametrize("broken", [0.0, np.nan, np.inf])
def test_a_vector_without_a_direction_is_of_nobody(broken: float):
    vectors = heard([0, 0, 1, 1, 0])
    vectors[1] = broken

    assert cluster(vectors).tolist() == [0, -1, 1, 1, 0]


def test_voices_are_found_where_they_are_heard():
    sound = HeldSound(np.concatenate([tone(300, 6), tone(1500, 6), tone(300, 6)]))

    found = find_voices(sound, [Span.of(0, 6), Span.of(6, 12), Span.of(12, 18)], ByPitch())

    assert {int(v) for w, v in zip(found.windows, found.voices, strict=True) if 6 <= w.middle < 12} == {1}
    assert {int(v) for w, v in zip(found.windows, found.voices, strict=True) if not 6 <= w.middle < 12} == {0}
    assert max(window.end for window in found.windows) == 18


def test_windows_cover_speech_and_short_speech_has_one_or_none():
    sound = HeldSound(tone(300, 10))

    found = find_voices(sound, [Span.of(0, "0.3"), Span.of(1, 2), Span.of(3, "6.1")], ByPitch())

    assert found.windows[0] == Span.of(1, 2)
    assert [window.start for window in found.windows[1:]] == [3, Fraction(15, 4), Fraction(9, 2), Fraction(23, 5)]
    assert all(window.duration_s == WINDOW_S for window in found.windows[1:])


def test_progress_reaches_the_end():
    told: list[float] = []

    find_voices(HeldSound(tone(300, 60)), [Span.of(0, 60)], ByPitch(), told.append)

    assert told == sorted(told)
    assert told[-1] == 1.0
