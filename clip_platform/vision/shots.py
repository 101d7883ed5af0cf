"""Where one shot ends and the next begins, from small pictures fed one by one. Decodes nothing, knows no faces.

PySceneDetect's `AdaptiveDetector` proposes hard cuts; this module decides which of them are cuts (not a flash, a
strobe, a camera move shown at a low frame rate, or a caption that pops up) and adds the boundaries that lie in black.
Changes of slides and dissolves are told by `transitions`, from what was on display when.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING

from clip_platform.timeline import Span
from clip_platform.vision import transitions
from clip_platform.vision.looks import Look, Looks, is_drawn, is_shifted, look_at, tile_changes
from clip_platform.vision.tracks import Begin, Shot, ShotKind, Shots

if TYPE_CHECKING:
    import numpy as np

SHORTEST_SHOT_S = Fraction(1, 2)
VERDICT_AFTER_S = Fraction(7, 20)
"""How long a proposal waits, so that a flash is seen to end."""
MOTION_S = Fraction(3, 4)
LEAST_CONTENT_CHANGE = 3.0
"""PySceneDetect's content value: two slides of one template differ by about 8, a key frame's quality jump by 1 to 2."""
DETECTOR_WIDTH = 2
"""Pictures on either side to which the detector compares a change."""
NOTABLE_CHANGE, NOTABLE_RATIO = 0.8, 1.6
"""Levels, and over the mean of the two changes before: below, what the detector says cannot become a cut."""
LEAST_CHANGED_SHARE = 0.25
"""Of the picture's area: a lower third covers about 0.15 of it, a new slide 0.35 and more."""
CHANGED_TILE_LEVELS = 4.0
FLASH_LEVELS = 20.0
STILL_CHANGE = 0.3
STILL_SHARE = 0.9
DRAWN_SHARE = 0.6
SMALL_FACE_SHARE = 0.25
"""Of the picture's height: a presenter's picture beside a slide shows a smaller face, a camera mostly a larger one."""
QUICKEST_LOOK_S = Fraction(1, 16)
"""Between questions whether a graphic changed; when it did is then told to the picture."""
SELDOM_S = Fraction(1, 5)
"""Between questions whether scenes dissolve, and whether a picture is drawn."""
LATEST_VERDICT_S = transitions.DISSOLVE_SPANS_S[-1] + SELDOM_S
KEEP_S = LATEST_VERDICT_S + VERDICT_AFTER_S


@dataclass(frozen=True, slots=True)
class Boundary:
    """A new shot begins at `time_s`, the presentation time of its first frame."""

    time_s: Fraction
    begins: Begin


@dataclass(slots=True)
class _Proposal:
    """A change seen at `time_s`, judged once the picture at `judge_at_s` has been seen."""

    time_s: Fraction
    judge_at_s: Fraction
    before: Look
    first: Look
    black_s: Fraction | None = None
    """How long the picture was black before it came back; None for a cut from picture to picture."""
    slide: bool = False
    """Whether a graphic was seen to change, before and after which it stood still."""


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """What a picture was like whose shot is not known yet; `calm` and `drawn` are None where it was not asked."""

    time_s: Fraction
    still: bool
    calm: bool | None
    drawn: bool | None


@dataclass(slots=True)
class _Seen:
    """What the pictures of a shot were like: `calm` and `drawn` count pictures out of `asked`."""

    pictures: int = 0
    still: int = 0
    asked: int = 0
    calm: int = 0
    drawn: int = 0

    @property
    def is_still(self) -> bool:
        return self.pictures > 0 and self.still >= STILL_SHARE * self.pictures

    @property
    def is_graphic(self) -> bool:
        return self.asked > 0 and min(self.drawn, self.calm) >= DRAWN_SHARE * self.asked


