"""How well shots and faces are found where the truth is known: on drawn videos and on real ones. Plain numbers.

Every video goes through the product's own decoding and analysis; drawn ones are encoded with H.264 first.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal, cast

import numpy as np

from clip_platform.evaluation.measures import CutScores, score_cuts
from clip_platform.evaluation.vision_scenes import FPS, HEIGHT_PX, WIDTH_PX, DrawnVideo, drawn_videos
from clip_platform.media.frames import read_frames
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from clip_platform.upload.acceptance import Limits
from clip_platform.vision.analysis import feeds_of
from clip_platform.vision.shots import ShotFinder
from clip_platform.vision.tracks import Shots

CUT_TOLERANCE_S = 0.1
DISSOLVE_TOLERANCE_S = 0.4
"""Where within it a dissolve is cut is a matter of taste."""
_SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-shortest")
_WRITTEN_AS = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p")


@dataclass
class Tally:
    """Found, missed and false changes of one kind over several videos; `detail` lists the errors by video."""

    found: int = 0
    missed: int = 0
    false: int = 0
    videos: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, video: str, scores: CutScores) -> None:
        self.videos += 1
        self.found += scores.found
        self.missed += len(scores.missed)
        self.false += len(scores.false)
        for word, times_s in (("missed", scores.missed), ("false", scores.false)):
            if times_s:
                self.errors.append(f"{video}: {word} {', '.join(f'{at:.2f}' for at in times_s)}")

    @property
    def f1(self) -> float:
        total = 2 * self.found + self.missed + self.false
        return 2 * self.found / total if total else 1.0

    @property
    def detail(self) -> str:
        sums = f"{self.found} of {self.found + self.missed} in {self.videos} videos, {self.false} false"
        return "; ".join([sums, *self.errors])


@dataclass(frozen=True)
class ChangeScores:
    """Of drawn videos: hard cuts and changes of a slide at ±0.1 s, each with its kind; dissolves at ±0.4 s."""

    cuts: Tally
    slides: Tally
    dissolves: Tally


def drawn_change_scores(videos: Iterable[DrawnVideo] | None = None) -> ChangeScores:
    """Cuts, slide changes and dissolves of the drawn videos, found in their encoded files."""
    tallies = {"cut": Tally(), "slide": Tally(), "dissolve": Tally()}
    with TemporaryDirectory(prefix="clip-platform-scenes-") as kept:
        for video in drawn_videos() if videos is None else videos:
            path = Path(kept) / "video.mp4"
            write_video(path, video.pictures(), (WIDTH_PX, HEIGHT_PX), FPS)
            _tally(video, find_shots(path), tallies)
    return ChangeScores(tallies["cut"], tallies["slide"], tallies["dissolve"])


def _tally(video: DrawnVideo, shots: Shots, tallies: dict[str, Tally]) -> None:
    kinds: tuple[Literal["cut", "slide", "dissolve"], ...] = ("cut", "slide", "dissolve")
    for kind in kinds:
        truth_s = video.times_s(kind)
        found_s = [float(shot.span.start) for shot in shots.shots[1:] if shot.begins == kind]
        tolerance_s = DISSOLVE_TOLERANCE_S if kind == "dissolve" else CUT_TOLERANCE_S
        if truth_s or found_s:
            tallies[kind].add(video.name, score_cuts(truth_s, found_s, tolerance_s))


def real_cut_scores(media: Path) -> Tally:
    """Hard cuts of the real scenes in `scenes.json` of a folder, at ±0.1 s; scenes without a cut must stay whole."""
    truth = json.loads((media / "scenes.json").read_text(encoding="utf-8"))
    wanted = {name: entry["hard_cut_s"] for name, entry in truth.items() if "hard_cut_s" in entry}
    wanted |= dict.fromkeys(truth.get("none", {}).get("files", ()), ())
    tally = Tally()
    for name, cuts_s in wanted.items():
        if (media / name).is_file():
            found_s = [float(cut) for cut in find_shots(media / name).cuts_s]
            tally.add(Path(name).stem, score_cuts(cuts_s, found_s, CUT_TOLERANCE_S))
    return tally


def find_shots(path: Path) -> Shots:
    """Shots of a video file, without looking for faces."""
    info, finder = probe(path, Limits(min_duration_s=0.01)), ShotFinder()
    shots_feed = feeds_of(info.video, needs_colour=False)[:1]
    with closing(read_frames(path, info, shots_feed, silent)) as frames:  # type: ignore[type-var]
        for frame in frames:
            finder.feed(frame.time_s, frame.picture)
    finder.finish()
    return finder.shots(info.duration_s)


def write_video(path: Path, pictures: Iterator[np.ndarray], size: tuple[int, int], fps: int) -> None:
    """Encodes pictures, uint8 BGR, as H.264 at a constant rate, with the silent sound that the product asks for.

    Raises:
        subprocess.CalledProcessError: ffmpeg failed; it says why on stderr.
    """
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "pipe:0")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *raw, *_SILENCE, *_WRITTEN_AS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder, cast(BinaryIO, encoder.stdin) as pipe:
        for picture in pictures:
            pipe.write(np.ascontiguousarray(picture).data)
    if encoder.returncode:
        raise subprocess.CalledProcessError(encoder.returncode, command)
