"""What stands behind and between the persons of the sample talk: textured rooms, a desk, slides. Pictures only.

Textures are scikit-image's brick and gravel, which ship inside its wheel, and seeded noise.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clip_platform.evaluation.script import Slide

_DESIGN_HEIGHT_PX = 1080


def room(view: str, width_px: int, height_px: int) -> np.ndarray:
    """The empty room that a camera sees, uint8 BGR of shape (height, width, 3)."""
    makers = {"host": _brick_wall, "guest": _stone_studio, "both": _plaster_wall}
    return makers[view](width_px, height_px)


def put_desk(picture: np.ndarray) -> None:
    """Draws a wooden desk over the lowest tenth of the picture, in place."""
    height, width = picture.shape[:2]
    wood, top = _wood(width, height - round(height * 0.9)), round(height * 0.9)
    picture[top:] = wood


def slide(content: Slide, width_px: int, height_px: int) -> np.ndarray:
    """A slide with a title, points and a bar chart, uint8 BGR."""
    k = height_px / 720
    image = Image.new("RGB", (width_px, height_px), (246, 246, 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width_px, 110 * k), fill=content.colour_rgb)
    draw.text((48 * k, 24 * k), content.title, font=_font(54 * k), fill="white")
    for row, point in enumerate(content.points):
        draw.text((60 * k, (190 + 110 * row) * k), f"• {point}", font=_font(36 * k), fill=(40, 40, 40))
    _draw_bars(draw, content, width_px, k)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _draw_bars(draw: ImageDraw.ImageDraw, content: Slide, width_px: int, k: float) -> None:
    left, base, step = width_px * 0.56, 600 * k, width_px * 0.1
    for column, (label, share) in enumerate(content.bars):
        x = left + column * step
        draw.rectangle((x, base - 400 * k * share, x + step * 0.7, base), fill=content.colour_rgb)
        draw.text((x, base + 14 * k), label, font=_font(22 * k), fill=(40, 40, 40))
    draw.line((left - 10 * k, base, left + 4 * step, base), fill=(90, 90, 90), width=max(1, round(3 * k)))


@cache
def _font(size_px: float) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"), round(size_px))


def _brick_wall(width_px: int, height_px: int) -> np.ndarray:
    import skimage.data

    courses = np.rot90(skimage.data.brick())
    wall = _tiled(courses, width_px, height_px, tile_px=1100)
    wall = cv2.GaussianBlur(wall, (0, 0), 3.0 * height_px / _DESIGN_HEIGHT_PX)
    return _lit(wall * (0.75 + 0.5 * _noise(width_px, height_px, seed=3)), (0.62, 0.78, 1.0), (0.35, 0.4))


def _stone_studio(width_px: int, height_px: int) -> np.ndarray:
    import skimage.data

    stones = _tiled(skimage.data.gravel(), width_px, height_px, tile_px=600)
    stones = cv2.GaussianBlur(stones, (0, 0), 7.0 * height_px / _DESIGN_HEIGHT_PX)
    return _lit(stones * (0.6 + 0.7 * _noise(width_px, height_px, seed=5)), (0.95, 0.78, 0.6), (0.7, 0.35))


def _plaster_wall(width_px: int, height_px: int) -> np.ndarray:
    plaster = 110 + 130 * (_noise(width_px, height_px, seed=7) - 0.5) + 60 * (_noise(width_px, height_px, 8, 6) - 0.5)
    return _lit(plaster, (0.85, 1.0, 0.98), (0.5, 0.3))


def _wood(width_px: int, height_px: int) -> np.ndarray:
    grain = cv2.resize(_noise(max(width_px // 24, 8), height_px, seed=9, octaves=7), (width_px, height_px))
    shade = np.linspace(1.1, 0.7, height_px, dtype=np.float32)[:, None]
    tone = (60 + 110 * grain) * shade
    return (tone[..., None] * np.array([0.45, 0.68, 1.0], np.float32)).clip(0, 255).astype(np.uint8)


def _tiled(texture: np.ndarray, width_px: int, height_px: int, *, tile_px: int) -> np.ndarray:
    """A grey texture repeated by mirroring, so that no seam shows. `tile_px`: its size at a height of 1080."""
    edge = max(8, round(tile_px * height_px / _DESIGN_HEIGHT_PX))
    tile = cv2.resize(texture.astype(np.float32), (edge, edge), interpolation=cv2.INTER_AREA)
    pair = np.concatenate([tile, tile[:, ::-1]], axis=1)
    quad = np.concatenate([pair, pair[::-1]], axis=0)
    times = (-(-height_px // (2 * edge)), -(-width_px // (2 * edge)))
    return np.tile(quad, times)[:height_px, :width_px]


def _noise(width_px: int, height_px: int, seed: int, octaves: int = 5) -> np.ndarray:
    """Smooth noise in 0..1, float32, halving in strength as it doubles in detail."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height_px, width_px), np.float32)
    for octave in range(octaves):
        grid = generator.random((3 * 2**octave, 5 * 2**octave), dtype=np.float32)
        total += cv2.resize(grid, (width_px, height_px), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return cv2.normalize(total, None, 0.0, 1.0, cv2.NORM_MINMAX)


def _lit(grey: np.ndarray, colour_bgr: tuple[float, float, float], lamp: tuple[float, float]) -> np.ndarray:
    """Colour, and a lamp at the share (x, y) of the picture from which light falls off."""
    height, width = grey.shape
    x, y = np.meshgrid(np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32))
    light = 1.15 - 0.75 * np.hypot(x - lamp[0], (y - lamp[1]) * height / width)
    lit = (grey * light)[..., None] * np.array(colour_bgr, np.float32)
    return lit.clip(0, 255).astype(np.uint8)
