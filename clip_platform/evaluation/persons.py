"""The two persons of the sample talk: one photograph cut out, posed and pasted. Knows nothing of time or scripts.

The photograph is scikit-image's astronaut (NASA, public domain), which ships inside its wheel. The second person is its
mirror image in other colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np

Person = Literal["host", "guest"]

# In the photograph, 512 x 512 pixels, checked by eye.
_FACE_BOX = (177.0, 70.0, 93.0, 105.0)
_HEAD_REGION = (150, 40, 150, 175)
_LIPS_Y = 147.0
_MOUTH_X = 224.0
_CHIN_Y = 179.0
_SURE_PERSON = [
    (165, 60), (200, 32), (250, 32), (285, 60), (292, 100), (275, 125), (255, 165), (300, 205), (308, 250), (345, 270),
    (358, 330), (330, 365), (420, 355), (480, 400), (500, 511), (40, 511), (40, 400), (60, 290), (110, 240), (120, 190),
    (180, 165), (175, 120), (160, 95),
]  # fmt: skip
_PERHAPS_PERSON = [
    (140, 80), (160, 25), (230, 5), (290, 25), (312, 80), (295, 130), (280, 160), (318, 195), (318, 240), (365, 265),
    (372, 340), (440, 335), (505, 390), (511, 430), (511, 511), (10, 511), (10, 400), (35, 270), (100, 220), (100, 180),
    (160, 140), (145, 110),
]  # fmt: skip

_WIDEST_GAP_PX = 9.0
"""How far the lips part, in pixels of the photograph."""
_FEATURE_SHIFT_PX = 32.0
"""How far the face moves over the head at a turn of 90 degrees, in pixels of the photograph."""
_MOUTH_BGR = (45.0, 25.0, 62.0)


@dataclass(frozen=True, slots=True)
class Pose:
    """`x_px`, `y_px`: where the middle of the face is; `face_px`: height of the face; `yaw_deg`: turn about the
    vertical axis, positive to the picture's right; `mouth`: 0 closed .. 1 wide open."""

    x_px: float
    y_px: float
    face_px: float
    yaw_deg: float
    mouth: float


