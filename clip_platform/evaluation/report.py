"""One line per measure: the figure, what it must be, and whether it is. Figures come from `measures`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table

from clip_platform.evaluation import measures
from clip_platform.evaluation.measures import ShownFrame
from clip_platform.evaluation.results import ClipResult, Results
from clip_platform.evaluation.truth import TrueWord, Truth
from clip_platform.media.inspect import inspect_clip
from clip_platform.rendering.plan import ClipPlan
from clip_platform.vision.tracks import Box

CUT_TOLERANCE_S = 0.1
CAPTION_TOLERANCE_S = 0.1
_CAPTIONED_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Line:
    """One measured figure and its bound; `detail` helps whoever has to find out why it was missed."""

    measure: str
    figure: float
    bound: Literal["at least", "at most"]
    target: float
    unit: str
    detail: str = ""

    @property
    def passed(self) -> bool:
        return self.figure >= self.target if self.bound == "at least" else self.figure <= self.target


def judge(truth: Truth, results: Results) -> list[Line]:
    """All measures of one processed sample talk."""
    return [
        *_speech_lines(truth, results),
        *_picture_lines(truth, results),
        *_framing_lines(truth, [results.whole, *(clip.plan for clip in results.clips)]),
        *_clip_lines(truth, results.clips),
    ]


def _speech_lines(truth: Truth, results: Results) -> Iterator[Line]:
    text = " ".join(word.text for word in results.transcript.words)
    rate = 100 * measures.word_error_rate(truth.text, text)
    yield Line("word error rate", rate, "at most", 10.0, "%", f"{results.transcript.engine.name}")


def _picture_lines(truth: Truth, results: Results) -> Iterator[Line]:
    cuts = measures.score_cuts(truth.cuts_s, [float(cut) for cut in results.shots.cuts_s], CUT_TOLERANCE_S)
    wrong = _listed(", missed", cuts.missed, ", false", cuts.false)
    detail = f"{cuts.found} of {len(truth.cuts_s)} at ±{CUT_TOLERANCE_S:g} s{wrong}"
    yield Line("cuts, F1", cuts.f1, "at least", 1.0, "", detail)
    faces = measures.score_faces(truth, results.faces)
    found, false = f"{faces.found} of {faces.faces} in all frames", f"{faces.false} of {faces.boxes} boxes"
    yield Line("faces found", 100 * faces.recall, "at least", 95.0, "%", found)
    yield Line("false faces", 100 * faces.false_share, "at most", 1.0, "%", false)
    named = 100 * measures.speaker_share(truth, results.faces, results.turns)
    yield Line("speaker of two told apart", named, "at least", 90.0, "%", "of speech frames with two people on display")


def _listed(*parts: str | Sequence[float]) -> str:
    text = ""
    for name, values in zip(parts[::2], parts[1::2], strict=True):
        if values:
            text += f"{name} {', '.join(f'{float(value):.2f}' for value in values)}"
    return text


def _framing_lines(truth: Truth, plans: Sequence[ClipPlan]) -> Iterator[Line]:
    """Over the clips, and over the whole talk as if it were one clip (of rank 0)."""
    shown = {plan.rank: shown_frames(plan) for plan in plans}
    every = [frame for frames in shown.values() for frame in frames]
    framing = measures.score_framing(truth, every)
    detail = f"of {framing.frames} speech frames with one person on display"
    yield Line("speaker's face in the crop", 100 * framing.inside_share, "at least", 95.0, "%", detail)
    yield Line("its centre in the middle 40 %", 100 * framing.centred_share, "at least", 90.0, "%", detail)
    jumps = [
        (rank, at) for rank, frames in shown.items() for at in measures.crop_jumps(frames, truth.cuts_s, truth.width_px)
    ]
    where = ", ".join(f"clip {rank} at {at:.2f} s" for rank, at in jumps[:6])
    yield Line("crop jumps that are no cut", len(jumps), "at most", 0.0, "", where)
    slides = 100 * measures.fitted_share(truth, every)
    yield Line("slides shown whole", slides, "at least", 100.0, "%", "of their frames")


def shown_frames(plan: ClipPlan) -> list[ShownFrame]:
    """What each frame of a planned clip shows of the source."""
    picture, shown = plan.framing.picture, []
    for run in plan.framing.runs:
        for frame in range(run.first_frame, run.end_frame):
            window = None
            if run.layout == "crop":
                left, top = run.corners[frame - run.first_frame]
                window = Box(left, top, picture.window_width_px, picture.window_height_px)
            shown.append(ShownFrame(float(plan.grid.source_time_of(frame)), window))
    return shown


def _clip_lines(truth: Truth, clips: Sequence[ClipResult]) -> Iterator[Line]:
    yield Line("clips made", len(clips), "at least", 3, "", ", ".join(_span_text(clip.plan) for clip in clips))
    bounds = [float(bound) for clip in clips for bound in (clip.plan.source_span.start, clip.plan.source_span.end)]
    cut = measures.words_cut(truth.words, bounds)
    where = ", ".join(f"“{word}” at {at:.2f} s" for word, at in cut)
    yield Line("words cut by a clip's start or end", len(cut), "at most", 0.0, "", where)
    missing = sum(abs(inspect_clip(clip.video).frames - round(_duration_s(clip.plan) * truth.fps)) for clip in clips)
    yield Line("frames missing or too many", missing, "at most", 0.0, "", "counted in the files")
    yield from _caption_lines(truth, clips)


def _span_text(plan: ClipPlan) -> str:
    return f"{float(plan.source_span.start):.1f}-{float(plan.source_span.end):.1f} s"


def _duration_s(plan: ClipPlan) -> float:
    return float(plan.source_span.duration_s)


def _caption_lines(truth: Truth, clips: Sequence[ClipResult]) -> Iterator[Line]:
    recognised = max((clip.plan.caption_error_s for clip in clips), default=0.0)
    yield Line("captions from recognised words, worst", 1000 * recognised, "at most", 1000 * CAPTION_TOLERANCE_S, "ms")
    delays = [abs(delay) for clip in clips for delay in _delays_s(truth, clip)]
    near = sum(delay <= CAPTION_TOLERANCE_S for delay in delays)
    share = 100 * near / len(delays) if delays else 0.0
    median, worst = (1000 * measures.percentile(delays, part) for part in (0.5, 1.0))
    detail = f"median {median:.0f} ms, worst {worst:.0f} ms, {len(delays)} words"
    yield Line("captions within 100 ms of spoken words", share, "at least", 100 * _CAPTIONED_SHARE, "%", detail)
    said = " ".join(word.text for clip in clips for word in _words_in(truth, clip.plan))
    written = " ".join(word.text for clip in clips for word in measures.captioned_words(clip.ass))
    yield Line("word error rate of captions", 100 * measures.word_error_rate(said, written), "at most", 10.0, "%")


def _delays_s(truth: Truth, clip: ClipResult) -> list[float]:
    words, captions = _words_in(truth, clip.plan), measures.captioned_words(clip.ass)
    start_s = float(clip.plan.source_span.start)
    return measures.caption_delays_s(words, captions, start_s, float(clip.plan.grid.rate))


def _words_in(truth: Truth, plan: ClipPlan) -> list[TrueWord]:
    start_s, end_s = float(plan.source_span.start), float(plan.source_span.end)
    return [word for word in truth.words if start_s <= (word.start_s + word.end_s) / 2 < end_s]


def table_of(lines: Sequence[Line]) -> Table:
    table = Table(title="accuracy on the sample talk", title_justify="left")
    for heading, justify in (("measure", "left"), ("figure", "right"), ("target", "right"), ("", "left"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for line in lines:
        sign = "≥" if line.bound == "at least" else "≤"
        verdict = "[green]pass[/green]" if line.passed else "[bold red]MISS[/bold red]"
        figure, target = (f"{value:.4g} {line.unit}".rstrip() for value in (line.figure, line.target))
        table.add_row(line.measure, figure, f"{sign} {target}", verdict, line.detail)
    return table


def save_json(lines: Sequence[Line], path: Path) -> None:
    """The table for programs: a list of lines with `passed`."""
    rows = [{**asdict(line), "passed": line.passed} for line in lines]
    path.write_text(json.dumps({"version": 1, "measures": rows}, indent=2) + "\n", encoding="utf-8")
