"""Small pictures for the operator's view of a video: plots as PNG, frames as JPEG. Nothing here decodes video.

matplotlib and Pillow are imported when a picture is drawn. Plots are at most `LARGEST_BYTES`: they travel as metadata.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clip_platform.delivery.timeline import Mark, TimelineData
from clip_platform.scoring.scorer import ClipScores
from clip_platform.speech.acoustics import FLOOR_DB, AcousticFeatures, burst_spans
from clip_platform.vision.tracks import Box

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture

LARGEST_BYTES = 60_000

_WIDTH_IN, _DPI = 8.0, 90
_COARSEST_DPI = 30
_POINTS = 1200
_CAMERA, _SLIDE, _SPEECH, _FACE, _CLIP, _LEVEL = "#9db4d8", "#e0a94a", "#3f9d8f", "#c2639b", "#5b4bdb", "#6f7d95"


def timeline_png(data: TimelineData) -> bytes:
    """Shots, speech, faces, energy, candidates by score and chosen clips over one time axis."""

    def draw(figure: Figure) -> None:
        lanes, energy, scores = figure.subplots(3, 1, sharex=True, height_ratios=[4, 2, 2])
        for y, (marks, colour) in enumerate(
            [(data.faces, _FACE), (data.speech, _SPEECH), (data.shots, _CAMERA), (data.clips, _CLIP)]
        ):
            _bars(lanes, marks, y, colour)
        lanes.set_yticks(range(4), ["faces", "speech", "shots", "clips"])
        step_s = data.duration_s / max(len(data.energy_db), 1)
        energy.plot(
            [(i + 0.5) * step_s for i in range(len(data.energy_db))], data.energy_db, color=_LEVEL, linewidth=0.8
        )
        energy.set_ylabel("dB")
        for mark in data.candidates:
            scores.plot([mark.start_s, mark.end_s], [mark.score] * 2, color=_CLIP, alpha=0.35, linewidth=1)
        scores.set_ylabel("score")
        scores.set_xlabel("seconds")
        scores.set_xlim(0, max(data.duration_s, 1e-3))

    return _png(draw, height_in=3.6)


def _bars(axes: Axes, marks: Sequence[Mark], y: int, colour: str) -> None:
    spans = [(mark.start_s, mark.end_s - mark.start_s) for mark in marks]
    colours = [_SLIDE if mark.kind in ("slide", "screen") else colour for mark in marks]
    axes.broken_barh(spans, (y - 0.4, 0.8), facecolors=colours, edgecolors="white", linewidth=0.4)


def acoustics_png(features: AcousticFeatures) -> bytes:
    """Loudness from its quietest to its loudest in each of up to 1200 parts, pitch where there is one, and laughter and
    applause as stretches behind both; a part without pitch is left out."""

    def draw(figure: Figure) -> None:
        loudness, pitch = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        edges_s, firsts = _parts(len(features.columns["loudness_lufs"]), float(features.window_s))
        if len(firsts):
            levels, tones = features.columns["loudness_lufs"], features.columns["pitch_hz"]
            quietest, loudest = (extreme.reduceat(levels, firsts) for extreme in (np.minimum, np.maximum))
            loudness.fill_between(edges_s, quietest, loudest, color=_LEVEL, alpha=0.35, linewidth=0)
            loudness.plot(edges_s, loudest, color=_LEVEL, linewidth=0.7)
            highest = np.maximum.reduceat(tones, firsts)
            voiced = highest > 0
            pitch.plot(edges_s[voiced], highest[voiced], ".", color=_FACE, markersize=2)
            loudness.set_xlim(0, len(levels) * float(features.window_s))
        for span in burst_spans(features):
            for axes in (loudness, pitch):
                axes.axvspan(float(span.start), float(span.end), color=_SLIDE, alpha=0.4, linewidth=0)
        loudness.set_ylabel("loudness, LUFS")
        loudness.set_ylim(FLOOR_DB, 0)
        loudness.set_title("momentary loudness; laughter and applause shaded", fontsize=8, loc="left")
        pitch.set_ylabel("pitch, Hz")
        pitch.set_ylim(50, 410)
        pitch.set_xlabel("seconds")

    return _png(draw, height_in=3.4)


def _parts(windows: int, window_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and first windows of up to `_POINTS` parts of equal length."""
    step = -(-windows // _POINTS) or 1
    firsts = np.arange(0, windows, step)
    return (firsts + step / 2) * window_s, firsts


def scores_png(scores: ClipScores) -> bytes:
    """How the scores are spread, and what the points of the best candidate are made of."""

    def draw(figure: Figure) -> None:
        spread, parts = figure.subplots(1, 2, width_ratios=[2, 3])
        spread.hist([score.value for score in scores.scores], bins=20, range=(0, 100), color=_CLIP)
        spread.set_xlabel("score")
        spread.set_ylabel("candidates")
        best = max(scores.scores, key=lambda score: score.value, default=None)
        if best is not None:
            shown = sorted(best.contributions, key=lambda part: abs(part.points))[-10:]
            colours = [_SPEECH if part.points >= 0 else _SLIDE for part in shown]
            parts.barh([part.feature for part in shown], [part.points for part in shown], color=colours)
            parts.set_title(f"best candidate, {best.value:.0f} points", fontsize=9)
        parts.set_xlabel("points")

    return _png(draw, height_in=2.8)


def _png(draw: Callable[[Figure], None], height_in: float) -> bytes:
    """Drawn without a display or global state (so many at once are fine), coarser until it is small enough."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    for axes in figure.axes:
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    dpi = _DPI
    while True:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
        if file.tell() <= LARGEST_BYTES or dpi <= _COARSEST_DPI:
            return file.getvalue()
        dpi -= 15


def boxes_on(picture: bytes, boxes: Sequence[Box], width_px: int) -> bytes:
    """A frame with boxes drawn on it, as JPEG.

    Args:
        picture: JPEG or PNG of the whole frame, any size.
        boxes: in pixels of a frame `width_px` wide.
    """
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(picture)) as opened:
        frame = opened.convert("RGB")
    scale = frame.width / width_px
    pen = ImageDraw.Draw(frame)
    for box in boxes:
        corners = (box.x, box.y, box.x + box.width, box.y + box.height)
        pen.rectangle([corner * scale for corner in corners], outline=(255, 64, 160), width=3)
    return _jpeg(frame)


def strip(paths: Sequence[Path], height_px: int = 240) -> bytes:
    """Pictures side by side at one height, as JPEG."""
    from PIL import Image

    pictures = []
    for path in paths:
        with Image.open(path) as opened:
            width_px = max(1, round(opened.width * height_px / opened.height))
            pictures.append(opened.convert("RGB").resize((width_px, height_px)))
    whole = Image.new("RGB", (sum(picture.width + 8 for picture in pictures) - 8, height_px), "white")
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width + 8
    return _jpeg(whole)


def _jpeg(picture: Picture) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=80)
    return file.getvalue()
