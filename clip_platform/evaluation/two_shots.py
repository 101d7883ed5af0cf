"""Drawn two-shots: the persons of the sample talk side by side, who speak in turn with flite's voices.

Each seed draws where they sit, how large they are, how they move, who says what and when. Both sway, turn and nod a
little all the time; the listener also smiles (the lips part for a second or two).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from clip_platform.evaluation.conversations import Conversation, Said, Side
from clip_platform.evaluation.filming import film
from clip_platform.evaluation.persons import Cutout, Person, Pose
from clip_platform.evaluation.scenery import put_desk, room
from clip_platform.evaluation.script import LINES
from clip_platform.evaluation.voices import SAMPLE_RATE_HZ, speak

SIZE = (960, 540)
FPS = 25
TURNS = 10
SHORTEST_TURN_S, LONGEST_TURN_S = 1.5, 6.0
_VOICES = {"host": ("slt", "kal"), "guest": ("rms", "awb")}
_LEAD_S, _TAIL_S = 0.6, 0.8
_SHORTEST_GAP_S, _LONGEST_GAP_S = 0.1, 0.5
_ROOM_NOISE = 18.0
"""As in the sample talk."""


@dataclass(frozen=True, slots=True)
class _Sitter:
    """A person of a two-shot. `x`, `y`, `face`: place and height of the face as shares of the picture's height (x from
    the middle of the picture's half). `smiles`: (start, end, how wide) in seconds."""

    person: Person
    voice: str
    x: float
    y: float
    face: float
    phases: tuple[float, float, float]
    smiles: tuple[tuple[float, float, float], ...]


