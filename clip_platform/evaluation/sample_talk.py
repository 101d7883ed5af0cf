"""Makes the sample talk: about 85 s of two people, two slides and a fade, with the truth about it saved beside it.

`python -m clip_platform.evaluation.sample_talk FOLDER` writes `talk.mp4` and `truth.json` (see `truth`), unless the
folder holds what this code makes. What is said is in `script`, voices in `voices`, pictures in `persons` and `scenery`;
this module puts them on one time line and encodes it. The same versions of the libraries give the same bytes.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from clip_platform.evaluation import filming, persons, scenery, script, truth, voices
from clip_platform.evaluation.filming import film
from clip_platform.evaluation.persons import Cutout, Person, Pose
from clip_platform.evaluation.scenery import put_desk, room, slide
from clip_platform.evaluation.script import LINES, SLIDES, SPEAKERS, Line
from clip_platform.evaluation.truth import (
    TrueFace,
    TrueFade,
    TrueSegment,
    TrueShot,
    TrueWord,
    Truth,
    save_truth,
)
from clip_platform.evaluation.voices import SAMPLE_RATE_HZ, Spoken, speak
from clip_platform.progress import OnProgress, silent

_TAIL_S = 0.35
_DARKEST_FACE = 0.3
_ROOM_NOISE = 18.0
"""Root mean square of the room's noise in 16-bit steps, about -65 dBFS: in digital silence recognisers invent words."""


@dataclass(frozen=True, slots=True)
class SampleTalk:
    """`video`: H.264/AAC in MP4. `truth`: the file that `truth.load_truth` reads."""

    video: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class _Scene:
    """One line of the script on the time line, in whole frames."""

    line: Line
    spoken: Spoken
    first_frame: int
    frames: int


