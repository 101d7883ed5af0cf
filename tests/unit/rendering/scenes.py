"""Hand-made shots, faces, turns and words that framing and captions are tested with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from clip_platform.media.information import AudioStream, MediaInfo, VideoStream
from clip_platform.rendering.grid import FrameGrid
from clip_platform.selection.choice import SelectedClip
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks, Shot, Shots

SAMPLE_RATE = Fraction(5)
NO_TURNS = SpeakerTurns(())

Path1D = Callable[[float], tuple[float, float]]
"""Centre of a face at a time in seconds."""


def grid(duration_s: float = 10, start_s: float = 0, rate: int = 30) -> FrameGrid:
    return FrameGrid(Fraction(start_s).limit_denominator(1000), Fraction(rate), round(duration_s * rate))


def shots(*bounds: float, kinds: str = "") -> Shots:
    """Shots between the bounds; `kinds` has a letter each, `s` for a slide, anything else for a camera."""
    spans = [Span.of(first, end) for first, end in pairwise(bounds)]
    letters = kinds.ljust(len(spans), "c")
    return Shots(
        tuple(
            Shot(span, "slide" if letter == "s" else "camera", "cut" if number else "start")
            for number, (span, letter) in enumerate(zip(spans, letters, strict=True))
        )
    )


def track(track_id: int, where: Path1D, span: Span, *, shot_index: int = 0, size_px: float = 200) -> FaceTrack:
    first, end = -(-span.start * SAMPLE_RATE // 1), span.end * SAMPLE_RATE
    samples = range(int(first), int(-(-end // 1)))
    centres = [where(float(sample / SAMPLE_RATE)) for sample in samples]
    boxes = tuple(Box(x - size_px / 2, y - size_px / 2, size_px, size_px) for x, y in centres)
    return FaceTrack(track_id, shot_index, int(first), boxes, "d" * len(boxes), (0.0,) * len(boxes))


def faces(*tracks: FaceTrack, width_px: int = 1920, height_px: int = 1080) -> FaceTracks:
    return FaceTracks(width_px, height_px, SAMPLE_RATE, 10_000, "hand-made", tuple(tracks))


def turns(*spoken: tuple[float, float, int | None]) -> SpeakerTurns:
    """Turns as (start, end, track); a None track is an unknown speaker."""
    return SpeakerTurns(
        tuple(
            SpeakerTurn(Span.of(start, end), "unknown" if who is None else "on_screen", who, 1.0)
            for start, end, who in spoken
        )
    )


def words(*timed: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, Span.of(start, end)) for text, start, end in timed)


def steady_words(text: str, *, start_s: float = 0, each_s: float = 0.3) -> tuple[Word, ...]:
    """Words of a text spoken one after the other without pauses."""
    return words(*((word, start_s + i * each_s, start_s + (i + 1) * each_s) for i, word in enumerate(text.split(" "))))


def transcript(spoken: Sequence[Word]) -> Transcript:
    return Transcript(tuple(spoken), (), "en", EngineIdentity("hand-made", "1", "none"))


def selected(start_s: float, end_s: float, clip_id: str = "clip-a") -> SelectedClip:
    return SelectedClip(clip_id, 1, Span.of(start_s, end_s), 0, 0, 50.0, "A clip", ())


def media(
    width_px: int = 1920,
    height_px: int = 1080,
    *,
    rate: Fraction = Fraction(30),
    duration_s: int = 60,
    variable_rate: bool = False,
) -> MediaInfo:
    video = VideoStream(
        0, "h264", width_px, height_px, width_px, height_px, rate, Fraction(1, 15360), Fraction(0), 0, Fraction(1),
        variable_rate, "yuv420p", None,
    )  # fmt: skip
    sound = AudioStream(1, "aac", 48000, 2, Fraction(0), None, None)
    return MediaInfo("mp4", Fraction(duration_s), 1, video, sound, (sound,))