def make_two_shot(seed: int, folder: Path, *, turns: int = TURNS, size: tuple[int, int] = SIZE) -> Conversation:
    """Writes `two-shot-SEED.mp4` into `folder`.

    Raises:
        MissingProgram: flite or ffmpeg is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)  # noqa: S311 - draws scenes, not secrets
    sides: tuple[Side, Side] = ("left", "right")
    persons: list[Person] = ["host", "guest"]
    dice.shuffle(persons)
    voices = {side: dice.choice(_VOICES[person]) for side, person in zip(sides, persons, strict=True)}
    said, sounds, duration_s = _speech(dice, voices, turns)
    sitters = {
        side: _sitter(dice, person, voices[side], duration_s) for side, person in zip(sides, persons, strict=True)
    }
    frames = int(np.ceil(duration_s * FPS))
    noise = np.random.default_rng(seed).normal(0, _ROOM_NOISE, len(sounds["left"])).round().astype(np.int16)
    video = folder / f"two-shot-{seed}.mp4"
    mouths = {side: _mouth(sounds[side], sitters[side], frames) for side in sides}
    sound = noise + sounds["left"] + sounds["right"]
    film(_pictures(sitters, mouths, frames, size), sound, video, size=size, fps=FPS, frames=frames)
    return Conversation(f"two-shot {seed}", video, said)


def _speech(
    dice: random.Random, voices: dict[Side, str], turns: int
) -> tuple[list[Said], dict[Side, np.ndarray], float]:
    """Who says something when, and the sound of each: int16 mono at `SAMPLE_RATE_HZ`, over the whole length."""
    sentences = _sentences()
    dice.shuffle(sentences)
    side: Side = dice.choice(("left", "right"))
    at_s, pieces = _LEAD_S, []
    said: list[Said] = []
    for sentence in itertools.cycle(sentences):
        if len(said) == turns:
            break
        samples = _trimmed(speak(sentence, voices[side]).samples)
        length_s = len(samples) / SAMPLE_RATE_HZ
        if not SHORTEST_TURN_S <= length_s <= LONGEST_TURN_S:
            continue
        said.append(Said(side, at_s, at_s + length_s))
        pieces.append(samples // 2)
        at_s += length_s + dice.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S)
        side = "right" if side == "left" else "left"
    duration_s = said[-1].end_s + _TAIL_S
    sounds: dict[Side, np.ndarray] = {
        name: np.zeros(int(duration_s * SAMPLE_RATE_HZ), np.int16) for name in ("left", "right")
    }
    for turn, samples in zip(said, pieces, strict=True):
        first = round(turn.start_s * SAMPLE_RATE_HZ)
        sounds[turn.side][first : first + len(samples)] = samples
    return said, sounds, duration_s


def _sentences() -> list[str]:
    texts = (line.text.replace("?", ".") for line in LINES)
    return [f"{sentence.strip()}." for text in texts for sentence in text.split(".") if len(sentence.split()) > 3]


def _trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence before and after."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 300)
    return samples[loud[0] : loud[-1] + 1]


def _sitter(dice: random.Random, person: Person, voice: str, duration_s: float) -> _Sitter:
    smiles, at_s = [], dice.uniform(1, 4)
    while at_s < duration_s:
        length_s = dice.uniform(0.8, 2.0)
        smiles.append((at_s, at_s + length_s, dice.uniform(0.15, 0.35)))
        at_s += length_s + dice.uniform(3, 7)
    phases = (dice.random(), dice.random(), dice.random())
    x, y, face = dice.uniform(-0.12, 0.12), dice.uniform(0.42, 0.52), dice.uniform(0.14, 0.24)
    return _Sitter(person, voice, x, y, face, phases, tuple(smiles))


def _mouth(sound: np.ndarray, sitter: _Sitter, frames: int) -> np.ndarray:
    """How far the mouth is open in each frame, 0..1: as the own voice's amplitude, or as the smile if that is wider."""
    edges = (np.arange(frames + 1) * SAMPLE_RATE_HZ / FPS).round().astype(int).clip(0, len(sound))
    levels = [np.sqrt(np.mean(sound[a:b].astype(float) ** 2)) if b > a else 0.0 for a, b in itertools.pairwise(edges)]
    amplitude = np.array(levels)
    spoken = np.clip(amplitude / np.percentile(amplitude[amplitude > 0], 95), 0, 1) ** 0.7
    spoken = np.convolve(spoken, (0.2, 0.6, 0.2), mode="same")
    times = np.arange(frames) / FPS
    smiling = np.zeros(frames)
    for start_s, end_s, width in sitter.smiles:
        smiling = np.maximum(smiling, width * np.clip(np.minimum(times - start_s, end_s - times) / 0.3, 0, 1))
    return np.maximum(spoken, smiling)


def _pictures(
    sitters: dict[Side, _Sitter], mouths: dict[Side, np.ndarray], frames: int, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    cutouts = {side: Cutout(sitter.person) for side, sitter in sitters.items()}
    empty = room("both", *size)
    for frame in range(frames):
        picture = empty.copy()
        for side, sitter in sitters.items():
            cutouts[side].paste(picture, _pose(sitter, side, size, frame / FPS, float(mouths[side][frame])))
        put_desk(picture)
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)


def _pose(sitter: _Sitter, side: Side, size: tuple[int, int], moment_s: float, mouth: float) -> Pose:
    """A slow sway, nods in bursts, a turn of the head and back."""
    width, height = size

    def wave_of(period_s: float, phase: float) -> float:
        return float(np.sin(2 * np.pi * (moment_s / period_s + phase)))

    first, second, third = sitter.phases
    nod = 0.02 * wave_of(0.9, first) * max(0.0, wave_of(6.0, second))
    x = width * (0.26 if side == "left" else 0.74) + height * (sitter.x + 0.02 * wave_of(5.3, third))
    face = height * sitter.face * (1 + 0.03 * wave_of(7.0, second))
    return Pose(x, height * (sitter.y + nod), face, 12 * wave_of(6.4, first), mouth)


def make_two_shots(seeds: Sequence[int], folder: Path) -> Iterator[Conversation]:
    """One after the other, see `make_two_shot`."""
    for seed in seeds:
        yield make_two_shot(seed, folder)