class ShotFinder:
    """Fed every picture of a video in time order, finds its boundaries a moment later.

    Its memory is the pictures of the last `KEEP_S` and one row a shot.
    """

    def __init__(self) -> None:
        from scenedetect import AdaptiveDetector

        # Edges tell apart two cameras with the same colours; hue and saturation are noise in what is nearly grey.
        weights = AdaptiveDetector.Components(delta_hue=0.5, delta_sat=0.5, delta_lum=1.0, delta_edges=0.5)
        self._detector = AdaptiveDetector(
            adaptive_threshold=3.0,
            min_scene_len=0,
            window_width=DETECTOR_WIDTH,
            min_content_val=LEAST_CONTENT_CHANGE,
            weights=weights,
        )
        self._looks = Looks(KEEP_S)
        self._pending: deque[_Proposal] = deque()
        self._unsettled: deque[_Unsettled] = deque()
        self._boundaries: list[Boundary] = []
        self._seen: list[_Seen] = [_Seen()]
        self._black_from: Look | None = None
        self._last_light: Look | None = None
        self._darkest: Look | None = None
        self._absorbed_until_s = Fraction(-1)
        self._first_s: Fraction | None = None
        self._asked_for_slides_s = self._asked_for_dissolves_s = self._described_s = Fraction(-1)
        self._settled_s = Fraction(0)
        self._index = 0
        self._shown = self._show_until = self._after_gap = -1

    @property
    def boundaries(self) -> Sequence[Boundary]:
        """Boundaries so far; final for all times before `settled_s`."""
        return self._boundaries

    @property
    def settled_s(self) -> Fraction:
        """No boundary before this time is still to come."""
        return self._settled_s

    def _settled(self) -> Fraction:
        last, late = self._looks.last, self._looks.from_end(3)
        if last is None or late is None:
            return Fraction(0)
        # The detector answers two pictures late.
        settled = min(late.time_s, last.time_s - LATEST_VERDICT_S)
        if self._pending:
            settled = min(settled, self._pending[0].time_s)
        if self._black_from is not None and self._darkest is not None:
            settled = min(settled, self._darkest.time_s)
        return max(settled, Fraction(0))

    def feed(self, time_s: Fraction, picture: np.ndarray) -> None:
        """Looks at the next picture.

        Args:
            time_s: its presentation time, above that of the one before.
            picture: uint8 BGR, shape (height, width, 3), about 128 pixels wide; the same shape each time.
        """
        self._wait_until(time_s)
        look = look_at(self._index, time_s, picture, self._looks.last)
        if self._first_s is None:
            self._first_s = time_s
        self._index += 1
        self._looks.append(look)
        self._ask_detector(look)
        self._follow_black(look)
        self._find_slides(time_s)
        self._judge(look)
        self._find_dissolves(time_s)
        self._unsettled.append(self._described(look))
        self._settled_s = self._settled()
        self._settle(self._settled_s)

    def finish(self) -> None:
        """Tells that there are no more pictures: what is pending is judged on what was seen."""
        last = self._looks.last
        if last is not None:
            self._wait_until(last.time_s + transitions.SLIDE_SPAN_S)
            for proposal in list(self._pending):
                self._decide(proposal, last)
            self._pending.clear()
            self._black_from = None
            self._settle(last.time_s + 1)

    def shots(self, duration_s: Fraction, face_heights: Mapping[int, float] = MappingProxyType({})) -> Shots:
        """All shots over `[0, duration_s)`, once `finish` was called.

        Args:
            face_heights: by index of the shot, the height of its largest face as a share of the picture's; shots
                without a face are left out.
        """
        inside = [boundary for boundary in self._boundaries if 0 < boundary.time_s < duration_s]
        starts = [Fraction(0), *(boundary.time_s for boundary in inside)]
        ends = [*starts[1:], duration_s]
        begins: list[Begin] = ["start", *(boundary.begins for boundary in inside)]
        kinds = [self._kind(index, face_heights.get(index)) for index in range(len(starts))]
        for index in range(1, len(starts)):
            if begins[index] == "slide" and "camera" in kinds[index - 1 : index + 1]:
                begins[index] = "cut"
        spans = map(Span, starts, ends)
        return Shots(tuple(Shot(span, kind, begin) for span, kind, begin in zip(spans, kinds, begins, strict=True)))

    def _kind(self, index: int, face_height: float | None) -> ShotKind:
        seen = self._seen[index] if index < len(self._seen) else _Seen()
        if face_height is None and seen.is_still:
            return "slide"
        has_no_large_face = face_height is None or face_height < SMALL_FACE_SHARE
        return "screen" if has_no_large_face and seen.is_graphic else "camera"

    def _wait_until(self, time_s: Fraction) -> None:
        """Time passes without a picture: a graphic that stands still may come as one picture a change."""
        last = self._looks.last
        if last is None or time_s - last.time_s <= transitions.CALM_S:
            return
        self._find_slides(min(last.time_s + transitions.CALM_S, time_s))

    def _find_slides(self, now_s: Fraction) -> None:
        if now_s - self._asked_for_slides_s < QUICKEST_LOOK_S:
            return
        self._asked_for_slides_s = now_s
        begun_s = transitions.slide_change(self._looks, now_s)
        if begun_s is None or any(proposal.slide and proposal.time_s == begun_s for proposal in self._pending):
            return
        first = self._looks.on_display(begun_s)
        before = self._looks.numbered(first.index - 1) if first is not None else None
        if first is not None and before is not None:
            judge_at_s = begun_s + VERDICT_AFTER_S
            self._pending.append(_Proposal(begun_s, judge_at_s, before, first, slide=True))
            # A cut at the same time goes first.
            self._pending = deque(sorted(self._pending, key=lambda p: (p.time_s, p.slide)))

    def _find_dissolves(self, now_s: Fraction) -> None:
        if now_s - self._asked_for_dissolves_s < SELDOM_S:
            return
        self._asked_for_dissolves_s = now_s
        since_s = now_s - transitions.DISSOLVE_SPANS_S[-1]
        is_busy = self._pending or self._black_from is not None or since_s <= self._absorbed_until_s
        if is_busy or (self._boundaries and self._boundaries[-1].time_s > since_s):
            return
        found = (transitions.dissolve(self._looks, now_s, span_s) for span_s in transitions.DISSOLVE_SPANS_S)
        begun_s = next((begun_s for begun_s in found if begun_s is not None), None)
        if begun_s is not None:
            self._add(begun_s, "dissolve")

    def _described(self, look: Look) -> _Unsettled:
        """Some pictures are asked what they show, of all it is known whether they changed."""
        before = self._looks.on_display(look.time_s - transitions.CALM_S)
        if before is None or look.time_s - self._described_s < SELDOM_S:
            return _Unsettled(look.time_s, look.change < STILL_CHANGE, None, None)
        self._described_s = look.time_s
        calm = float((tile_changes(before, look) < transitions.CALM_LEVELS).mean())
        is_calm = calm >= transitions.LEAST_CALM_SHARE
        return _Unsettled(look.time_s, look.change < STILL_CHANGE, is_calm, is_drawn(look))

    def _ask_detector(self, look: Look) -> None:
        """The detector compares a picture's change to the changes of two pictures on either side, and takes a hundred
        times as long as to see that there is hardly a change: it is shown the surroundings of notable changes only."""
        from scenedetect import FrameTimecode

        if self._is_notable(look):
            self._show_until = look.index + DETECTOR_WIDTH
            first = self._looks.from_end(2 * DETECTOR_WIDTH)
            if first is not None and first.index > self._shown + 1:
                # To the detector it follows on what it was shown last, which was long ago.
                self._shown, self._after_gap = first.index - 1, first.index
        if look.index > self._show_until:
            return
        for index in range(self._shown + 1, look.index + 1):
            shown = self._looks.numbered(index)
            if shown is None:
                continue
            # It is told frame numbers only; exact times stay here, because its clock would need one rate.
            for cut in self._detector.process_frame(FrameTimecode(index, 30.0), shown.colour):
                if cut.frame_num != self._after_gap:
                    self._propose_cut(cut.frame_num)
        self._shown = look.index

    def _is_notable(self, look: Look) -> bool:
        before, earlier = self._looks.from_end(1), self._looks.from_end(2)
        if before is None or earlier is None:
            return False
        usual = (before.colour_change + earlier.colour_change) / 2
        return look.colour_change >= max(NOTABLE_CHANGE, NOTABLE_RATIO * usual)

    def _propose_cut(self, index: int) -> None:
        before, first = self._looks.numbered(index - 1), self._looks.numbered(index)
        if before is None or first is None or first.black or first.time_s <= self._absorbed_until_s:
            return
        self._pending.append(_Proposal(first.time_s, first.time_s + VERDICT_AFTER_S, before, first))

    def _follow_black(self, look: Look) -> None:
        if look.black:
            self._enter_black(look)
        elif self._black_from is not None:
            self._leave_black(look)
        if not look.black:
            self._last_light = look

    def _enter_black(self, look: Look) -> None:
        if self._black_from is None:
            self._black_from, self._darkest = look, look
        darkest = self._darkest
        # The last of the darkest pictures, so that a held black belongs to the shot that faded out.
        if darkest is None or look.mean <= darkest.mean + 0.5 or darkest.time_s < look.time_s - 1:
            self._darkest = look

    def _leave_black(self, look: Look) -> None:
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

    def _judge(self, now: Look) -> None:
        while self._pending and now.time_s >= self._pending[0].judge_at_s:
            self._decide(self._pending.popleft(), now)

    def _decide(self, proposal: _Proposal, now: Look) -> None:
        begun_s = self._boundaries[-1].time_s if self._boundaries else self._first_s
        if begun_s is None or proposal.time_s - begun_s < SHORTEST_SHOT_S:
            return
        if proposal.black_s is not None:
            if not now.black and not self._blinked(proposal, now):
                self._add(proposal.time_s, "cut" if proposal.first.mean >= 0.7 * now.mean else "fade")
        elif proposal.slide:
            self._add(proposal.time_s, "slide")
        elif self._is_cut(proposal, now):
            graphics = transitions.is_between_graphics(self._looks, proposal.before, proposal.first, now.time_s)
            self._add(proposal.time_s, "slide" if graphics else "cut")

    def _add(self, time_s: Fraction, begins: Begin) -> None:
        self._boundaries.append(Boundary(time_s, begins))

    def _blinked(self, proposal: _Proposal, now: Look) -> bool:
        """The same picture before and after a short black: a dropout, or a strobe."""
        return (
            proposal.black_s is not None
            and proposal.black_s < VERDICT_AFTER_S
            and _resemble(proposal.before, now, moving=True)
        )

    def _is_cut(self, proposal: _Proposal, now: Look) -> bool:
        before, first = proposal.before, proposal.first
        later = self._looks.between(first.time_s, now.time_s)
        if any(look.black for look in later):
            return False  # whatever this was, the boundary is where the picture comes back
        if _changed_share(before.colour, first.colour) < LEAST_CHANGED_SHARE:
            return False
        shifted = is_shifted(before.grey, first.grey)
        # What only moved may have jumped; what only became brighter has not.
        moving = not shifted or abs(first.mean - before.mean) > FLASH_LEVELS
        flash_begins = any(_resemble(before, look, moving=moving) for look in later)
        flash_ends = any(_resemble(look, now, moving=moving) for look in self._before(before))
        return not flash_begins and not flash_ends and not (shifted and self._was_moving(first))

    def _before(self, look: Look) -> list[Look]:
        return [other for other in self._looks if look.time_s - VERDICT_AFTER_S <= other.time_s < look.time_s]

    def _was_moving(self, first: Look) -> bool:
        """Whether there were changes almost as large just before: motion at a low frame rate changes in steps."""
        since_s = first.time_s - MOTION_S
        earlier = [look.change for look in self._looks if since_s <= look.time_s < first.time_s]
        return bool(earlier) and max(earlier) >= 0.35 * first.change

    def _settle(self, settled_s: Fraction) -> None:
        """Counts pictures into the shots they belong to, as soon as that is known."""
        while self._unsettled and self._unsettled[0].time_s < settled_s:
            look = self._unsettled.popleft()
            shot = bisect_right(self._boundaries, look.time_s, key=lambda boundary: boundary.time_s)
            while len(self._seen) <= shot:
                self._seen.append(_Seen())
            begun_s = self._boundaries[shot - 1].time_s if shot else Fraction(-1)
            seen = self._seen[shot]
            seen.pictures += 1
            seen.still += look.still or look.time_s == begun_s
            # What was on display before the cut says nothing about this shot's calm.
            if look.calm is not None and look.drawn is not None and look.time_s - begun_s >= transitions.CALM_S:
                seen.asked += 1
                seen.calm += look.calm
                seen.drawn += look.drawn


def _changed_share(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the tiles of an 8 by 8 grid whose mean difference, in any colour, is noticeable, 0..1."""
    import cv2

    tiles = cv2.resize(cv2.absdiff(before, after).max(axis=2).astype("float32"), (8, 8), interpolation=cv2.INTER_AREA)
    return float((tiles > CHANGED_TILE_LEVELS).mean())


def _resemble(before: Look, after: Look, *, moving: bool) -> bool:
    """Whether both show nearly the same picture, or with `moving` the same things elsewhere."""
    same = _changed_share(before.colour, after.colour) < LEAST_CHANGED_SHARE
    return same or (moving and is_shifted(before.grey, after.grey))
