"""Real talkers side by side, one voice at a time: pairs composed of recordings of the GRID corpus (Cooke et al. 2006).

A talker's picture and sound are its recording while its turn is on, 3 s of which about 1.7 s are speech. In the other's
turn it is held: the pictures after its words (before its first turn: those before its words) are shown forwards and
backwards again and again, so it breathes, blinks and moves a little, with its mouth at rest as a listener's; its sound
is left out. Where the next turn begins, its picture jumps from the hold to the recording's first picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from clip_platform.evaluation.conversations import Conversation, Said, Side
from clip_platform.evaluation.filming import film
from clip_platform.evaluation.recordings import sound_of
from clip_platform.evaluation.voices import SAMPLE_RATE_HZ
from clip_platform.media.frames import Feed, read_frames
from clip_platform.media.probe import probe
from clip_platform.progress import silent

FPS = 25
TURNS = 6
GAP_S = 0.25
_LEVEL_S = 0.04
_BELOW_PEAK_DB = 17.0
"""Of the voice; the corpus' rooms are quieter by more."""
_MARGIN_FRAMES = 4
"""The mouth opens before the first sound and closes after the last."""


@dataclass(frozen=True, slots=True)
class _Talker:
    """`pictures`: uint8 BGR, shape (frames, height, width, 3). `sound`: float32 mono at 16 kHz. Speech in seconds."""

    name: str
    pictures: np.ndarray
    sound: np.ndarray
    start_s: float
    end_s: float


def make_grid_pairs(media: Path, folder: Path, *, pairs: int | None = None) -> Iterator[Conversation]:
    """Each talker beside the next one; the first ones only when `pairs` says so.

    Args:
        media: the folder that `recordings.folder` gives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    talkers = [_talker(path) for path in sorted(media.glob("talking/grid_*.mpg"))]
    for index in range(min(len(talkers), pairs or len(talkers))):
        yield _conversation(talkers[index], talkers[(index + 1) % len(talkers)], folder)


def _talker(path: Path) -> _Talker:
    info = probe(path)
    size = info.video.width_px, info.video.height_px
    frames = read_frames(path, info, [Feed("every", None, *size, "bgr24")], silent)
    pictures = np.stack([frame.picture for frame in frames])
    sound = sound_of(path)
    window = round(_LEVEL_S * SAMPLE_RATE_HZ)
    power = np.mean(sound[: len(sound) // window * window].reshape(-1, window) ** 2, axis=1)
    level_db = 10 * np.log10(power + 1e-9)
    loud = np.flatnonzero(level_db > level_db.max() - _BELOW_PEAK_DB)
    return _Talker(path.stem, pictures, sound, float(loud[0] * _LEVEL_S), float((loud[-1] + 1) * _LEVEL_S))


def _conversation(left: _Talker, right: _Talker, folder: Path) -> Conversation:
    talkers: dict[Side, _Talker] = {"left": left, "right": right}
    plays, said = _plan(talkers)
    frames = max(first + len(talkers[side].pictures) for side, first in plays)
    sound = np.zeros(round(frames / FPS * SAMPLE_RATE_HZ), np.float32)
    for side, first in plays:
        own, at = talkers[side].sound, round(first / FPS * SAMPLE_RATE_HZ)
        sound[at : at + len(own)] += own[: len(sound) - at]
    shown = {side: _shown(talkers[side], [first for who, first in plays if who == side], frames) for side in talkers}
    height, width = left.pictures.shape[1:3]
    video = folder / f"{left.name}-{right.name}.mp4"
    film(
        _pictures(talkers, shown, frames),
        (sound.clip(-1, 1) * 32767).astype(np.int16),
        video,
        size=(2 * width, height),
        fps=FPS,
        frames=frames,
    )
    return Conversation(f"{left.name} and {right.name}", video, said)


def _plan(talkers: dict[Side, _Talker]) -> tuple[list[tuple[Side, int]], list[Said]]:
    """The first frame of each turn's recording, and the speech in it; `GAP_S` lies between the words of two turns."""
    plays: list[tuple[Side, int]] = []
    said: list[Said] = []
    for number in range(TURNS):
        side: Side = "left" if number % 2 == 0 else "right"
        talker = talkers[side]
        first = round((said[-1].end_s + GAP_S - talker.start_s) * FPS) if said else FPS // 2
        plays.append((side, first))
        said.append(Said(side, first / FPS + talker.start_s, first / FPS + talker.end_s))
    return plays, said


def _shown(talker: _Talker, plays: Sequence[int], frames: int) -> list[int]:
    """Which of the talker's pictures is on display in each frame."""
    last = len(talker.pictures) - 1
    before = max(2, round(talker.start_s * FPS) - _MARGIN_FRAMES)
    after = min(last - 2, round(talker.end_s * FPS) + _MARGIN_FRAMES)
    shown = [_to_and_fro(plays[0] - frame, before) for frame in range(frames)]
    for first in plays:
        for frame in range(first, frames):
            at = frame - first
            shown[frame] = at if at <= last else last - _to_and_fro(at - last, last - after)
    return shown


def _to_and_fro(step: int, length: int) -> int:
    """0, 1, … length, length - 1, … 0, 1, …"""
    at = step % (2 * length)
    return min(at, 2 * length - at)


def _pictures(talkers: dict[Side, _Talker], shown: dict[Side, list[int]], frames: int) -> Iterator[np.ndarray]:
    for frame in range(frames):
        halves = [talkers[side].pictures[shown[side][frame]] for side in ("left", "right")]
        yield cv2.cvtColor(np.concatenate(halves, axis=1), cv2.COLOR_BGR2YUV_I420)
