"""How well the sample talk was processed, from its words to its clips. Figures come from `measures`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

from clip_platform.evaluation import measures
from clip_platform.evaluation.lines import Line
from clip_platform.evaluation.measures import ShownFrame
from clip_platform.evaluation.results import ClipResult, Results
from clip_platform.evaluation.truth import TrueWord, Truth
from clip_platform.media.inspect import inspect_clip
from clip_platform.rendering.plan import ClipPlan
from clip_platform.vision.tracks import Box

CUT_TOLERANCE_S = 0.1
CAPTION_TOLERANCE_S = 0.1
_SPEAKER_CHANGE_S = 0.5
_CAPTIONED_SHARE = 0.95
_TALK = "sample talk"
_speech, _vision, _speakers, _rendering, _selection = (
    partial(Line, stage, _TALK) for stage in ("speech", "vision", "speakers", "rendering", "selection")
)


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
    yield _speech("word error rate", rate, "at most", 8.0, "%", f"{results.transcript.engine.name}")
    words = [(word.text, float(word.span.start)) for word in results.transcript.words]
    yield from onset_lines(_TALK, measures.onset_errors_s(truth.words, words))


def onset_lines(data_set: str, errors_s: Sequence[float]) -> Iterator[Line]:
    """Median and 95th percentile of how far words' starts are from the truth, in absolute value."""
    distances = [1000 * abs(error) for error in errors_s]
    detail, anchor = f"{len(distances)} words understood as said", "word times of published engines: 20-120 ms"
    for name, share, target in (("median", 0.5, 60.0), ("p95", 0.95, 200.0)):
        figure = measures.percentile(distances, share) if distances else float("inf")
        yield Line("speech", data_set, f"word onset error, {name}", figure, "at most", target, "ms", detail, anchor)


def _picture_lines(truth: Truth, results: Results) -> Iterator[Line]:
    cuts = measures.score_cuts(truth.cuts_s, [float(cut) for cut in results.shots.cuts_s], CUT_TOLERANCE_S)
    wrong = _listed(", missed", cuts.missed, ", false", cuts.false)
    detail = f"{cuts.found} of {len(truth.cuts_s)} at ±{CUT_TOLERANCE_S:g} s{wrong}"
    yield _vision("cuts, F1", cuts.f1, "at least", 1.0, "", detail)
    faces = measures.score_faces(truth, results.faces)
    found, false = f"{faces.found} of {faces.faces} in all frames", f"{faces.false} of {faces.boxes} boxes"
    yield _vision("faces found", 100 * faces.recall, "at least", 95.0, "%", found)
    yield _vision("false faces", 100 * faces.false_share, "at most", 1.0, "%", false)
    named = 100 * measures.speaker_share(truth, results.faces, results.turns)
    yield _speakers(
        "speaker of two told apart", named, "at least", 95.0, "%", "of speech frames with two people on display"
    )


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
    yield _rendering("speaker's face in the crop", 100 * framing.inside_share, "at least", 95.0, "%", detail)
    yield _rendering("its centre in the middle 40 %", 100 * framing.centred_share, "at least", 90.0, "%", detail)
    cuts_s = [*truth.cuts_s, *(at for plan in plans for at in _cuts_to_speakers_s(truth, plan))]
    jumps = [(rank, at) for rank, frames in shown.items() for at in measures.crop_jumps(frames, cuts_s, truth.width_px)]
    where = ", ".join(f"clip {rank} at {at:.2f} s" for rank, at in jumps[:6])
    yield _rendering("crop jumps that are no cut", len(jumps), "at most", 0.0, "", where)
    slides = 100 * measures.fitted_share(truth, every)
    yield _rendering("slides shown whole", slides, "at least", 100.0, "%", "of their frames")


def _cuts_to_speakers_s(truth: Truth, plan: ClipPlan) -> list[float]:
    """Source times at which a clip cuts from one speaker to the other where the speaker truly changes; a cut anywhere
    else is a jump."""
    changes = [after.start_s for before, after in pairwise(truth.segments) if before.speaker != after.speaker]
    starts = [float(plan.grid.source_time_of(run.first_frame)) for run in plan.framing.runs]
    return [at for at in starts if any(abs(at - change) <= _SPEAKER_CHANGE_S for change in changes)]


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
    yield _selection("clips made", len(clips), "at least", 3, "", ", ".join(_span_text(clip.plan) for clip in clips))
    bounds = [float(bound) for clip in clips for bound in (clip.plan.source_span.start, clip.plan.source_span.end)]
    cut = measures.words_cut(truth.words, bounds)
    where = ", ".join(f"“{word}” at {at:.2f} s" for word, at in cut)
    yield _selection("words cut by a clip's start or end", len(cut), "at most", 0.0, "", where)
    missing = sum(abs(inspect_clip(clip.video).frames - round(_duration_s(clip.plan) * truth.fps)) for clip in clips)
    yield _rendering("frames missing or too many", missing, "at most", 0.0, "", "counted in the files")
    yield from _caption_lines(truth, clips)


def _span_text(plan: ClipPlan) -> str:
    return f"{float(plan.source_span.start):.1f}-{float(plan.source_span.end):.1f} s"


def _duration_s(plan: ClipPlan) -> float:
    return float(plan.source_span.duration_s)


def _caption_lines(truth: Truth, clips: Sequence[ClipResult]) -> Iterator[Line]:
    recognised = max((clip.plan.caption_error_s for clip in clips), default=0.0)
    yield _rendering(
        "captions from recognised words, worst", 1000 * recognised, "at most", 1000 * CAPTION_TOLERANCE_S, "ms"
    )
    delays = [abs(delay) for clip in clips for delay in _delays_s(truth, clip)]
    near = sum(delay <= CAPTION_TOLERANCE_S for delay in delays)
    share = 100 * near / len(delays) if delays else 0.0
    median, worst = (1000 * measures.percentile(delays, part) for part in (0.5, 1.0))
    detail = f"median {median:.0f} ms, worst {worst:.0f} ms, {len(delays)} words"
    yield _rendering("captions within 100 ms of spoken words", share, "at least", 100 * _CAPTIONED_SHARE, "%", detail)
    said = " ".join(word.text for clip in clips for word in _words_in(truth, clip.plan))
    written = " ".join(word.text for clip in clips for word in measures.captioned_words(clip.ass))
    yield _rendering("word error rate of captions", 100 * measures.word_error_rate(said, written), "at most", 8.0, "%")


def _delays_s(truth: Truth, clip: ClipResult) -> list[float]:
    words, captions = _words_in(truth, clip.plan), measures.captioned_words(clip.ass)
    start_s = float(clip.plan.source_span.start)
    return measures.caption_delays_s(words, captions, start_s, float(clip.plan.grid.rate))


def _words_in(truth: Truth, plan: ClipPlan) -> list[TrueWord]:
    start_s, end_s = float(plan.source_span.start), float(plan.source_span.end)
    return [word for word in truth.words if start_s <= (word.start_s + word.end_s) / 2 < end_s]
