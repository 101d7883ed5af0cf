"""The frames of one clip: from the source's clock to frame numbers and back, at a constant rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.media.information import VideoStream
from clip_platform.timeline import Span, first_frame_from

FASTEST_RATE = Fraction(60)
SLOWEST_RATE = Fraction(23)
"""The slowest rate that all platforms take; a slower source repeats each frame a whole number of times."""

COMMON_RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
_VARIABLE_TOLERANCE = Fraction(2, 100)
"""How far the average of a variable-rate recording may lie from a common rate and still mean that rate."""
_ROUNDING_TOLERANCE = Fraction(4, 10_000)
"""The same for a constant rate: containers round it, and over an hour a wrong rate drifts by seconds. 30 and 30000/1001
differ by 1/1000."""


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """`frames` frames from `start_s` (source time) at `rate` per second. Frame numbers are the clip's, from 0."""

    start_s: Fraction
    rate: Fraction
    frames: int

    @property
    def duration_s(self) -> Fraction:
        return self.frames / self.rate

    @property
    def span(self) -> Span:
        """In source time."""
        return Span(self.start_s, self.start_s + self.duration_s)

    def source_time_of(self, frame: int) -> Fraction:
        return self.start_s + frame / self.rate

    def nearest_frame(self, moment: Fraction) -> int:
        """Number of the frame nearest to a source time, which may lie outside `0..frames`."""
        return math.floor((moment - self.start_s) * self.rate + Fraction(1, 2))

    def clip_span(self, first_frame: int, end_frame: int) -> Span:
        """In clip time."""
        return Span(first_frame / self.rate, end_frame / self.rate)


def output_rate(video: VideoStream) -> Fraction:
    """The constant rate a clip of this picture is written at, `SLOWEST_RATE..FASTEST_RATE`.

    A constant rate is kept, halved (thirded, ...) when too fast, doubled (tripled, ...) when too slow, so that source
    frames stay evenly spaced. A variable one becomes the common rate that its average comes from.
    """
    rate = _nominal(video.frame_rate, _VARIABLE_TOLERANCE if video.variable_rate else _ROUNDING_TOLERANCE)
    if rate is None:
        rate = _next_common(video.frame_rate) if video.variable_rate else video.frame_rate
    if rate > FASTEST_RATE:
        return rate / math.ceil(rate / FASTEST_RATE)
    if rate < SLOWEST_RATE:
        return rate * math.ceil(SLOWEST_RATE / rate)
    return rate


def frame_grid(span: Span, video: VideoStream, media_end_s: Fraction) -> FrameGrid:
    """The grid of a clip: starts on a frame of the source and lasts as long as the span does, to the frame, but never
    longer than the source."""
    rate = output_rate(video)
    first = max(0, first_frame_from(span.start - video.start_s, rate))
    end = min(first_frame_from(span.end - video.start_s, rate), math.floor((media_end_s - video.start_s) * rate))
    return FrameGrid(video.start_s + first / rate, rate, max(1, end - first))


def _nominal(average: Fraction, tolerance: Fraction) -> Fraction | None:
    """The nearest common rate, if it is near."""
    nearest = min(COMMON_RATES, key=lambda rate: abs(rate - average))
    return nearest if abs(nearest - average) <= tolerance * nearest else None


def _next_common(average: Fraction) -> Fraction:
    return next((rate for rate in COMMON_RATES if average < rate), average)
