"""Draws the timeline of a video as inline SVG; colours and behaviour come from the page it stands in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from clip_platform.delivery.timeline import Mark, TimelineData
from clip_platform.timeline import clock

_GAP_PX = 8
_LANES = (("Clips", 30), ("Candidates", 64), ("Shots", 20), ("Speech", 14), ("Faces", 14), ("Energy", 46))
_AXIS_PX = 24
_NARROWEST_PERCENT = 0.12
_FLOOR_DB = -60.0
_TICKS = 8
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def timeline_svg(data: TimelineData, clip_ids: Sequence[str]) -> str:
    """A card with one lane a kind of finding over one time axis.

    Args:
        clip_ids: of `data.clips`, in the same order; a click on a clip plays the card with id `clip-<clip id>`.
    """
    tops = _tops()
    height = tops["axis"] + _AXIS_PX
    lanes = "".join(
        [
            _backs(tops),
            _ticks(data.duration_s, tops["axis"]),
            _bars(data.shots, data, tops["Shots"], 20, _shot_colour),
            _bars(data.speech, data, tops["Speech"], 14, lambda _i, _mark: "var(--speech)"),
            _bars(data.faces, data, tops["Faces"], 14, lambda _i, _mark: "var(--face)"),
            _energy(data.energy_db, tops["Energy"], 46),
            _candidates(data, tops["Candidates"], 64),
            _clips(data, clip_ids, tops["Clips"], 30),
            f'<line id="playhead" x1="0" x2="0" y1="0" y2="{tops["axis"]}"/>',
        ]
    )
    labels = "".join(f'<div style="height:{tall}px;margin-bottom:{_GAP_PX}px">{name}</div>' for name, tall in _LANES)
    levels = " ".join(f"{level:.0f}" for level in data.energy_db)
    return (
        f'<section class="card" aria-label="Timeline of the video" style="margin-top:22px"><div class="timeline" '
        f'style="margin-top:0"><div class="lanes" aria-hidden="true">{labels}</div>'
        f'<svg id="timeline" role="group" aria-label="{escape(_summary(data))}" height="{height}" '
        f'data-duration="{data.duration_s:.3f}" data-energy="{levels}">{lanes}</svg></div>{_LEGEND}</section>'
    )


_LEGEND = (
    '<div class="legend"><span><i style="background:var(--accent)"></i>clip, click to play</span>'
    '<span><i style="background:var(--camera)"></i>camera shot</span>'
    '<span><i style="background:var(--slide)"></i>slide</span>'
    '<span><i style="background:var(--accent);opacity:.45"></i>candidate, higher is better</span></div>'
)


def _backs(tops: Mapping[str, int]) -> str:
    return "".join(
        f'<rect class="lane-back" x="0" y="{tops[name]}" width="100%" height="{height}" rx="4"/>'
        for name, height in _LANES
    )


def _tops() -> dict[str, int]:
    tops, y = {}, 0
    for name, height in _LANES:
        tops[name] = y
        y += height + _GAP_PX
    return {**tops, "axis": y}


def _summary(data: TimelineData) -> str:
    return (
        f"{clock(data.duration_s)} of video: {len(data.shots)} shots, {len(data.candidates)} candidates, "
        f"{len(data.clips)} clips"
    )


def _percent(moment_s: float, data: TimelineData) -> float:
    return 100 * min(max(moment_s / data.duration_s, 0.0), 1.0) if data.duration_s > 0 else 0.0


def _box(mark: Mark, data: TimelineData) -> str:
    left = _percent(mark.start_s, data)
    width = max(_percent(mark.end_s, data) - left, _NARROWEST_PERCENT)
    return f'x="{left:.3f}%" width="{width:.3f}%"'


def _tip(mark: Mark) -> str:
    return escape(f"{mark.label} · {clock(mark.start_s)}-{clock(mark.end_s)}")


def _shot_colour(index: int, mark: Mark) -> str:
    if mark.kind in ("slide", "screen"):
        return "var(--slide)"
    return "var(--camera)" if index % 2 == 0 else "var(--camera-2)"


def _bars(marks: Iterable[Mark], data: TimelineData, top: int, height: int, colour: Callable[[int, Mark], str]) -> str:
    return "".join(
        f'<rect {_box(mark, data)} y="{top}" height="{height}" fill="{colour(i, mark)}" data-tip="{_tip(mark)}"/>'
        for i, mark in enumerate(marks)
    )


def _energy(levels: Sequence[float], top: int, height: int) -> str:
    """The level as a filled curve, -60 dB at the bottom of its lane, 0 at the top."""
    if not levels:
        return ""
    points = " ".join(
        f"{1000 * (i + 0.5) / len(levels):.1f},{height * (1 - _loud(level)):.1f}" for i, level in enumerate(levels)
    )
    return (
        f'<svg y="{top}" width="100%" height="{height}" viewBox="0 0 1000 {height}" preserveAspectRatio="none" '
        f'data-lane="energy"><rect width="1000" height="{height}" fill="transparent"/>'
        f'<polygon points="0,{height} {points} 1000,{height}" fill="var(--energy)" opacity=".8"/></svg>'
    )


def _loud(level_db: float) -> float:
    return min(max(1 - level_db / _FLOOR_DB, 0.0), 1.0)


def _candidates(data: TimelineData, top: int, height: int) -> str:
    """A thin line a candidate; the worst of this video at the bottom of the lane, the best at the top."""
    lowest = min((mark.score for mark in data.candidates), default=0.0)
    room = max((mark.score for mark in data.candidates), default=0.0) - lowest or 1.0
    return "".join(
        f'<rect {_box(mark, data)} y="{top + 3 + (height - 9) * (1 - (mark.score - lowest) / room):.1f}" height="3" '
        f'rx="1.5" fill="var(--accent)" opacity=".4" data-tip="{_tip(mark)}"/>'
        for mark in data.candidates
    )


def _clips(data: TimelineData, clip_ids: Sequence[str], top: int, height: int) -> str:
    return "".join(
        f'<g class="clip" role="button" tabindex="0" data-clip="{escape(clip_id)}" data-tip="{_tip(mark)}" '
        f'aria-label="Play {_tip(mark)}"><rect {_box(mark, data)} y="{top}" height="{height}" rx="6"/>'
        f'<text x="{_percent((mark.start_s + mark.end_s) / 2, data):.3f}%" y="{top + height / 2 + 4:.0f}" '
        f'text-anchor="middle">{escape(mark.kind)}</text></g>'
        for mark, clip_id in zip(data.clips, clip_ids, strict=True)
    )


def _ticks(duration_s: float, bottom: int) -> str:
    step_s = next((step for step in _STEPS_S if duration_s / step <= _TICKS), math.ceil(duration_s / _TICKS) or 1)
    marks = []
    for i in range(int(duration_s // step_s) + 1):
        x = 100 * i * step_s / duration_s if duration_s > 0 else 0.0
        anchor = "start" if x < 2 else "end" if x > 97 else "middle"
        marks.append(
            f'<line class="tick" x1="{x:.3f}%" x2="{x:.3f}%" y1="0" y2="{bottom}"/>'
            f'<text x="{x:.3f}%" y="{bottom + 12}" text-anchor="{anchor}">{_axis_time(i * step_s)}</text>'
        )
    return "".join(marks)


def _axis_time(moment_s: int) -> str:
    hours, minutes, rest = moment_s // 3600, moment_s // 60 % 60, moment_s % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
