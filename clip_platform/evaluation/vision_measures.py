"""How well shots and faces are found where the truth is known: on drawn videos and on real ones. Plain numbers.

Every video goes through the product's own decoding and analysis; drawn ones are encoded with H.264 first.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal, cast

import numpy as np

from clip_platform.evaluation import vision_faces
from clip_platform.evaluation.measures import CutScores, FaceScores, score_cuts, score_faces
from clip_platform.evaluation.vision_faces import DrawnTalk, drawn_talks, faceless
from clip_platform.evaluation.vision_scenes import FPS, HEIGHT_PX, WIDTH_PX, DrawnVideo, drawn_videos
from clip_platform.media.frames import read_frames
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from clip_platform.upload.acceptance import Limits
from clip_platform.vision.analysis import feeds_of, watch
from clip_platform.vision.shots import ShotFinder
from clip_platform.vision.tracks import FaceDetector, FaceTracks, Shots

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


@dataclass
class FaceTally:
    """Faces of at least 80 px found in videos with known faces, and boxes where no face is; `detail` by video."""

    faces: int = 0
    found: int = 0
    boxes: int = 0
    false: int = 0
    by_video: list[str] = field(default_factory=list)

    def add(self, video: str, scores: FaceScores) -> None:
        self.faces += scores.faces
        self.found += scores.found
        self.boxes += scores.boxes
        self.false += scores.false
        share = f"{100 * scores.recall:.1f} % of {scores.faces}"
        self.by_video.append(f"{video}: {share}, {scores.false} of {scores.boxes} boxes false")

    @property
    def recall(self) -> float:
        return self.found / self.faces if self.faces else 1.0

    @property
    def detail(self) -> str:
        return "; ".join(self.by_video)


@dataclass
class NegativeTally:
    """Boxes in frames that show no face."""

    frames: int = 0
    boxes: int = 0
    videos: int = 0
    by_video: list[str] = field(default_factory=list)

    def add(self, video: str, frames: int, boxes: int) -> None:
        self.videos += 1
        self.frames += frames
        self.boxes += boxes
        if boxes:
            self.by_video.append(f"{video}: {boxes} in {frames} frames")

    @property
    def boxes_per_frame(self) -> float:
        return self.boxes / self.frames if self.frames else 0.0

    @property
    def detail(self) -> str:
        return "; ".join([f"{self.boxes} boxes in {self.frames} frames of {self.videos} videos", *self.by_video])


def drawn_face_scores(detector: FaceDetector, talks: Iterable[DrawnTalk] | None = None) -> FaceTally:
    """Faces of the drawn talks, found in their encoded files in every frame."""
    tally = FaceTally()
    with TemporaryDirectory(prefix="clip-platform-faces-") as kept:
        for talk in drawn_talks() if talks is None else talks:
            path = Path(kept) / "talk.mp4"
            write_video(path, talk.pictures(), talk.size, vision_faces.FPS)
            tally.add(talk.name, score_faces(talk.truth(), find_faces(path, detector)))
    return tally


def drawn_negative_scores(detector: FaceDetector) -> NegativeTally:
    """Boxes on the drawn videos without faces; frames are the samples that the product looks at."""
    tally = NegativeTally()
    with TemporaryDirectory(prefix="clip-platform-faceless-") as kept:
        for video in faceless():
            frames = iter(video.frames())
            first = next(frames)
            path = Path(kept) / "faceless.mp4"
            write_video(path, chain([first], frames), (first.shape[1], first.shape[0]), vision_faces.FPS)
            _tally_negative(tally, video.name, find_faces(path, detector))
    return tally


NEGATIVE_VIDEOS = (
    "scenes/intel_bottle_no_face.mp4",
    "scenes/big_buck_bunny_0_30.webm",
    "talking/auto-editor_example.mp4",
)
NEGATIVE_PICTURES = ("faces/sk_chelsea.png", "faces/sk_page.png")
PORTRAITS = {
    "faces/fr_biden.jpg": 1,
    "faces/fr_obama-480p.jpg": 1,
    "faces/fr_obama_partial_face2.jpg": 1,
    "faces/fr_two_people.jpg": 2,
    "faces/sk_astronaut.png": 1,
}
"""Photographs, and how many faces each shows."""
TALKERS = "talking/grid_*.mpg"
"""One person each, head and shoulders, from the first frame to the last."""


def real_negative_scores(media: Path, detector: FaceDetector) -> NegativeTally:
    """Boxes on real videos and photographs that show no human face; a photograph counts as two seconds of video."""
    tally = NegativeTally()
    with TemporaryDirectory(prefix="clip-platform-faceless-") as kept:
        for name in NEGATIVE_VIDEOS:
            if (media / name).is_file():
                path = with_sound(media / name, Path(kept) / f"{Path(name).stem}.mkv")
                _tally_negative(tally, Path(name).stem, find_faces(path, detector))
        for name in NEGATIVE_PICTURES:
            if (media / name).is_file():
                path = _held(media / name, Path(kept) / f"{Path(name).stem}.mp4")
                _tally_negative(tally, Path(name).stem, find_faces(path, detector))
    return tally


def _tally_negative(tally: NegativeTally, name: str, faces: FaceTracks) -> None:
    tally.add(name, faces.sample_count, sum(len(track.boxes) for track in faces.tracks))


def real_face_scores(media: Path, detector: FaceDetector) -> FaceTally:
    """Faces of real talkers and portraits, by number only, as nobody drew their boxes: in each sample as many as are
    known to be there are found, what is more is false."""
    tally = FaceTally()
    with TemporaryDirectory(prefix="clip-platform-faces-") as kept:
        for name, count in PORTRAITS.items():
            if (media / name).is_file():
                faces = find_faces(_held(media / name, Path(kept) / f"{Path(name).stem}.mp4"), detector)
                tally.add(Path(name).stem, _counted(faces, count))
        for video in sorted(media.glob(TALKERS)):
            tally.add(video.stem, _counted(find_faces(video, detector), 1))
    return tally


def _counted(faces: FaceTracks, expected: int) -> FaceScores:
    seen = np.zeros(faces.sample_count, int)
    for track in faces.tracks:
        seen[track.first_sample : track.first_sample + len(track.boxes)] += 1
    found, boxes = int(np.minimum(seen, expected).sum()), int(seen.sum())
    return FaceScores(expected * faces.sample_count, found, boxes, boxes - found)


def _held(picture: Path, path: Path) -> Path:
    """A photograph as two seconds of video, its sides made even."""
    held = ("-loop", "1", "-t", "2", "-i", str(picture), *_SILENCE, "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2")
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *held, *_WRITTEN_AS, str(path)], check=True)
    return path


def with_sound(video: Path, path: Path) -> Path:
    """The same pictures with the silent sound that the product asks for."""
    mapped = ("-map", "0:v:0", "-map", "1:a", "-c:v", "copy")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(video), *_SILENCE, *mapped, str(path)]
    subprocess.run(command, check=True)
    return path


def find_faces(path: Path, detector: FaceDetector) -> FaceTracks:
    """Faces of a video file."""
    return watch(path, probe(path, Limits(min_duration_s=0.01)), detector, silent)[1]


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
