"""Where one shot ends and the next begins, from small pictures fed one by one. Decodes nothing, knows no faces.

PySceneDetect's `AdaptiveDetector` proposes hard cuts; this module decides which of them are cuts (not a flash, a
strobe, a camera move shown at a low frame rate, or a caption that pops up) and adds the boundaries that lie in black.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from clip_platform.timeline import Span
from clip_platform.vision.tracks import Shot, Shots

if TYPE_CHECKING:
    import numpy as np

SHORTEST_SHOT_S = Fraction(1, 2)
VERDICT_AFTER_S = Fraction(7, 20)
"""How long a proposal waits, so that a flash is seen to end."""
LOOK_BACK_S = Fraction(3, 2)
LEAST_CONTENT_CHANGE = 3.0
"""PySceneDetect's content value: two slides of one template differ by about 8, a key frame's quality jump by 1 to 2."""
LEAST_CHANGED_SHARE = 0.25
"""Of the picture's area: a lower third covers about 0.15 of it, a new slide 0.35 and more."""
CHANGED_TILE_LEVELS = 4.0
BLACK_MEAN, BLACK_DEVIATION = 10.0, 12.0
"""Grey levels 0..255; a night scene is as dark on average but not as flat."""
STILL_CHANGE = 0.3
STILL_SHARE = 0.9

