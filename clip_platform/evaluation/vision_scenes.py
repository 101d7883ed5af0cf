"""Short videos drawn to find cuts in: cameras, talkers, decks of slides, shared screens, dissolves, and what resembles
a cut and is none. Pictures and their truth only; the same pictures on every call.

The changes are kinds of `tracks.Shot.begins`; a dissolve's time is its middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clip_platform.evaluation.persons import Cutout, Person, Pose
from clip_platform.evaluation.scenery import room

WIDTH_PX, HEIGHT_PX, FPS = 640, 360, 30
_NOISE_LEVELS = 3.0

Kind = Literal["cut", "slide", "dissolve"]
Painter = Callable[[int], np.ndarray]
"""A picture (uint8 BGR, 640 by 360) of a scene from the number of frames since it began."""


@dataclass(frozen=True, slots=True)
class TrueChange:
    """Something new is on display from the frame at `time_s` on."""

    time_s: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class DrawnVideo:
    """`pictures` draws its frames anew, one by one, at `FPS`."""

    name: str
    changes: tuple[TrueChange, ...]
    pictures: Callable[[], Iterator[np.ndarray]]

    def times_s(self, kind: Kind) -> list[float]:
        return [change.time_s for change in self.changes if change.kind == kind]


@dataclass(frozen=True, slots=True)
class _Scene:
    """`mixed`: through how many frames the scene before dissolves into this one, before it begins."""

    paint: Painter
    frames: int
    begins: Kind = "cut"
    mixed: int = 0


def drawn_videos() -> Iterator[DrawnVideo]:
    """All of them, about four minutes together."""
    makers: dict[str, Callable[[], list[_Scene]]] = {
        "cameras": _cameras,
        "talkers and slides": _talkers,
        "flashes, pans, captions": _distractors,
        "deck of slides": partial(_deck, 1, dark=False),
        "dark deck": partial(_deck, 2, dark=True),
        "deck beside a speaker": partial(_deck, 3, dark=False, speaker=True),
        "shared screen": _shared_screen,
        "dissolves": _dissolves,
    }
    for name, make in makers.items():
        scenes = make()
        yield DrawnVideo(name, tuple(_changes(scenes)), partial(_frames, scenes))


def _changes(scenes: Sequence[_Scene]) -> Iterator[TrueChange]:
    frame = scenes[0].frames
    for scene in scenes[1:]:
        yield TrueChange((frame + scene.mixed / 2) / FPS, scene.begins)
        frame += scene.mixed + scene.frames


def _frames(scenes: Sequence[_Scene]) -> Iterator[np.ndarray]:
    before, shown = scenes[0], 0
    for scene in scenes:
        for number in range(scene.mixed):
            share = (number + 1) / (scene.mixed + 1)
            yield cv2.addWeighted(before.paint(shown + number), 1 - share, scene.paint(number), share, 0)
        for number in range(scene.frames):
            yield scene.paint(scene.mixed + number)
        before, shown = scene, scene.mixed + scene.frames


# Cameras


@cache
def landscape(seed: int) -> np.ndarray:
    """Coloured shapes of many sizes, 1280 by 720, uint8 BGR."""
    chance = np.random.default_rng(seed)
    picture = np.empty((2 * HEIGHT_PX, 2 * WIDTH_PX, 3), np.float32)
    picture[:] = chance.uniform(40, 200, 3)
    for octave in (4, 8, 16, 32, 64):
        grid = chance.normal(0, 1, (octave * 9 // 16 + 2, octave, 3)).astype(np.float32)
        picture += 60 / octave**0.3 * cv2.resize(grid, (2 * WIDTH_PX, 2 * HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8)


def _camera(seed: int, pan: tuple[float, float] = (0.0, 0.0), start: tuple[float, float] = (200, 150)) -> Painter:
    """A camera over a landscape, moving by `pan` pixels a frame."""

    def paint(frame: int) -> np.ndarray:
        x, y = start[0] + pan[0] * frame, start[1] + pan[1] * frame
        view = np.array([[1, 0, x], [0, 1, y]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (WIDTH_PX, HEIGHT_PX)
        return _noisy(cv2.warpAffine(landscape(seed), view, size, flags=flags, borderMode=cv2.BORDER_REFLECT), frame)

    return paint


@cache
def _noise() -> np.ndarray:
    return np.random.default_rng(5).normal(0, _NOISE_LEVELS, (HEIGHT_PX, 2 * WIDTH_PX, 3)).astype(np.int16)


def _noisy(picture: np.ndarray, frame: int) -> np.ndarray:
    left = frame * 97 % WIDTH_PX
    return (picture + _noise()[:, left : left + WIDTH_PX]).clip(0, 255).astype(np.uint8)


@cache
def _cutout(person: Person) -> Cutout:
    return Cutout(person)


@cache
def _room(view: str) -> np.ndarray:
    return room(view, WIDTH_PX, HEIGHT_PX)


def _talker(person: Person, view: str, face_px: float = 90.0, phase: float = 0.0) -> Painter:
    """A person who sways and speaks in a room."""

    def paint(frame: int) -> np.ndarray:
        picture = _room(view).copy()
        _cutout(person).paste(picture, _pose(frame, phase, 0.5 * WIDTH_PX, 0.4 * HEIGHT_PX, face_px))
        return _noisy(picture, frame)

    return paint


def _pose(frame: int, phase: float, x_px: float, y_px: float, face_px: float) -> Pose:
    time_s = frame / FPS + phase
    sway = face_px * 0.35 * float(np.sin(1.1 * time_s))
    mouth = 0.5 + 0.5 * float(np.sin(11 * time_s))
    return Pose(x_px + sway, y_px + 0.03 * face_px * float(np.sin(3.7 * time_s)), face_px, 15 * np.sin(time_s), mouth)


def _pair() -> Painter:
    def paint(frame: int) -> np.ndarray:
        picture = _room("both").copy()
        for person, share, phase in (("host", 0.3, 0.0), ("guest", 0.7, 2.0)):
            _cutout(person).paste(picture, _pose(frame, phase, share * WIDTH_PX, 0.45 * HEIGHT_PX, 60))
        return _noisy(picture, frame)

    return paint


def _cameras() -> list[_Scene]:
    pans = ((1.5, 0.0), (0.0, 0.8), (-2.0, 0.3), (0.0, 0.0), (4.0, 0.0))
    lengths = (50, 34, 61, 28, 75, 40, 22, 55)
    scenes = [_Scene(_camera(10 + n, pans[n % 5]), lengths[n % 8]) for n in range(14)]
    # The same colours from another angle.
    angles = [(60.0, 40.0), (600.0, 300.0), (80.0, 320.0), (560.0, 20.0)]
    return scenes + [_Scene(_camera(40, pans[n % 5], angle), 45) for n, angle in enumerate(angles)]


def _talkers() -> list[_Scene]:
    page = _page(_Page("More people, less work", ("Team: 20 people", "Meetings: 31 a week", "Finished: 4 a week")))
    views = [
        (_talker("host", "host"), 62), (_talker("guest", "guest"), 48), (_pair(), 70), (page, 60),
        (_talker("guest", "guest", 110), 33), (_talker("host", "host", 70), 41), (_talker("guest", "host"), 52),
        (_pair(), 37), (_talker("host", "both", 120), 44), (page, 45), (_talker("guest", "guest"), 66),
    ]  # fmt: skip
    return [_Scene(paint, frames) for paint, frames in views]


# What resembles a cut and is none


def _distractors() -> list[_Scene]:
    walk = _talker("host", "host")
    return [
        _Scene(_flashed(_camera(60, (0.6, 0))), 110),
        _Scene(_captioned(_talker("guest", "guest")), 130),
        _Scene(_whipped(61), 100),
        _Scene(_crossed(_camera(62)), 100),
        _Scene(_stepped(_camera(63, (3.0, 0))), 90),
        _Scene(_dimmed(walk), 120),
        _Scene(_strobed(_camera(64)), 80),
    ]


def _flashed(paint: Painter) -> Painter:
    def flashed(frame: int) -> np.ndarray:
        picture = paint(frame)
        return cv2.add(picture, (180, 180, 180, 0)) if frame % 45 in (30, 31) else picture

    return flashed


def _captioned(paint: Painter) -> Painter:
    def captioned(frame: int) -> np.ndarray:
        picture = paint(frame)
        if frame >= 50:
            picture[290:340, 40:400] = (235, 235, 240)
            cv2.putText(picture, "Speaker Name", (56, 324), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (30, 30, 30), 2)
        return picture

    return captioned


def _whipped(seed: int) -> Painter:
    """A camera that swings round within half a second."""

    def paint(frame: int) -> np.ndarray:
        swing = min(max(frame - 45, 0), 15) / 15
        eased = swing * swing * (3 - 2 * swing)
        return _camera(seed, start=(50 + 520 * eased, 150))(frame)

    return paint


def _crossed(paint: Painter) -> Painter:
    """Something dark passes close by."""

    def crossed(frame: int) -> np.ndarray:
        picture = paint(frame)
        left = (frame - 40) * 45 - 260
        picture[:, max(left, 0) : max(left + 260, 0)] = (40, 32, 30)
        return picture

    return crossed


def _stepped(paint: Painter) -> Painter:
    return lambda frame: paint(frame // 3 * 3)


def _dimmed(paint: Painter) -> Painter:
    return lambda frame: cv2.convertScaleAbs(paint(frame), alpha=1 - 0.6 * min(max(frame - 40, 0), 25) / 25)


def _strobed(paint: Painter) -> Painter:
    return lambda frame: paint(frame) if frame // 3 % 2 else cv2.convertScaleAbs(paint(frame), alpha=0.15)


# Graphics


@dataclass(frozen=True, slots=True)
class _Page:
    title: str
    points: tuple[str, ...]
    dark: bool = False
    bar_rgb: tuple[int, int, int] = (30, 60, 180)
    typed: str = ""
    """A line in a box, typed letter by letter."""
    pointer: bool = False


_TITLES = ("Where we are", "What changed", "Customers", "Next year", "How it works", "Risks", "Questions")
_POINTS = (
    "Team: 20 people in two cities",
    "Meetings: 31 a week",
    "Price up 100 percent",
    "Two customers lost",
    "Questions down by 40 percent",
    "Cost per order: 3.10",
    "Shipping starts in May",
)
_BARS = ((30, 60, 180), (20, 120, 70), (150, 40, 40), (90, 60, 140))


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size_px)


@cache
def _drawn_page(page: _Page) -> np.ndarray:
    paper, ink = ((34, 36, 42), (225, 225, 225)) if page.dark else ((247, 247, 243), (40, 40, 40))
    image = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), paper)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH_PX, 54), fill=page.bar_rgb)
    draw.text((24, 12), page.title, font=_font(26), fill="white")
    for row, point in enumerate(page.points):
        draw.text((30, 84 + 46 * row), f"• {point}", font=_font(20), fill=ink)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _page(page: _Page) -> Painter:
    def paint(frame: int) -> np.ndarray:
        picture = _drawn_page(page).copy()
        if page.typed:
            letters = page.typed[: frame // 4]
            shade = 220 if page.dark else 40
            cv2.putText(picture, letters, (32, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (shade,) * 3, 1, cv2.LINE_AA)
        if page.pointer:
            x, y = int(320 + 200 * np.sin(frame / 17)), int(200 + 110 * np.cos(frame / 23))
            arrow = np.array([(x, y), (x, y + 13), (x + 4, y + 10), (x + 9, y + 10)])
            cv2.fillPoly(picture, [arrow], (200, 200, 200) if page.dark else (0, 0, 0))
        return picture

    return paint


def _deck(seed: int, *, dark: bool, speaker: bool = False) -> list[_Scene]:
    """Pages that are turned, and pages that are built line by line, under a moving pointer."""
    chance = np.random.default_rng(seed)
    scenes = []
    for number, title in enumerate(_TITLES):
        points = tuple(_POINTS[index] for index in chance.permutation(len(_POINTS))[:4])
        shown = (2, 3, 4) if number % 2 else (4,)
        for count in shown:
            page = _Page(title, points[:count], dark, _BARS[number % 4], pointer=number % 3 == 1)
            paint = _page(page)
            frames = int(chance.integers(33, 80))
            scenes.append(_Scene(_beside(paint, number * 3.0) if speaker else paint, frames, "slide"))
    return scenes


def _beside(paint: Painter, phase: float) -> Painter:
    """With a small camera picture of a speaker in the lower right corner."""

    def with_speaker(frame: int) -> np.ndarray:
        picture = paint(frame)
        corner = cv2.resize(_room("guest")[:, 100:540], (176, 144), interpolation=cv2.INTER_AREA)
        _cutout("guest").paste(corner, _pose(frame, phase, 88, 62, 52))
        picture[HEIGHT_PX - 152 : HEIGHT_PX - 8, WIDTH_PX - 184 : WIDTH_PX - 8] = corner
        return picture

    return with_speaker


def _shared_screen() -> list[_Scene]:
    """Windows that are switched between, with typing and a pointer in them."""
    listing = tuple(f"{'    ' * (n % 3)}value_{n} = measure(item, {n})" for n in range(5))
    editor = _Page("editor - analysis.py", listing, True, (60, 60, 66), "for item in items: print(item)", True)
    browser = _Page("Results - browser", _POINTS[:5], False, (70, 110, 170), "search for a customer", True)
    sheet = _Page("Numbers - sheet", tuple(f"{n}     {n * 37 % 11}     {n * 53 % 17}" for n in range(5)), pointer=True)
    order = (editor, browser, editor, sheet, browser, sheet, editor)
    return [_Scene(_page(page), 75 + 12 * (n % 3), "slide") for n, page in enumerate(order)]


def _dissolves() -> list[_Scene]:
    return [
        _Scene(_camera(80, (0.4, 0)), 80),
        _Scene(_talker("host", "host"), 80, "dissolve", 15),
        _Scene(_camera(81), 80, "dissolve", 30),
        _Scene(_talker("guest", "guest"), 80, "dissolve", 20),
        _Scene(_pair(), 80, "dissolve", 24),
        _Scene(_camera(82, (0.3, 0.2)), 80, "dissolve", 12),
        _Scene(_camera(83), 80, "dissolve", 36),
    ]
