"""Watches a video once for everything that is seen in it: one decode serves shots and faces."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Literal

from clip_platform.media.frames import Feed, Frame, read_frames
from clip_platform.media.information import MediaInfo, VideoStream
from clip_platform.progress import OnProgress
from clip_platform.vision.faces import FaceFollower
from clip_platform.vision.shots import ShotFinder
from clip_platform.vision.tracks import FaceDetector, FaceTrack, FaceTracks, Shots

SAMPLE_RATE = Fraction(15)
FACES_AREA_PX = 640 * 360
"""About 640 pixels across in landscape and as many pixels upright, so that a portrait costs no more."""
SHOTS_AREA_PX = 128 * 72
_SHOTS, _FACES = "shots", "faces"


def watch(path: Path, info: MediaInfo, detector: FaceDetector, on_progress: OnProgress) -> tuple[Shots, FaceTracks]:
    """Shots and face tracks of a video.

    Raises:
        DamagedMedia, DeadlineExceeded, ProgramFailed, MissingProgram: see `read_frames`.
    """
    feeds = feeds_of(info.video, needs_colour=detector.needs_colour)
    with closing(read_frames(path, info, feeds, on_progress)) as frames:  # type: ignore[type-var]
        return analyse(frames, info, detector)


def feeds_of(video: VideoStream, *, needs_colour: bool) -> tuple[Feed, Feed]:
    """Every frame, small and in colour, for shots; `SAMPLE_RATE` frames a second, larger, for faces."""
    faces: Literal["bgr24", "gray"] = "bgr24" if needs_colour else "gray"
    return (
        Feed(_SHOTS, None, *_size(video, SHOTS_AREA_PX), "bgr24"),
        Feed(_FACES, SAMPLE_RATE, *_size(video, FACES_AREA_PX), faces),
    )


def analyse(frames: Iterable[Frame], info: MediaInfo, detector: FaceDetector) -> tuple[Shots, FaceTracks]:
    """The same from frames of `feeds_of`'s feeds, each feed in order."""
    finder, follower = ShotFinder(), _follower(info.video, detector)
    # Whether a picture begins a shot is known only a moment later; until then the faces' pictures wait.
    waiting: deque[Frame] = deque()
    for frame in frames:
        if frame.feed == _FACES:
            waiting.append(frame)
        else:
            finder.feed(frame.time_s, frame.picture)
        while waiting and waiting[0].time_s < finder.settled_s:
            _follow(waiting.popleft(), finder, follower)
    finder.finish()
    for frame in waiting:
        _follow(frame, finder, follower)
    tracks = follower.finish()
    shots = finder.shots(info.duration_s, _face_heights(tracks, info.video.height_px))
    count = math.ceil(info.duration_s * SAMPLE_RATE)
    return shots, FaceTracks(
        info.video.width_px, info.video.height_px, SAMPLE_RATE, count, detector.name, tuple(tracks)
    )


def _face_heights(tracks: Sequence[FaceTrack], height_px: int) -> dict[int, float]:
    """By shot, the height of its largest face (each track's middle one) as a share of the picture's; a picture of a
    face is part of the graphic that shows it."""
    heights: dict[int, float] = {}
    for track in tracks:
        if track.still:
            continue
        height = track.boxes[len(track.boxes) // 2].height / height_px
        heights[track.shot_index] = max(height, heights.get(track.shot_index, 0.0))
    return heights


def _follow(frame: Frame, finder: ShotFinder, follower: FaceFollower) -> None:
    shot = bisect_right(finder.boundaries, frame.time_s, key=lambda boundary: boundary.time_s)
    follower.feed(frame.index, frame.picture, shot)


def _follower(video: VideoStream, detector: FaceDetector) -> FaceFollower:
    width, height = _size(video, FACES_AREA_PX)
    return FaceFollower(
        detector,
        SAMPLE_RATE,
        scale_x=video.width_px / width,
        scale_y=video.height_px / height,
        width_px=video.width_px,
        height_px=video.height_px,
    )


def _size(video: VideoStream, area_px: int) -> tuple[int, int]:
    """Even width and height of about `area_px` in all with the display's shape, never enlarged."""
    shrink = min(1.0, math.sqrt(area_px / (video.width_px * video.height_px)))
    return max(2, round(video.width_px * shrink / 2) * 2), max(2, round(video.height_px * shrink / 2) * 2)
