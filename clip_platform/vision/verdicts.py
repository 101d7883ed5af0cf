"""What must hold of vision results. Each function returns problems in words; none means all is well."""

from __future__ import annotations

import math
from itertools import pairwise

from clip_platform.vision.tracks import Box, FaceTracks, Shots


def shot_problems(shots: Shots) -> list[str]:
    if not shots.shots:
        return ["there is no shot"]
    problems = [] if shots.shots[0].span.start == 0 else ["the first shot does not start at zero"]
    problems += [
        f"a shot ends at {float(before.span.end):.3f} s and the next starts at {float(after.span.start):.3f} s"
        for before, after in pairwise(shots.shots)
        if before.span.end != after.span.start
    ]
    return problems


def face_problems(faces: FaceTracks) -> list[str]:
    return [
        f"track {track.track_id} has a box outside the {faces.width_px}x{faces.height_px} picture: {box}"
        for track in faces.tracks
        for box in track.boxes
        if not _touches(box, faces)
    ]


def _touches(box: Box, faces: FaceTracks) -> bool:
    finite = all(map(math.isfinite, (box.x, box.y, box.width, box.height)))
    return (
        finite
        and box.x < faces.width_px
        and box.y < faces.height_px
        and box.x + box.width > 0
        and box.y + box.height > 0
    )
