"""Everything about one clip, decided before anything runs: frames, layouts, captions, sizes. Same inputs, same plan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from clip_platform.media.information import MediaInfo
from clip_platform.rendering import typeface
from clip_platform.rendering.captions import (
    CaptionArea,
    CaptionBlock,
    caption_area,
    caption_blocks,
    caption_error_s,
)
from clip_platform.rendering.clips import LayoutRun
from clip_platform.rendering.framing import Framing, Picture, frame_clip, picture_for
from clip_platform.rendering.grid import FrameGrid, frame_grid
from clip_platform.selection.choice import SelectedClip
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span
from clip_platform.upload.preferences import ASPECTS, Preferences
from clip_platform.vision.tracks import FaceTracks, Shots

OUTPUT_SIZES_PX = {"9:16": (1080, 1920), "4:5": (1080, 1350), "1:1": (1080, 1080), "16:9": (1920, 1080)}

_STILLS = 5
_STILL_AFTER_CUT_S = Fraction(1, 2)
_STILL_AFTER_FADE_S = Fraction(3, 2)
_STILL_BEFORE_CUT_S = Fraction(1, 3)
_CAPTION_LINES_EM = 2.6
"""Height of two lines with their outline, in ems."""
_FIT_TOP_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip, decided. `grid.frames` frames are expected in the file; `fit_box` is left, top, width and height of the
    whole picture in `fit`; `still_frames` are candidates for the thumbnail; `fallbacks` say what is second best."""

    clip_id: str
    rank: int
    media: MediaInfo
    grid: FrameGrid
    width_px: int
    height_px: int
    framing: Framing
    fit_box: tuple[int, int, int, int]
    captions: tuple[CaptionBlock, ...]
    caption_area: CaptionArea
    caption_style: str
    still_frames: tuple[int, ...]
    fallbacks: tuple[str, ...]

    @property
    def source_span(self) -> Span:
        """What is shown, on frames of the source."""
        return self.grid.span

    @property
    def expected_frames(self) -> int:
        return self.grid.frames

    @property
    def layout(self) -> tuple[LayoutRun, ...]:
        return self.framing.layout(self.grid)

    @property
    def caption_error_s(self) -> float:
        return caption_error_s(self.captions, self.grid.rate)


def plan_clip(
    clip: SelectedClip,
    media: MediaInfo,
    transcript: Transcript,
    shots: Shots,
    faces: FaceTracks,
    turns: SpeakerTurns,
    preferences: Preferences,
) -> ClipPlan:
    """The plan of one chosen clip.

    Raises:
        EngineUnavailable: the captions' typeface is not installed.
    """
    grid = frame_grid(clip.span, media.video, media.duration_s)
    width_px, height_px = OUTPUT_SIZES_PX[preferences.aspect]
    picture = picture_for(media.video.width_px, media.video.height_px, ASPECTS[preferences.aspect])
    framing = frame_clip(grid, picture, shots, faces, turns)
    area = caption_area(width_px, height_px)
    blocks = caption_blocks(transcript.words, grid, area, typeface.text_width_px)
    burned = preferences.caption_style != "none"
    return ClipPlan(
        clip_id=clip.clip_id,
        rank=clip.rank,
        media=media,
        grid=grid,
        width_px=width_px,
        height_px=height_px,
        framing=framing,
        fit_box=_fit_box(picture, width_px, height_px, area if burned else None),
        captions=blocks,
        caption_area=area,
        caption_style=preferences.caption_style,
        still_frames=_still_frames(grid, framing, shots, faces),
        fallbacks=(*framing.fallbacks, *_about_letters(blocks)),
    )


def _fit_box(
    picture: Picture, width_px: int, height_px: int, captions: CaptionArea | None
) -> tuple[int, int, int, int]:
    """The whole picture as large as the output allows; above the captions where there is room for both."""
    scale = min(Fraction(width_px, picture.width_px), Fraction(height_px, picture.height_px))
    width, height = (min(2 * round(size * scale / 2), most) for size, most in (
        (picture.width_px, width_px), (picture.height_px, height_px),
    ))  # fmt: skip
    left, top = (width_px - width) // 4 * 2, (height_px - height) // 4 * 2
    if captions is not None:
        captions_top = captions.bottom_px - round(_CAPTION_LINES_EM * captions.em_px)
        above = captions_top - captions.em_px // 3 - height
        if above >= _FIT_TOP_SHARE * height_px:
            top = min(top, above // 2 * 2)
    return left, top, width, height


def _still_frames(grid: FrameGrid, framing: Framing, shots: Shots, faces: FaceTracks) -> tuple[int, ...]:
    """Frames that may become the thumbnail, best kind first available: a face in a steady crop, any crop, any frame."""
    steady = [frame for frame in range(grid.frames) if _is_steady(grid, framing, shots, frame)]
    cropped = [frame for frame in steady if _layout_at(framing, frame) == "crop"]
    with_face = [frame for frame in cropped if faces.boxes_at(grid.source_time_of(frame))]
    for frames in (with_face, cropped, steady):
        if frames:
            return _spread(frames)
    return (grid.frames // 2,)


def _is_steady(grid: FrameGrid, framing: Framing, shots: Shots, frame: int) -> bool:
    """Away from cuts, and past a fade."""
    moment = grid.source_time_of(frame)
    shot = shots.at(moment)
    since = _STILL_AFTER_FADE_S if shot.begins in ("fade", "dissolve") else _STILL_AFTER_CUT_S
    run_end = next(run.end_frame for run in framing.runs if frame < run.end_frame)
    until_s = min(shot.span.end - moment, (run_end - frame) / grid.rate)
    return moment - shot.span.start >= since and until_s >= _STILL_BEFORE_CUT_S


def _layout_at(framing: Framing, frame: int) -> str:
    return next(run.layout for run in framing.runs if frame < run.end_frame)


def _spread(frames: list[int]) -> tuple[int, ...]:
    """Up to five of them, evenly over the clip."""
    count = min(_STILLS, len(frames))
    return tuple(frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count))


def _about_letters(blocks: tuple[CaptionBlock, ...]) -> list[str]:
    missing = typeface.missing_letters("".join(block.text for block in blocks))
    if not missing:
        return []
    return [f"the captions' typeface has no letters for {missing[:20]}; another one of this machine was used"]
