"""Exact time: seconds as `Fraction`, half-open spans, and the one way from seconds to frames.

Zero is the container's start (ffmpeg's `start_time`), so a stream that starts late starts above zero. Presentation
timestamps are the truth; frame counts are not (variable rate, edit lists).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


def seconds(value: float | int | str | Fraction) -> Fraction:
    """Seconds as an exact fraction; a float is read to the microsecond, so `0.1` means one tenth."""
    if isinstance(value, float):
        return Fraction(round(value * 1_000_000), 1_000_000)
    return Fraction(value)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, `[start, end)`, in seconds. `end >= start`."""

    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a span ends before it starts: {float(self.start):.3f} .. {float(self.end):.3f} s")

    @classmethod
    def of(cls, start: float | int | str | Fraction, end: float | int | str | Fraction) -> Span:
        """A span from any number; floats are read to the microsecond."""
        return cls(seconds(start), seconds(end))

    @property
    def duration_s(self) -> Fraction:
        return self.end - self.start

    @property
    def middle(self) -> Fraction:
        return (self.start + self.end) / 2

    def contains(self, moment: Fraction) -> bool:
        return self.start <= moment < self.end

    def covers(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end

    def intersection(self, other: Span) -> Span | None:
        """The shared stretch, or None when the two do not overlap."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def shifted(self, by_s: Fraction) -> Span:
        return Span(self.start + by_s, self.end + by_s)

    def overlap_ratio(self, other: Span) -> float:
        """Intersection over union, 0..1."""
        shared = self.intersection(other)
        if shared is None:
            return 0.0
        union = self.duration_s + other.duration_s - shared.duration_s
        return float(shared.duration_s / union)


def first_frame_from(moment: Fraction, rate: Fraction) -> int:
    """Index of the first frame that starts at or after `moment`: what an accurate seek to `moment` lands on."""
    return math.ceil(moment * rate)


def total_s(spans: Iterable[Span]) -> Fraction:
    """Sum of durations; overlapping parts count twice."""
    return sum((span.duration_s for span in spans), Fraction(0))


def clock(moment: Fraction | float) -> str:
    """`h:mm:ss.t` for people; not for files."""
    tenths = round(float(moment) * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
