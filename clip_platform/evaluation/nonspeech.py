"""Sounds in which nobody speaks: silence, noises, tones, machines and music, made from arithmetic alone.

What an engine makes of them is measured elsewhere; the target is no word at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SAMPLE_RATE_HZ = 16000
DURATION_S = 20.0

_SEED = 20261122
_COUNT = int(DURATION_S * SAMPLE_RATE_HZ)
_LOUD, _SOFT, _FAINT = -20.0, -40.0, -60.0  # dB re full scale, RMS


@dataclass(frozen=True, slots=True)
class NonSpeech:
    """One sound: float32 at 16 kHz, within -1..1; the same bytes on every call."""

    name: str
    samples: np.ndarray


def nonspeech_sounds(names: Sequence[str] | None = None) -> Iterator[NonSpeech]:
    """The sounds of these names (`NAMES` has them all), otherwise every one; 20 s each, made one at a time."""
    for name in NAMES if names is None else names:
        yield NonSpeech(name, np.clip(_SOUNDS[name](), -1.0, 1.0).astype(np.float32))


def _time_s() -> np.ndarray:
    return np.arange(_COUNT) / SAMPLE_RATE_HZ


def _at_level(samples: np.ndarray, level_db: float = _LOUD) -> np.ndarray:
    """At this RMS level, dB re full scale."""
    rms = np.sqrt(np.mean(np.square(samples)))
    return samples * (10 ** (level_db / 20) / max(rms, 1e-12))


# Noises


def _chance() -> np.random.Generator:
    return np.random.default_rng(_SEED)


def _coloured(slope: float) -> np.ndarray:
    """Gaussian noise whose power falls with frequency to this power: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(_chance().normal(size=_COUNT))
    frequency = np.maximum(np.fft.rfftfreq(_COUNT), 20 / SAMPLE_RATE_HZ)
    return np.fft.irfft(spectrum / frequency ** (slope / 2), _COUNT)


def _noise(slope: float, level_db: float) -> Callable[[], np.ndarray]:
    return lambda: _at_level(_coloured(slope), level_db)


def _surf() -> np.ndarray:
    """Pink noise that swells every 4 s: waves, or wind."""
    return _at_level(_coloured(1) * (0.1 + np.sin(np.pi * _time_s() / 4) ** 4))


def _pulsed_noise() -> np.ndarray:
    """White noise four times a second: the rhythm of syllables without a voice."""
    return _at_level(_coloured(0) * np.sin(2 * np.pi * _time_s()) ** 2 * (np.sin(4 * np.pi * _time_s()) > 0))


def _clicks() -> np.ndarray:
    """A click each half second."""
    samples = np.zeros(_COUNT)
    samples[:: SAMPLE_RATE_HZ // 2] = 0.9
    return samples


def _typing() -> np.ndarray:
    """Keystrokes at uneven times: short resonant bursts."""
    chance, strike = _chance(), np.exp(-np.arange(800) / 120) * np.sin(np.arange(800) * 0.9)
    return _at_level(_struck(np.cumsum(chance.uniform(0.08, 0.35, 80)), lambda: strike * chance.uniform(0.4, 1)), -30.0)


def _clapping() -> np.ndarray:
    """A hall: thousands of claps at random times."""
    chance = _chance()
    clap = lambda: chance.normal(size=400) * np.exp(-np.arange(400) / 60)  # noqa: E731
    return _at_level(_struck(np.sort(chance.uniform(0, DURATION_S, 4000)), clap))


def _struck(times_s: Sequence[float] | np.ndarray, strike: Callable[[], np.ndarray]) -> np.ndarray:
    """A fresh strike at each time."""
    samples = np.zeros(_COUNT + SAMPLE_RATE_HZ * 4)
    for time_s in times_s:
        first, struck = int(time_s * SAMPLE_RATE_HZ), strike()
        if first < _COUNT:
            samples[first : first + len(struck)] += struck
    return samples[:_COUNT]


# Tones and machines


def _tone(frequency_hz: float) -> Callable[[], np.ndarray]:
    return lambda: _at_level(np.sin(2 * np.pi * frequency_hz * _time_s()))


def _hum() -> np.ndarray:
    """Mains: 50 Hz and its harmonics."""
    return _at_level(np.sum([np.sin(2 * np.pi * 50 * k * _time_s()) / k for k in range(1, 9)], axis=0), -30.0)


def _sweep() -> np.ndarray:
    """60 Hz to 7 kHz and back, exponentially, every 5 s."""
    share = np.abs((_time_s() / 5) % 2 - 1)
    return _at_level(np.sin(2 * np.pi * np.cumsum(60 * (7000 / 60) ** share) / SAMPLE_RATE_HZ))


def _siren() -> np.ndarray:
    """600 to 1400 Hz, up and down twice a second, with harmonics."""
    phase = 2 * np.pi * np.cumsum(1000 + 400 * np.sin(4 * np.pi * _time_s())) / SAMPLE_RATE_HZ
    return _at_level(np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase))


