"""How large, long and fine a video may be. The numbers only; `media.probe` measures files against them."""

from __future__ import annotations

from dataclasses import dataclass


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