def make_sample_talk(
    folder: Path,
    *,
    size: tuple[int, int] = (1920, 1080),
    fps: int = 30,
    lines: Sequence[Line] = LINES,
    on_progress: OnProgress = silent,
) -> SampleTalk:
    """Writes `talk.mp4` and `truth.json` into `folder`, which is made when missing. They are there whole or not at all.

    Args:
        size: width and height in pixels, even, 16:9; everything in the picture scales with it.
        fps: frames per second, constant.
        lines: what is said and shown; a few of them make a short talk.

    Raises:
        MissingProgram: flite or ffmpeg is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    talk = _talk_in(folder)
    scenes = _timeline(fps, lines)
    frames = sum(scene.frames for scene in scenes)
    sound = _sound(scenes, frames, fps)
    faces: list[tuple[TrueFace, ...]] = []
    pictures = _pictures(scenes, _openings(sound, frames, fps), size, fps, faces)
    with TemporaryDirectory(prefix=".sample-", dir=folder) as scratch:
        made = _talk_in(Path(scratch))
        film(pictures, sound, made.video, size=size, fps=fps, frames=frames, on_progress=on_progress)
        save_truth(_truth(scenes, faces, size, fps), made.truth)
        made.truth.replace(talk.truth)
        made.video.replace(talk.video)
    return talk


def current_sample_talk(folder: Path, on_progress: OnProgress = silent) -> SampleTalk:
    """The talk in `folder`, made first unless this very code made it. Raises as `make_sample_talk`."""
    mark, digest = folder / "made-by.txt", _code_digest()
    talk = _talk_in(folder)
    if talk.video.exists() and talk.truth.exists() and mark.exists() and mark.read_text() == digest:
        return talk
    mark.unlink(missing_ok=True)
    make_sample_talk(folder, on_progress=on_progress)
    mark.write_text(digest)
    return talk


def _talk_in(folder: Path) -> SampleTalk:
    return SampleTalk(folder / "talk.mp4", folder / "truth.json")


def _code_digest() -> str:
    """SHA-256 in hex over the modules that make the talk and the versions of what draws it."""
    modules = (
        __file__,
        filming.__file__,
        persons.__file__,
        scenery.__file__,
        script.__file__,
        truth.__file__,
        voices.__file__,
    )
    digest = hashlib.sha256(f"{cv2.__version__} {np.__version__}".encode())
    for module in modules:
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()


def _timeline(fps: int, lines: Sequence[Line]) -> list[_Scene]:
    scenes, first = [], 0
    for line in lines:
        spoken = speak(line.text, SPEAKERS[line.speaker])
        duration_s = line.pause_s + len(spoken.samples) / SAMPLE_RATE_HZ + _TAIL_S
        scenes.append(_Scene(line, spoken, first, int(np.ceil(duration_s * fps))))
        first += scenes[-1].frames
    return scenes


# Sound


def _sound(scenes: Sequence[_Scene], frames: int, fps: int) -> np.ndarray:
    """int16 mono at 16 kHz: the voices over a little noise."""
    noise = np.random.default_rng(11).normal(0, _ROOM_NOISE, round(frames / fps * SAMPLE_RATE_HZ))
    sound = noise.round().astype(np.int16)
    for scene in scenes:
        first = round((scene.first_frame / fps + scene.line.pause_s) * SAMPLE_RATE_HZ)
        sound[first : first + len(scene.spoken.samples)] += scene.spoken.samples // 2  # half: no clipping with noise
    return sound


def _openings(sound: np.ndarray, frames: int, fps: int) -> np.ndarray:
    """How far the speaker's mouth is open in each frame, 0..1: nearly as the sound's amplitude."""
    window = SAMPLE_RATE_HZ / fps
    edges = (np.arange(frames + 1) * window).round().astype(int).clip(0, len(sound))
    amplitude = np.sqrt([np.mean(sound[a:b].astype(float) ** 2) for a, b in itertools.pairwise(edges)])
    openings = np.clip(amplitude / np.percentile(amplitude, 97), 0, 1) ** 0.7
    return np.convolve(openings, (0.2, 0.6, 0.2), mode="same")


# Pictures


def _pictures(
    scenes: Sequence[_Scene],
    openings: np.ndarray,
    size: tuple[int, int],
    fps: int,
    faces: list[tuple[TrueFace, ...]],
) -> Iterator[np.ndarray]:
    """Every frame as planar 4:2:0 bytes; appends the frame's faces to `faces` as it goes."""
    cutouts = {person: Cutout(cast(Person, person)) for person in SPEAKERS}
    empty = {view: slide(SLIDES[view], *size) if view in SLIDES else room(view, *size) for view in _views(scenes)}
    for scene in scenes:
        for frame in range(scene.first_frame, scene.first_frame + scene.frames):
            picture = empty[scene.line.view].copy()
            drawn = _draw_persons(picture, cutouts, scene.line, frame / fps, float(openings[frame]))
            light = _light(scene, frame, fps)
            if light < 1:
                picture = cv2.convertScaleAbs(picture, alpha=light)
            faces.append(drawn if light >= _DARKEST_FACE else ())
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)


def _views(scenes: Sequence[_Scene]) -> list[str]:
    return list(dict.fromkeys(scene.line.view for scene in scenes))


def _light(scene: _Scene, frame: int, fps: int) -> float:
    if not scene.line.fade_s:
        return 1.0
    return min(1.0, (frame - scene.first_frame) / (scene.line.fade_s * fps))


def _draw_persons(
    picture: np.ndarray, cutouts: dict[str, Cutout], line: Line, moment_s: float, opening: float
) -> tuple[TrueFace, ...]:
    height, width = picture.shape[:2]
    drawn = []
    for person in _persons_in(line.view):
        pose = _pose(line.view, person, moment_s, width, height, opening if person == line.speaker else 0.0)
        box = cutouts[person].paste(picture, pose)
        drawn.append(TrueFace(person, *(round(value, 1) for value in box)))
    if line.view == "both":
        put_desk(picture)
    return tuple(drawn)


def _persons_in(view: str) -> tuple[str, ...]:
    if view in SLIDES:
        return ()
    return ("host", "guest") if view == "both" else (view,)