def _ringing() -> np.ndarray:
    """A telephone: 440 and 480 Hz, 2 s on and 4 s off."""
    tones = np.sin(2 * np.pi * 440 * _time_s()) + np.sin(2 * np.pi * 480 * _time_s())
    return _at_level(tones * (_time_s() % 6 < 2))


def _engine() -> np.ndarray:
    """A motor: a rough 30 Hz pulse train whose speed wanders, through a dull filter."""
    speed_hz = 30 + 8 * np.sin(2 * np.pi * 0.15 * _time_s()) + 2 * np.sin(2 * np.pi * 0.9 * _time_s())
    pulses = np.exp(-12 * (np.cumsum(speed_hz) / SAMPLE_RATE_HZ % 1))
    return _at_level(pulses - pulses.mean() + 0.1 * _coloured(1) / np.std(_coloured(1)))


def _birds() -> np.ndarray:
    """Chirps of a tenth of a second between 2 and 5 kHz."""
    chance = _chance()

    def chirp() -> np.ndarray:
        time_s = np.arange(1600) / SAMPLE_RATE_HZ
        start, rise = chance.uniform(2000, 4000), chance.uniform(-8000, 10000)
        return np.sin(2 * np.pi * (start * time_s + rise * time_s**2)) * np.hanning(1600)

    return _at_level(_struck(np.cumsum(chance.uniform(0.12, 0.6, 80)), chirp), -30.0)


# Music


def _note(frequency_hz: float, duration_s: float, decay_s: float, harmonics: int = 8) -> np.ndarray:
    """A struck or plucked string."""
    time_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    parts = [
        np.sin(2 * np.pi * frequency_hz * k * time_s) / k * np.exp(-time_s * k**0.5 / decay_s)
        for k in range(1, harmonics + 1)
        if frequency_hz * k < SAMPLE_RATE_HZ / 2
    ]
    attack = np.minimum(time_s / 0.005, 1)
    release = np.minimum((duration_s - time_s) / 0.02, 1)
    return np.sum(parts, axis=0) * attack * release


def _pitch_hz(midi: float) -> float:
    return float(440 * 2 ** ((midi - 69) / 12))


_PROGRESSION = ((48, 60, 64, 67), (45, 60, 64, 69), (41, 60, 65, 69), (43, 59, 62, 67))


def _played(notes: Sequence[tuple[float, float]], duration_s: float, decay_s: float) -> np.ndarray:
    """Notes as (time in seconds, MIDI number)."""
    samples = np.zeros(_COUNT + int(duration_s * SAMPLE_RATE_HZ) + 1)
    for time_s, midi in notes:
        first, note = int(time_s * SAMPLE_RATE_HZ), _note(_pitch_hz(midi), duration_s, decay_s)
        if first < _COUNT:
            samples[first : first + len(note)] += note
    return samples[:_COUNT]


