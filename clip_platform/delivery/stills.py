"""Frames of a video as small JPEG pictures for people: boxes drawn on one, several in a strip."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clip_platform.vision.tracks import Box

if TYPE_CHECKING:
    from PIL import Image

_QUALITY = 80
_STRIP_HEIGHT_PX = 240
_BOX_COLOUR = (90, 230, 120)


def boxes_on(picture: bytes, boxes: Sequence[Box], width_px: int) -> bytes:
    """The picture with boxes drawn.

    Args:
        picture: an encoded picture of any size.
        boxes: in a raster that is `width_px` wide.
    """
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    scale = image.width / width_px
    draw = ImageDraw.Draw(image)
    for box in boxes:
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        draw.rectangle(tuple(corner * scale for corner in corners), outline=_BOX_COLOUR, width=2)
    return _jpeg(image)


def strip(paths: Sequence[Path]) -> bytes:
    """Pictures of any size side by side, 240 px high."""
    from PIL import Image

    images = []
    for path in paths:
        with Image.open(path) as opened:
            width = max(1, round(opened.width * _STRIP_HEIGHT_PX / opened.height))
            images.append(opened.convert("RGB").resize((width, _STRIP_HEIGHT_PX)))
    whole = Image.new("RGB", (sum(image.width for image in images), _STRIP_HEIGHT_PX))
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width
    return _jpeg(whole)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
