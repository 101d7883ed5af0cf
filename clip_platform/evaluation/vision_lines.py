"""How well changes of picture and faces are found, on drawn videos and on real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clip_platform.evaluation import recordings, vision_measures
from clip_platform.evaluation.lines import Line, Measured, NotMeasured
from clip_platform.vision.backends.opencv import HaarDetector

_STAGE = "vision"
_DRAWN, _REAL = "drawn videos", "real videos"
_SHOTS_ANCHOR = "PySceneDetect's own F1 at zero tolerance: BBC 91.6 %, ClipShots 55.8 %; TransNetV2 on BBC 96.2 %"


def changes_measured() -> Measured:
    """Hard cuts, changes of slides and dissolves."""
    scores = vision_measures.drawn_change_scores()
    lines = [
        Line(_STAGE, _DRAWN, "hard cuts, F1", scores.cuts.f1, "at least", 0.98, "", scores.cuts.detail, _SHOTS_ANCHOR),
        Line(_STAGE, _DRAWN, "changes of slides, F1", scores.slides.f1, "at least", 0.95, "", scores.slides.detail),
        Line(_STAGE, _DRAWN, "dissolves, F1", scores.dissolves.f1, "reported", None, "", scores.dissolves.detail),
    ]
    media = recordings.folder()
    if media is None:
        return Measured(lines, [NotMeasured(_STAGE, "real scenes", recordings.why_absent())])
    real = vision_measures.real_cut_scores(media)
    return Measured([*lines, Line(_STAGE, _REAL, "hard cuts, F1", real.f1, "at least", 0.98, "", real.detail)])


def faces_measured() -> Measured:
    """Faces found by the default detector, and boxes where no face is."""
    media = recordings.folder()
    lines = list(_drawn_face_lines())
    if media is None:
        return Measured(lines, [NotMeasured(_STAGE, "real faces", recordings.why_absent())])
    return Measured([*lines, *_real_face_lines(media)])


def _drawn_face_lines() -> Iterator[Line]:
    faces = vision_measures.drawn_face_scores(HaarDetector())
    yield Line(_STAGE, _DRAWN, "faces of 80 px or more found", faces.recall, "at least", 0.95, "", faces.detail)
    none = vision_measures.drawn_negative_scores(HaarDetector())
    measure = "boxes per frame without a face"
    yield Line(_STAGE, _DRAWN, measure, none.boxes_per_frame, "at most", 0.01, "", none.detail)


def _real_face_lines(media: Path) -> Iterator[Line]:
    none = vision_measures.real_negative_scores(media, HaarDetector())
    measure = "boxes per frame without a face"
    yield Line(_STAGE, _REAL, measure, none.boxes_per_frame, "at most", 0.01, "", none.detail)
    faces = vision_measures.real_face_scores(media, HaarDetector())
    detail = f"by number, nobody drew their boxes; {faces.detail}"
    yield Line(_STAGE, "real talkers and portraits", "faces found", faces.recall, "reported", None, "", detail)