def _chords() -> np.ndarray:
    """A piano's four chords, one every second."""
    return _at_level(
        _played([(time, midi) for time in range(20) for midi in _PROGRESSION[time % 4]], duration_s=1.0, decay_s=0.6)
    )


def _arpeggio() -> np.ndarray:
    """The same chords broken, eight notes a second."""
    notes = [(n / 8, _PROGRESSION[n // 8 % 4][n % 4] + 12 * (n % 8 > 3)) for n in range(160)]
    return _at_level(_played(notes, duration_s=0.5, decay_s=0.2))


def _melody() -> np.ndarray:
    """One plucked voice in the range of a human one, four notes a second: the rhythm of syllables."""
    scale = (57, 59, 60, 62, 64, 65, 67, 69)
    chance = _chance()
    return _at_level(_played([(n / 4, scale[chance.integers(8)]) for n in range(80)], duration_s=0.3, decay_s=0.15))


def _organ() -> np.ndarray:
    """Held chords without decay."""
    return _at_level(
        _played([(time, midi) for time in range(0, 20, 2) for midi in _PROGRESSION[time // 2 % 4]], 2.0, 1e3)
    )


def _strings() -> np.ndarray:
    """A bowed tone with vibrato: all harmonics of a saw-tooth, 220 to 440 Hz, a new note each second."""
    midi = np.repeat([57, 60, 64, 62, 65, 69, 67, 64, 60, 57], 2)[np.minimum(_time_s().astype(int), 19)]
    hz = 440 * 2 ** ((midi - 69 + 0.3 * np.sin(2 * np.pi * 5.5 * _time_s())) / 12)
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ
    tone = np.sum([np.sin(k * phase) / k for k in range(1, 16)], axis=0)
    return _at_level(tone * (0.6 + 0.4 * np.sin(np.pi * (_time_s() % 1))))


def _humming() -> np.ndarray:
    """A sung-like tone without words: vibrato at 5.5 Hz, harmonics through the resonances of one vowel, held 2 s."""
    midi = np.array([50, 53, 55, 57, 53, 52, 50, 48, 50, 57])[np.minimum((_time_s() / 2).astype(int), 9)]
    hz = 440 * 2 ** ((midi - 69 + 0.4 * np.sin(2 * np.pi * 5.5 * _time_s())) / 12)
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ
    resonances = ((500, 90), (1500, 120), (2500, 160))
    gains = [sum(1 / (1 + ((hz * k - f) / b) ** 2) for f, b in resonances) / k**0.5 for k in range(1, 20)]
    tone = np.sum([gain * np.sin(k * phase) for k, gain in enumerate(gains, 1)], axis=0)
    return _at_level(tone * np.sin(np.pi * (_time_s() / 2 % 1)) ** 0.3)


def _improvised(seed: int) -> Callable[[], np.ndarray]:
    """A lone wind instrument: notes of uneven length in a human voice's range, vibrato, breath, and resonances of its
    own. What comes nearest to a voice without being one.

    The seeds in use are such that silero-vad alone hears speech. Of 200 other seeds it hears speech in 26 %; what
    `silero_gate` leaves of it is 0.5 %.
    """

    def make() -> np.ndarray:
        chance = np.random.default_rng(seed)
        midi, strength = _phrases(chance, notes_per_s=chance.uniform(1.5, 6), lowest=int(chance.integers(48, 62)))
        vibrato = chance.uniform(0.1, 0.6) * np.sin(2 * np.pi * chance.uniform(4.5, 6.5) * _time_s())
        hz = 440 * 2 ** ((midi - 69 + vibrato) / 12)
        phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ
        resonances = chance.uniform((300, 900, 2300), (900, 2300, 3200))
        tone = np.zeros(_COUNT)
        for k in range(1, 25):
            gain = sum(1 / (1 + ((hz * k - at) / 120) ** 2) for at in resonances) + 0.05
            tone += np.where(hz * k < SAMPLE_RATE_HZ / 2, gain / k**0.5 * np.sin(k * phase), 0.0)
        return _at_level(tone * strength) + _at_level(_coloured(1), _FAINT)

    return make


def _phrases(chance: np.random.Generator, *, notes_per_s: float, lowest: int) -> tuple[np.ndarray, np.ndarray]:
    """MIDI number and strength (0..1) of every sample: notes of a scale, a few of them rests, sliding in 50 ms."""
    midi, strength = np.zeros(_COUNT), np.zeros(_COUNT)
    first = 0
    while first < _COUNT:
        end = min(first + int(SAMPLE_RATE_HZ / notes_per_s * chance.uniform(0.7, 1.4)), _COUNT)
        midi[first:end] = lowest + chance.choice((0, 2, 4, 5, 7, 9, 12))
        edge = np.minimum(np.arange(end - first), np.arange(end - first)[::-1]) / (0.03 * SAMPLE_RATE_HZ)
        strength[first:end] = np.minimum(edge, 1.0) * (chance.random() > 0.15)
        first = end
    slide = int(0.05 * SAMPLE_RATE_HZ)
    padded = np.concatenate([np.full(slide - 1, midi[0]), midi])
    return np.convolve(padded, np.full(slide, 1 / slide), "valid"), strength


def _drums() -> np.ndarray:
    """Kick, snare and hi-hat at 120 beats a minute."""
    chance = _chance()
    time_s = np.arange(6400) / SAMPLE_RATE_HZ
    kick = np.sin(2 * np.pi * (45 * time_s - 6 * np.exp(-time_s * 30))) * np.exp(-time_s * 12)
    beats = np.arange(0, DURATION_S, 0.5)
    snare = lambda: 0.6 * chance.normal(size=3200) * np.exp(-np.arange(3200) / 700)  # noqa: E731
    hat = lambda: 0.2 * np.diff(chance.normal(size=801)) * np.exp(-np.arange(800) / 150)  # noqa: E731
    return _at_level(
        _struck(beats[::2], lambda: kick) + _struck(beats[1::2], snare) + _struck(np.arange(0, DURATION_S, 0.25), hat)
    )


def _band() -> np.ndarray:
    """Drums, chords and a melody together."""
    return _at_level(_drums() + _chords() + 0.7 * _melody())


_SOUNDS: Mapping[str, Callable[[], np.ndarray]] = {
    "silence": lambda: np.zeros(_COUNT),
    "white noise, loud": _noise(0, _LOUD),
    "white noise, soft": _noise(0, _SOFT),
    "white noise, faint": _noise(0, _FAINT),
    "pink noise, loud": _noise(1, _LOUD),
    "pink noise, soft": _noise(1, _SOFT),
    "brown noise, loud": _noise(2, _LOUD),
    "surf": _surf,
    "pulsed noise": _pulsed_noise,
    "clicks": _clicks,
    "typing": _typing,
    "clapping": _clapping,
    "tone, 100 Hz": _tone(100),
    "tone, 440 Hz": _tone(440),
    "tone, 1 kHz": _tone(1000),
    "mains hum": _hum,
    "sweep": _sweep,
    "siren": _siren,
    "telephone": _ringing,
    "engine": _engine,
    "birds": _birds,
    "chords": _chords,
    "arpeggio": _arpeggio,
    "melody": _melody,
    "organ": _organ,
    "strings with vibrato": _strings,
    "humming with vibrato": _humming,
    "improvised melody, slow": _improvised(2),
    "improvised melody, quick": _improvised(5),
    "improvised melody, low": _improvised(20),
    "improvised melody, high": _improvised(17),
    "drums": _drums,
    "band": _band,
}

NAMES: Sequence[str] = tuple(_SOUNDS)
"""Of every sound, in order."""