Begin = Literal["cut", "fade"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """A new shot begins at `time_s`, the presentation time of its first frame."""

    time_s: Fraction
    begins: Begin


@dataclass(slots=True, eq=False)
class _Look:
    """What is kept of a picture: `change` is the mean absolute difference of its grey levels to the picture before."""

    index: int
    time_s: Fraction
    colour: np.ndarray
    grey: np.ndarray
    mean: float
    black: bool
    change: float


@dataclass(slots=True)
class _Proposal:
    """A change seen at `time_s`, judged once the picture at `judge_at_s` has been seen."""

    time_s: Fraction
    judge_at_s: Fraction
    before: _Look
    first: _Look
    black_s: Fraction | None = None
    """How long the picture was black before it came back; None for a cut from picture to picture."""


@dataclass(slots=True)
class _Stillness:
    pictures: int = 0
    still: int = 0

    @property
    def is_still(self) -> bool:
        return self.still >= STILL_SHARE * self.pictures


class ShotFinder:
    """Fed every picture of a video in time order, finds its boundaries a moment later.

    Its memory is the pictures of the last `LOOK_BACK_S` and one row a shot.
    """

    def __init__(self) -> None:
        from scenedetect import AdaptiveDetector

        # Edges tell apart two cameras with the same colours; hue and saturation are noise in what is nearly grey.
        weights = AdaptiveDetector.Components(delta_hue=0.5, delta_sat=0.5, delta_lum=1.0, delta_edges=0.5)
        self._detector = AdaptiveDetector(
            adaptive_threshold=3.0, min_scene_len=0, min_content_val=LEAST_CONTENT_CHANGE, weights=weights
        )
        self._recent: deque[_Look] = deque()
        self._pending: deque[_Proposal] = deque()
        self._unsettled: deque[_Look] = deque()
        self._boundaries: list[Boundary] = []
        self._stillness: list[_Stillness] = [_Stillness()]
        self._black_from: _Look | None = None
        self._last_light: _Look | None = None
        self._darkest: _Look | None = None
        self._absorbed_until_s = Fraction(-1)
        self._first_s: Fraction | None = None
        self._index = 0

    @property
    def boundaries(self) -> Sequence[Boundary]:
        """Boundaries so far; final for all times before `settled_s`."""
        return self._boundaries

    @property
    def settled_s(self) -> Fraction:
        """No boundary before this time is still to come."""
        # The detector answers two pictures late.
        settled = self._recent[max(0, len(self._recent) - 4)].time_s if self._recent else Fraction(0)
        if self._pending:
            settled = min(settled, self._pending[0].time_s)
        if self._black_from is not None and self._darkest is not None:
            settled = min(settled, self._darkest.time_s)
        return settled

    def feed(self, time_s: Fraction, picture: np.ndarray) -> None:
        """Looks at the next picture.

        Args:
            time_s: its presentation time, above that of the one before.
            picture: uint8 BGR, shape (height, width, 3), about 128 pixels wide; the same shape each time.
        """
        from scenedetect import FrameTimecode

        look = self._look_at(time_s, picture)
        if self._first_s is None:
            self._first_s = time_s
        # The detector is told frame numbers only; exact times stay here, because its clock would need one rate.
        cuts = self._detector.process_frame(FrameTimecode(self._index, 30.0), picture)
        self._index += 1
        self._recent.append(look)
        self._unsettled.append(look)
        for cut in cuts:
            self._propose_cut(cut.frame_num)
        self._follow_black(look)
        self._judge(look)
        self._settle(self.settled_s)
        while self._recent[0].time_s < time_s - LOOK_BACK_S:
            self._recent.popleft()

    def finish(self) -> None:
        """Tells that there are no more pictures: what is pending is judged on what was seen."""
        if self._recent:
            for proposal in list(self._pending):
                self._decide(proposal, self._recent[-1])
            self._pending.clear()
            self._black_from = None
            self._settle(self._recent[-1].time_s + 1)

    def shots(self, duration_s: Fraction, shots_with_faces: frozenset[int] = frozenset()) -> Shots:
        """All shots over `[0, duration_s)`, once `finish` was called.

        Args:
            shots_with_faces: indices of shots that show a face and so are no slides.
        """
        inside = [boundary for boundary in self._boundaries if 0 < boundary.time_s < duration_s]
        starts = [Fraction(0), *(boundary.time_s for boundary in inside)]
        ends = [*starts[1:], duration_s]
        begins: list[Literal["start", "cut", "fade"]] = ["start", *(boundary.begins for boundary in inside)]
        return Shots(
            tuple(
                Shot(Span(start, end), self._kind(index, index in shots_with_faces), begin)
                for index, (start, end, begin) in enumerate(zip(starts, ends, begins, strict=True))
            )
        )

    def _kind(self, index: int, has_face: bool) -> Literal["camera", "slide"]:
        seen = self._stillness[index] if index < len(self._stillness) else _Stillness()
        return "slide" if not has_face and seen.pictures > 1 and seen.is_still else "camera"

    def _look_at(self, time_s: Fraction, picture: np.ndarray) -> _Look:
        import cv2

        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
        change = 0.0
        if self._recent:
            change = cv2.norm(grey, self._recent[-1].grey, cv2.NORM_L1) / grey.size
        black = mean < BLACK_MEAN and deviation < BLACK_DEVIATION
        return _Look(self._index, time_s, picture, grey, mean, black, change)

    def _look(self, index: int) -> _Look | None:
        offset = index - self._recent[0].index
        return self._recent[offset] if 0 <= offset < len(self._recent) else None

    def _propose_cut(self, index: int) -> None:
        before, first = self._look(index - 1), self._look(index)
        if before is None or first is None or first.black or first.time_s <= self._absorbed_until_s:
            return
        self._pending.append(_Proposal(first.time_s, first.time_s + VERDICT_AFTER_S, before, first))

    def _follow_black(self, look: _Look) -> None:
        if look.black:
            self._enter_black(look)
        elif self._black_from is not None:
            self._leave_black(look)
        if not look.black:
            self._last_light = look

    def _enter_black(self, look: _Look) -> None:
        if self._black_from is None:
            self._black_from, self._darkest = look, look
        darkest = self._darkest
        # The last of the darkest pictures, so that a held black belongs to the shot that faded out.
        if darkest is None or look.mean <= darkest.mean + 0.5 or darkest.time_s < look.time_s - 1:
            self._darkest = look

    def _leave_black(self, look: _Look) -> None:
        black_from, darkest, before = self._black_from, self._darkest, self._last_light
        self._black_from = None
        self._absorbed_until_s = look.time_s + SHORTEST_SHOT_S
        self._pending = deque(p for p in self._pending if p.time_s < look.time_s)
        if before is None or darkest is None or black_from is None:
            return  # a video that begins black has no boundary there
        self._pending.append(
            _Proposal(
                darkest.time_s,
                look.time_s + VERDICT_AFTER_S,
                before,
                look,
                black_s=look.time_s - black_from.time_s,
            )
        )

    def _judge(self, now: _Look) -> None:
        while self._pending and now.time_s >= self._pending[0].judge_at_s:
            self._decide(self._pending.popleft(), now)

    def _decide(self, proposal: _Proposal, now: _Look) -> None:
        begun_s = self._boundaries[-1].time_s if self._boundaries else self._first_s
        if begun_s is None or proposal.time_s - begun_s < SHORTEST_SHOT_S:
            return
        if proposal.black_s is not None:
            if not now.black and not self._blinked(proposal, now):
                self._add(proposal.time_s, "cut" if proposal.first.mean >= 0.7 * now.mean else "fade")
        elif self._is_cut(proposal, now):
            self._add(proposal.time_s, "cut")

    def _add(self, time_s: Fraction, begins: Begin) -> None:
        self._boundaries.append(Boundary(time_s, begins))

    def _blinked(self, proposal: _Proposal, now: _Look) -> bool:
        """The same picture before and after a short black: a dropout, or a strobe."""
        return (
            proposal.black_s is not None
            and proposal.black_s < VERDICT_AFTER_S
            and _resemble(proposal.before, now, moving=True)
        )

    def _is_cut(self, proposal: _Proposal, now: _Look) -> bool:
        before, first = proposal.before, proposal.first
        later = [look for look in self._recent if first.time_s < look.time_s <= now.time_s]
        if any(look.black for look in later):
            return False  # whatever this was, the boundary is where the picture comes back
        if _changed_share(before.colour, first.colour) < LEAST_CHANGED_SHARE:
            return False
        shifted = _is_shifted(before.grey, first.grey)
        flash_begins = any(_resemble(before, look, moving=not shifted) for look in later)
        flash_ends = any(_resemble(look, now, moving=not shifted) for look in self._before(before))
        return not flash_begins and not flash_ends and not (shifted and self._was_moving(first))

    def _before(self, look: _Look) -> list[_Look]:
        return [other for other in self._recent if look.time_s - VERDICT_AFTER_S <= other.time_s < look.time_s]

    def _was_moving(self, first: _Look) -> bool:
        """Whether there were changes almost as large just before: motion at a low frame rate changes in steps."""
        since_s = first.time_s - LOOK_BACK_S / 2
        earlier = [look.change for look in self._recent if since_s <= look.time_s < first.time_s]
        return bool(earlier) and max(earlier) >= 0.35 * first.change

    def _settle(self, settled_s: Fraction) -> None:
        """Counts still pictures into the shots they belong to, as soon as that is known."""
        while self._unsettled and self._unsettled[0].time_s < settled_s:
            look = self._unsettled.popleft()
            shot = bisect_right(self._boundaries, look.time_s, key=lambda boundary: boundary.time_s)
            while len(self._stillness) <= shot:
                self._stillness.append(_Stillness())
            begins = shot > 0 and self._boundaries[shot - 1].time_s == look.time_s
            self._stillness[shot].pictures += 1
            self._stillness[shot].still += begins or look.change < STILL_CHANGE


def _changed_share(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the tiles of an 8 by 8 grid whose mean difference, in any colour, is noticeable, 0..1."""
    import cv2

    tiles = cv2.resize(cv2.absdiff(before, after).max(axis=2).astype("float32"), (8, 8), interpolation=cv2.INTER_AREA)
    return float((tiles > CHANGED_TILE_LEVELS).mean())


def _resemble(before: _Look, after: _Look, *, moving: bool) -> bool:
    """Whether both show nearly the same picture, or with `moving` the same things elsewhere."""
    same = _changed_share(before.colour, after.colour) < LEAST_CHANGED_SHARE
    return same or (moving and _is_shifted(before.grey, after.grey))


def _is_shifted(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the middle of one picture is found again in the other: then the camera moved, and nothing else."""
    import cv2

    height, width = before.shape
    top, left = height // 5, width // 5
    middle = before[top : height - top, left : width - left]
    if middle.size == 0 or float(middle.std()) < 2.0:
        return False  # nothing to find again
    return float(cv2.matchTemplate(after, middle, cv2.TM_CCOEFF_NORMED).max()) > 0.8
