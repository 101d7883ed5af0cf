"""Videos drawn to find faces in, with the box of every face in every frame; and videos without any. Pictures and their
truth only; the same pictures on every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import cv2
import numpy as np

from clip_platform.evaluation.persons import Cutout, Person, Pose
from clip_platform.evaluation.scenery import put_desk, room, slide
from clip_platform.evaluation.script import SLIDES
from clip_platform.evaluation.truth import TrueFace, Truth
from clip_platform.evaluation.vision_scenes import landscape

FPS = 25
FRAMES = 75
SIZE = (1920, 1080)

_PHOTOGRAPHS = ("brick", "gravel", "grass", "coffee", "chelsea", "moon", "text", "page", "rocket")

Place = Callable[[float], tuple[Person, Pose]]
"""Who is where, so many seconds after the beginning."""


@dataclass(frozen=True, slots=True)
class DrawnTalk:
    """`pictures` draws its frames (uint8 BGR) anew, one by one, at `FPS`."""

    name: str
    size: tuple[int, int]
    view: str
    places: Sequence[Place]

    def pictures(self) -> Iterator[np.ndarray]:
        return (picture for picture, _ in self._drawn())

    def truth(self) -> Truth:
        faces = tuple(found for _, found in self._drawn())
        return Truth(
            fps=FPS,
            width_px=self.size[0],
            height_px=self.size[1],
            frames=FRAMES,
            speakers={},
            cuts_s=(),
            fades=(),
            shots=(),
            segments=(),
            words=(),
            faces=faces,
        )

    def _drawn(self) -> Iterator[tuple[np.ndarray, tuple[TrueFace, ...]]]:
        empty = room(self.view, *self.size)
        for frame in range(FRAMES):
            picture, faces = empty.copy(), []
            for place in self.places:
                person, pose = place(frame / FPS)
                faces.append(TrueFace(person, *_cutout(person).paste(picture, pose)))
            if self.view == "both":
                put_desk(picture)
            yield picture, tuple(faces)


def drawn_talks() -> Iterator[DrawnTalk]:
    """People near and far, alone and together, who turn, walk and come nearer; about 20 s in all."""
    level, upright = SIZE, SIZE[::-1]
    yield DrawnTalk("far away, walking", level, "host", [_place("host", 500, 400, 90, walk_px=300)])
    yield DrawnTalk("near, turning", level, "guest", [_place("guest", 960, 480, 330, turn_deg=28)])
    yield DrawnTalk("comes nearer", level, "host", [_place("host", 1100, 430, 110, nearer=0.35)])
    pair = [_place("host", 560, 540, 170, turn_deg=18), _place("guest", 1360, 530, 150, turn_deg=-18, phase=1.0)]
    yield DrawnTalk("two at a desk", level, "both", pair)
    trio = [_place("host", 330, 420, 100), _place("guest", 960, 400, 120, phase=2.0), _place("host", 1600, 430, 95)]
    yield DrawnTalk("three in a row", level, "both", trio)
    yield DrawnTalk("upright", upright, "guest", [_place("guest", 540, 600, 260, walk_px=60)])


def _place(
    person: Person,
    x_px: float,
    y_px: float,
    face_px: float,
    *,
    walk_px: float = 30.0,
    turn_deg: float = 10.0,
    nearer: float = 0.0,
    phase: float = 0.0,
) -> Place:
    def place(moment_s: float) -> tuple[Person, Pose]:
        at_s = moment_s + phase
        x = x_px + walk_px * float(np.sin(1.3 * at_s))
        nod = 0.02 * face_px * float(np.sin(4.1 * at_s))
        size = face_px * (1 + nearer * moment_s)
        mouth = 0.5 + 0.5 * float(np.sin(12 * at_s))
        return person, Pose(x, y_px + nod, size, turn_deg * float(np.sin(1.7 * at_s)), mouth)

    return place


@cache
def _cutout(person: Person) -> Cutout:
    return Cutout(person)


# Without faces


@dataclass(frozen=True, slots=True)
class Faceless:
    """A picture without a face that a camera sweeps over or holds on: `frames` (uint8 BGR, 1280 by 720)."""

    name: str
    frames: Callable[[], Iterator[np.ndarray]]


def faceless() -> Iterator[Faceless]:
    """Rooms, slides, landscapes, textures and noise, held for three seconds each or swept over."""
    size = (1280, 720)
    for view in ("host", "guest", "both"):
        yield Faceless(f"room of {view}", partial(_swept, partial(room, view, 1600, 900), size))
    for name, content in SLIDES.items():
        yield Faceless(name, partial(_held, partial(slide, content, *size)))
    for seed in range(6):
        yield Faceless(f"landscape {seed}", partial(_swept, partial(landscape, 200 + seed), (1000, 560)))
    for name in _PHOTOGRAPHS:
        yield Faceless(name, partial(_swept, partial(_photograph, name), size))
    yield Faceless("noise", partial(_noisy, size))


def _held(make: Callable[[], np.ndarray]) -> Iterator[np.ndarray]:
    picture = make()
    return (picture for _ in range(FRAMES))


def _swept(make: Callable[[], np.ndarray], size: tuple[int, int]) -> Iterator[np.ndarray]:
    picture = make()
    for frame in range(FRAMES):
        share = frame / (FRAMES - 1)
        left = round(share * (picture.shape[1] - size[0]))
        top = round(share * (picture.shape[0] - size[1]))
        yield picture[top : top + size[1], left : left + size[0]]


def _photograph(name: str) -> np.ndarray:
    """One of scikit-image's, which ship inside its wheel."""
    import skimage.data

    picture = getattr(skimage.data, name)()
    colours = cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR
    return cv2.resize(cv2.cvtColor(picture, colours), (1500, 900), interpolation=cv2.INTER_CUBIC)


def _noisy(size: tuple[int, int]) -> Iterator[np.ndarray]:
    chance = np.random.default_rng(9)
    for _ in range(FRAMES):
        rough = chance.integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
        yield cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)
