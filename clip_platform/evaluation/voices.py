"""Speech for the sample talk and the exact times of its words, from flite. Knows nothing of pictures."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clip_platform.errors import CheckFailed, MissingProgram, ProgramFailed

SAMPLE_RATE_HZ = 16_000
_SILENCE = "pau"
_DEADLINE_S = 30


@dataclass(frozen=True, slots=True)
class Spoken:
    """One text, spoken. `samples`: int16 mono at `SAMPLE_RATE_HZ`; `words`: (text, start, end) in seconds."""

    samples: np.ndarray
    words: tuple[tuple[str, float, float], ...]


def speak(text: str, voice: str) -> Spoken:
    """Speech of `text`, with word times from the synthesiser's own phone ends.

    Raises:
        MissingProgram: flite is not installed.
        CheckFailed: the phones of the words alone do not add up to those of the text, so times would be guesses.
    """
    with TemporaryDirectory(prefix="clip-platform-voice-") as folder:
        wav = Path(folder) / "speech.wav"
        listing = _flite("-voice", voice, "-psdur", "-t", text, str(wav))
        with wave.open(str(wav)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return Spoken(samples, _word_times(text, voice, _phones(listing)))


def _phones(listing: str) -> list[tuple[float, float]]:
    """Start and end of every phone but silence; flite lists `name:end_s`, in order."""
    phones, start_s = [], 0.0
    for entry in listing.split():
        name, _, end = entry.rpartition(":")
        if name != _SILENCE:
            phones.append((start_s, float(end)))
        start_s = float(end)
    return phones


def _word_times(text: str, voice: str, phones: Sequence[tuple[float, float]]) -> tuple[tuple[str, float, float], ...]:
    words = text.split()
    counts = _phone_counts(words, voice)
    if len(counts) != len(words) or sum(counts) != len(phones):
        raise CheckFailed(
            f"flite speaks {text[:40]!r}… in {len(phones)} phones, its words alone have {sum(counts)}; reword it"
        )
    timed, first = [], 0
    for word, count in zip(words, counts, strict=True):
        timed.append((word, phones[first][0], phones[first + count - 1][1]))
        first += count
    return tuple(timed)


def _phone_counts(words: Sequence[str], voice: str) -> list[int]:
    """Phones of each word: spoken as a sentence of its own, so that a silence ends it."""
    sentences = " ".join(re.sub(r"[^\w]", "", word).lower() + "." for word in words)
    phones = _flite("-voice", voice, "-ps", "-t", sentences, "none").split()
    spoken = itertools.groupby(phones, lambda phone: phone != _SILENCE)
    return [len(list(group)) for is_word, group in spoken if is_word]


def _flite(*arguments: str) -> str:
    program = shutil.which("flite")
    if program is None:
        raise MissingProgram("flite is not on PATH; install it (Debian: apt install flite) to make the sample talk")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_DEADLINE_S, check=False)
    if done.returncode != 0:
        raise ProgramFailed(f"flite ended with status {done.returncode}", detail=done.stderr[-2000:])
    return done.stdout