class Cutout:
    """A person without background, who can turn, come nearer and speak."""

    def __init__(self, person: Person) -> None:
        photograph, alpha = _photograph()
        self._mirrored = person == "guest"
        coloured = _recoloured(photograph) if self._mirrored else photograph
        self._head = np.ascontiguousarray(_in_head_region(coloured))
        self._head_alpha = _in_head_region(alpha)
        self._premultiplied = _with_alpha(coloured, alpha)
        self._jaw, self._gap, self._turn = _head_fields()

    def paste(self, picture: np.ndarray, pose: Pose) -> tuple[float, float, float, float]:
        """Draws the person into `picture` (uint8 BGR, in place); returns the face's box (x, y, width, height)."""
        turn_deg = -pose.yaw_deg if self._mirrored else pose.yaw_deg
        shift_px = _FEATURE_SHIFT_PX * np.sin(np.radians(turn_deg))
        to_picture = self._placement(pose, turn_deg)
        _blend(picture, self._spoken(pose.mouth, shift_px), to_picture)
        return _face_box(to_picture, shift_px)

    def _spoken(self, mouth: float, shift_px: float) -> np.ndarray:
        """The photograph, premultiplied, with the lips parted and the face moved over the head."""
        _, y, width, height = _HEAD_REGION
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        gap_px = np.float32(_WIDEST_GAP_PX * mouth)
        below = rows + y - _LIPS_Y
        lowered = np.clip(below, 0, gap_px) * self._jaw
        opened = cv2.remap(self._head, columns, rows - lowered, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        depth = np.minimum(below, gap_px * self._gap - below)
        inside = np.clip(depth + 0.5, 0, 1) * np.clip(gap_px * self._gap / 3, 0, 1)
        opened = opened + (np.array(_MOUTH_BGR, np.float32) - opened) * inside[..., None]
        turned = cv2.remap(
            opened.astype(np.uint8),
            columns - np.float32(shift_px) * self._turn,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        result = self._premultiplied.copy()
        _in_head_region(result)[:] = _with_alpha(turned, self._head_alpha)
        return result

    def _placement(self, pose: Pose, turn_deg: float) -> np.ndarray:
        """Photograph to picture, affine of shape (2, 3): a far camera sees a turn as a narrowing by its cosine."""
        x, y, width, height = _FACE_BOX
        scale = pose.face_px / height
        across = scale * np.cos(np.radians(turn_deg)) * (-1 if self._mirrored else 1)
        left, top = pose.x_px - across * (x + width / 2), pose.y_px - scale * (y + height / 2)
        return np.array([[across, 0, left], [0, scale, top]])


def _blend(picture: np.ndarray, premultiplied: np.ndarray, to_picture: np.ndarray) -> None:
    """Pastes a photograph with alpha, touching only the part of the picture that it covers."""
    height, width = picture.shape[:2]
    covered = np.array([[0, 0, 1], [512, 512, 1]]) @ to_picture.T
    left, top = np.clip(np.floor(covered.min(0)).astype(int), 0, (width, height))
    right, bottom = np.clip(np.ceil(covered.max(0)).astype(int), 0, (width, height))
    if right <= left or bottom <= top:
        return
    to_part = to_picture - np.array([[0, 0, left], [0, 0, top]])
    drawn = cv2.warpAffine(premultiplied, to_part, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    behind = cv2.cvtColor(255 - cv2.extractChannel(drawn, 3), cv2.COLOR_GRAY2BGR)
    part = picture[top:bottom, left:right]
    dimmed = cv2.multiply(part, behind, scale=1 / 255)
    part[:] = cv2.add(cv2.cvtColor(drawn, cv2.COLOR_BGRA2BGR), dimmed)


def _face_box(to_picture: np.ndarray, shift_px: float) -> tuple[float, float, float, float]:
    x, y, width, height = _FACE_BOX
    x += shift_px * 0.5  # the field that moves the face averages one half over its box
    corners = np.array([[x, y, 1], [x + width, y + height, 1]]) @ to_picture.T
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    return float(left), float(top), float(right - left), float(bottom - top)


def _in_head_region(image: np.ndarray) -> np.ndarray:
    x, y, width, height = _HEAD_REGION
    return image[y : y + height, x : x + width]


def _with_alpha(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 BGRA, colours multiplied by alpha."""
    return np.dstack([colour * alpha[..., None], alpha * 255]).round().astype(np.uint8)


@cache
def _photograph() -> tuple[np.ndarray, np.ndarray]:
    """The astronaut (uint8 BGR) and how much of each pixel is hers (float32, 0..1, soft at the edge)."""
    import skimage.data

    photograph = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
    mask = np.full(photograph.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.fillPoly(mask, [np.array(_PERHAPS_PERSON)], cv2.GC_PR_FGD)
    sure = cv2.fillPoly(np.zeros_like(mask), [np.array(_SURE_PERSON)], 1)
    mask[cv2.erode(sure, np.ones((9, 9))) > 0] = cv2.GC_FGD
    cv2.setRNGSeed(1)
    cv2.grabCut(photograph, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((5, 5)))
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((5, 5)))
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(person)
    largest = labels == 1 + np.argmax(statistics[1:, cv2.CC_STAT_AREA])
    slim = cv2.erode(largest.astype(np.uint8), np.ones((3, 3))).astype(np.float32)
    return _grown(photograph, slim), cv2.GaussianBlur(slim, (0, 0), 1.5)


def _grown(photograph: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The person's colours continued beyond her outline, so that no light of the old background shows at the edge."""
    share = cv2.GaussianBlur(mask, (0, 0), 4.0)[..., None]
    near = cv2.GaussianBlur(photograph * mask[..., None], (0, 0), 4.0) / np.maximum(share, 1e-4)
    grown = np.where(mask[..., None] > 0, photograph, near)
    return np.ascontiguousarray(grown.clip(0, 255).astype(np.uint8))


def _recoloured(photograph: np.ndarray) -> np.ndarray:
    """A blue suit for the orange one, darker hair, a warmer skin."""
    hsv = cv2.cvtColor(photograph, cv2.COLOR_BGR2HSV)
    rows = np.arange(photograph.shape[0])[:, None]
    suit = (((hsv[..., 0] < 14) | (hsv[..., 0] > 170)) & (hsv[..., 1] > 120) & (rows > 190)).astype(np.float32)
    suit = cv2.GaussianBlur(suit, (0, 0), 1.2)[..., None]
    blue = hsv.copy()
    blue[..., 0], blue[..., 1] = 105, hsv[..., 1] * 0.6
    blue[..., 2] = hsv[..., 2] * 0.6
    hair = ((hsv[..., 0] > 12) & (hsv[..., 0] < 32) & (hsv[..., 1] > 70) & (rows < 130)).astype(np.float32)
    hair = cv2.GaussianBlur(hair, (0, 0), 2.0)[..., None]
    warm = photograph * np.array([0.88, 0.95, 1.0], np.float32)
    warm = warm * (1 - 0.45 * hair)
    return (warm * (1 - suit) + cv2.cvtColor(blue, cv2.COLOR_HSV2BGR) * suit).clip(0, 255).astype(np.uint8)


def _head_fields() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Over the head region, float32, 0..1: how much each pixel takes of the movement of jaw, mouth and turn."""
    left, top, width, height = _HEAD_REGION
    x, y = np.meshgrid(left + np.arange(width, dtype=np.float32), top + np.arange(height, dtype=np.float32))
    jaw = np.exp(-(((x - _MOUTH_X) / 30) ** 4)) * np.clip((_CHIN_Y + 26 - y) / 22, 0, 1)
    gap = np.clip(1 - ((x - _MOUTH_X) / 18) ** 2, 0, 1)
    across, down = np.clip(np.abs(x - 224) / 66, 0, 1), np.clip(np.abs(y - 124) / 80, 0, 1)
    turn = (1 - across**2) ** 2 * (1 - down**2) ** 2
    return jaw.astype(np.float32), gap.astype(np.float32), turn.astype(np.float32)
