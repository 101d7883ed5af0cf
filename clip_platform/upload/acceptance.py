"""What an installation takes: how large, long and fine a video may be, and what it may call itself.

The numbers and names only; `media.probe` measures files against them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clip_platform.errors import EmptyFile, LimitExceeded, UnsupportedMedia

UNKNOWN_TYPE = "application/octet-stream"
_NOT_VIDEO_BY_NAME = frozenset({UNKNOWN_TYPE, "application/mp4", "application/mxf", "application/ogg"})
_VIDEO_TYPE = re.compile(r"video/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}")  # RFC 6838, section 4.2


@dataclass(frozen=True, slots=True)
class Limits:
    """What an installation takes. Picture sizes are as displayed; below the smallest ones no clip makes sense."""

    max_bytes: int = 20 * 1024**3
    max_duration_s: float = 6 * 3600.0
    min_duration_s: float = 1.0
    max_width_px: int = 8192
    max_height_px: int = 8192
    min_width_px: int = 64
    min_height_px: int = 64
    max_frame_rate: float = 240.0


DEFAULT_LIMITS = Limits()


def check_size(size_bytes: int, limits: Limits) -> None:
    """
    Raises:
        EmptyFile, LimitExceeded.
    """
    if size_bytes <= 0:
        raise EmptyFile(f"size_bytes is {size_bytes}; a video has at least one byte")
    if size_bytes > limits.max_bytes:
        raise LimitExceeded(
            f"the video has {size_bytes} bytes, at most {limits.max_bytes} are taken; send a smaller one"
        )


def checked_content_type(content_type: str) -> str:
    """The media type in lower case, without parameters.

    Raises:
        UnsupportedMedia: it says that it is no video. What the bytes are is found out later, by reading them.
    """
    media_type = content_type.split(";")[0].strip().lower()
    if media_type not in _NOT_VIDEO_BY_NAME and _VIDEO_TYPE.fullmatch(media_type) is None:
        raise UnsupportedMedia(
            f"content_type is {content_type[:100]!r}; send video/..., or {UNKNOWN_TYPE} when unknown"
        )
    return media_type