def _pose(view: str, person: str, moment_s: float, width_px: int, height_px: int, mouth: float) -> Pose:
    """Where a person is: a slow walk from side to side, a quick sway, nods, turns, and steps to the camera and back."""

    def wave_of(period_s: float, phase: float = 0.0) -> float:
        return float(np.sin(2 * np.pi * (moment_s / period_s + phase)))

    k = height_px / 1080
    nod = 3.0 * wave_of(1.7)
    if view == "host":
        x = 0.47 * width_px + k * (170 * wave_of(9) + 14 * wave_of(2.3))
        return Pose(x, k * (390 + nod), k * 225 * (1 + 0.10 * wave_of(8)), 20 * wave_of(7), mouth)
    if view == "guest":
        x = 0.55 * width_px + k * (150 * wave_of(8, 0.3) + 16 * wave_of(2.1))
        return Pose(x, k * (400 + nod), k * 245 * (1 + 0.10 * wave_of(9.5)), 22 * wave_of(6.5, 0.2), mouth)
    side, phase = (0.28, 0.0) if person == "host" else (0.72, 0.4)
    x = side * width_px + k * (75 * wave_of(5.5, phase) + 6 * wave_of(1.9, phase))
    return Pose(x, k * (525 + nod), k * 155 * (1 + 0.05 * wave_of(7, phase)), 15 * wave_of(6, phase), mouth)


# Truth


def _truth(scenes: Sequence[_Scene], faces: list[tuple[TrueFace, ...]], size: tuple[int, int], fps: int) -> Truth:
    shots = _shots(scenes, fps)
    return Truth(
        fps=fps,
        width_px=size[0],
        height_px=size[1],
        frames=len(faces),
        speakers=dict(SPEAKERS),
        cuts_s=tuple(shot.start_s for shot in shots[1:]),
        fades=tuple(_fade(scene, fps) for scene in scenes if scene.line.fade_s),
        shots=tuple(shots),
        segments=tuple(_segment(scene, fps) for scene in scenes),
        words=tuple(word for scene in scenes for word in _words(scene, fps)),
        faces=tuple(faces),
    )


def _shots(scenes: Sequence[_Scene], fps: int) -> list[TrueShot]:
    shots: list[TrueShot] = []
    for scene in scenes:
        view, end_s = scene.line.view, (scene.first_frame + scene.frames) / fps
        if shots and shots[-1].view == view and not scene.line.fade_s:
            shots[-1] = TrueShot(view, shots[-1].start_s, end_s, shots[-1].persons, shots[-1].slide)
        else:
            shots.append(TrueShot(view, scene.first_frame / fps, end_s, _persons_in(view), view in SLIDES))
    return shots


def _fade(scene: _Scene, fps: int) -> TrueFade:
    start_s = scene.first_frame / fps
    return TrueFade(start_s, start_s + scene.line.fade_s)


def _segment(scene: _Scene, fps: int) -> TrueSegment:
    line = scene.line
    start_s, end_s = scene.first_frame / fps, (scene.first_frame + scene.frames) / fps
    return TrueSegment(line.view, start_s, end_s, line.speaker, line.text, line.view in SLIDES, line.topic)


def _words(scene: _Scene, fps: int) -> Iterator[TrueWord]:
    first_s = scene.first_frame / fps + scene.line.pause_s
    for text, start_s, end_s in scene.spoken.words:
        yield TrueWord(text, round(first_s + start_s, 3), round(first_s + end_s, 3), scene.line.speaker)


def main(arguments: Sequence[str]) -> int:
    """Makes the talk in the folder named by the only argument, unless it is there."""
    if len(arguments) != 1:
        print("usage: python -m clip_platform.evaluation.sample_talk FOLDER", file=sys.stderr)
        return 2
    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task("sample talk", total=1.0)
        talk = current_sample_talk(Path(arguments[0]), lambda share: bars.update(task, completed=share))
    print(f"{talk.video}\n{talk.truth}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
