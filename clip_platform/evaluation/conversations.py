"""Two people in one picture who speak in turn, and the truth about who speaks when. Types only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Said:
    """One person's speech from its first sound to its last, in seconds."""

    side: Side
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Conversation:
    """A video in one shot. One person's face stays in its left half, the other's in its right; `said` is in order and
    does not overlap."""

    name: str
    video: Path
    said: Sequence[Said]
