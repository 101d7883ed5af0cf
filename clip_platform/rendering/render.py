"""A plan becomes files: picture, sound, captions, thumbnail, and what was measured on the result.

All files are written in a folder of their own and moved when every one of them is complete, so a clip is there or it is
not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clip_platform.errors import ProgramFailed
from clip_platform.media.clip_sound import PEAK_LIMIT_DBTP, TARGET_LUFS, encode_sound
from clip_platform.media.encode import ClipFiles, ClipPicture, PictureRun, encode_clip
from clip_platform.media.inspect import ClipInspection, inspect_clip
from clip_platform.progress import OnProgress, part_of, silent
from clip_platform.rendering import subtitles, typeface
from clip_platform.rendering.clips import QualityReport
from clip_platform.rendering.plan import ClipPlan
from clip_platform.rendering.verdicts import LATEST_CAPTION_S

_SOUND_DONE = 0.08
_PICTURE_DONE = 0.97
_BASE_DEADLINE_S = 120
_DEADLINE_PER_S = 90
"""Wall seconds a second of clip may take: some twenty times what two busy cores need."""
_LOUDNESS_TOLERANCE_LU = 1.0
_SOUND_TOLERANCE_S = Fraction(1, 20)
"""AAC comes in blocks of 21 ms."""


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """The files of one clip in the folder asked for, named by its id."""

    video: Path
    thumbnail: Path
    srt: Path
    vtt: Path
    ass: Path
    quality: QualityReport


def render_clip(source: Path, plan: ClipPlan, folder: Path, on_progress: OnProgress = silent) -> RenderedFiles:
    """Renders one clip into `folder`, which exists; files of the same clip in it are replaced.

    Raises:
        ProgramFailed, DeadlineExceeded, StorageFull, MissingProgram, EngineUnavailable. Nothing half-written is left.
    """
    deadline_s = _BASE_DEADLINE_S + _DEADLINE_PER_S * float(plan.grid.duration_s)
    with _workplace(folder, plan.clip_id) as work:
        _write_captions(plan, work)
        files = _files(plan, work)
        encode_sound(source, plan.media, plan.source_span, files.sound, deadline_s=deadline_s)
        on_progress(_SOUND_DONE)
        picture_progress = part_of(on_progress, _SOUND_DONE, _PICTURE_DONE)
        encode_clip(source, plan.media, _picture(plan), files, picture_progress, deadline_s=deadline_s)
        shutil.copyfile(_sharpest(files.stills), work / f"{plan.clip_id}.jpg")
        quality = _quality(plan, inspect_clip(files.video))
        rendered = _moved(plan, work, folder, quality)
    on_progress(1.0)
    return rendered


@contextmanager
def _workplace(folder: Path, clip_id: str) -> Iterator[Path]:
    """A hidden folder beside the result; one that a killed run left is cleared."""
    work = folder / f".{clip_id}.partial"
    shutil.rmtree(work, ignore_errors=True)
    for part in ("fonts", "commands", "stills"):
        (work / part).mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_captions(plan: ClipPlan, work: Path) -> None:
    shutil.copyfile(typeface.font_file(), work / "fonts" / typeface.font_file().name)
    rate, highlight = plan.grid.rate, plan.caption_style == "highlight"
    ass = subtitles.ass(plan.captions, plan.caption_area, plan.width_px, plan.height_px, rate, highlight=highlight)
    cues = subtitles.phrases(plan.captions, rate)
    for suffix, text in (("ass", ass), ("srt", subtitles.srt(cues)), ("vtt", subtitles.vtt(cues))):
        (work / f"{plan.clip_id}.{suffix}").write_text(text, encoding="utf-8", newline="\n")


def _files(plan: ClipPlan, work: Path) -> ClipFiles:
    burned = plan.caption_style != "none" and plan.captions
    return ClipFiles(
        sound=work / "sound.mp4",
        captions=work / f"{plan.clip_id}.ass" if burned else None,
        fonts=work / "fonts",
        commands=work / "commands",
        stills=work / "stills",
        video=work / f"{plan.clip_id}.mp4",
    )


def _picture(plan: ClipPlan) -> ClipPicture:
    window = plan.framing.picture
    return ClipPicture(
        start_s=plan.grid.start_s,
        rate=plan.grid.rate,
        frames=plan.grid.frames,
        width_px=plan.width_px,
        height_px=plan.height_px,
        window_width_px=window.window_width_px,
        window_height_px=window.window_height_px,
        fit_box=plan.fit_box,
        runs=_joined_runs(plan),
        still_frames=plan.still_frames,
    )


def _joined_runs(plan: ClipPlan) -> tuple[PictureRun, ...]:
    """Neighbours in the same layout as one: a jump of the crop at a cut needs no second branch."""
    joined: list[PictureRun] = []
    for run in plan.framing.runs:
        if joined and joined[-1].layout == run.layout:
            last = joined.pop()
            joined.append(PictureRun(last.first_frame, run.end_frame, run.layout, (*last.corners, *run.corners)))
        else:
            joined.append(PictureRun(run.first_frame, run.end_frame, run.layout, run.corners))
    return tuple(joined)


def _sharpest(stills: Path) -> Path:
    """At one quality, the still with most detail takes most bytes: neither blurred by motion nor faded."""
    found = sorted(stills.glob("*.jpg"))
    if not found:
        raise ProgramFailed(
            "ffmpeg wrote no still picture for the thumbnail; its own words are in the log of this stage"
        )
    return max(found, key=lambda path: path.stat().st_size)


def _moved(plan: ClipPlan, work: Path, folder: Path, quality: QualityReport) -> RenderedFiles:
    moved = {}
    for suffix in ("srt", "vtt", "ass", "jpg", "mp4"):
        name = f"{plan.clip_id}.{suffix}"
        moved[suffix] = (work / name).replace(folder / name)
    return RenderedFiles(moved["mp4"], moved["jpg"], moved["srt"], moved["vtt"], moved["ass"], quality)


def _quality(plan: ClipPlan, found: ClipInspection) -> QualityReport:
    return QualityReport(
        frames=found.frames,
        expected_frames=plan.expected_frames,
        duration_s=float(found.duration_s),
        loudness_lufs=found.loudness.integrated_lufs,
        true_peak_dbtp=found.loudness.true_peak_dbtp,
        caption_error_s=plan.caption_error_s,
        fallbacks=(*plan.fallbacks, *_loudness_fallbacks(found)),
        problems=tuple(_problems(plan, found)),
    )


def _loudness_fallbacks(found: ClipInspection) -> list[str]:
    measured = found.loudness.integrated_lufs
    if measured is None or abs(measured - TARGET_LUFS) <= _LOUDNESS_TOLERANCE_LU:
        return []
    return [f"the loudness is {measured:.1f} LUFS instead of {TARGET_LUFS:.0f}: the source allows no more"]


def _problems(plan: ClipPlan, found: ClipInspection) -> Iterator[str]:
    if found.frames != plan.expected_frames:
        yield f"the file has {found.frames} frames instead of {plan.expected_frames}"
    expected_s = plan.grid.duration_s
    if abs(found.video_duration_s - expected_s) * plan.grid.rate > 1:
        yield f"the picture lasts {float(found.video_duration_s):.3f} s instead of {float(expected_s):.3f} s"
    if found.audio_duration_s is None or abs(found.audio_duration_s - expected_s) > _SOUND_TOLERANCE_S:
        yield f"the sound lasts {float(found.audio_duration_s or 0):.3f} s instead of {float(expected_s):.3f} s"
    if (found.width_px, found.height_px) != (plan.width_px, plan.height_px):
        yield f"the picture is {found.width_px}x{found.height_px} instead of {plan.width_px}x{plan.height_px}"
    if found.loudness.integrated_lufs is None:
        yield "the clip is silent"
    if (found.loudness.true_peak_dbtp or PEAK_LIMIT_DBTP) > PEAK_LIMIT_DBTP:
        yield f"the true peak is {found.loudness.true_peak_dbtp:.1f} dBTP, above {PEAK_LIMIT_DBTP:.0f}"
    if plan.caption_error_s > LATEST_CAPTION_S:
        yield f"captions are up to {plan.caption_error_s:.2f} s off the words"
