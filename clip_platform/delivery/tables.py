"""Short markdown tables for the operator's view of a video. Whatever was said cannot break out of its cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clip_platform.rendering.clips import RenderedClips
from clip_platform.scoring.scorer import ClipScores
from clip_platform.selection.candidates import ClipCandidates
from clip_platform.selection.choice import SelectedClips
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span, clock

ROWS = 40
LONGEST_CELL = 90

_SPECIAL = str.maketrans({c: "\\" + c for c in "\\`*_{}[]()#+!|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def words_table(transcript: Transcript, rows: int = ROWS) -> str:
    return _table(
        ("start", "end", "word", "confidence"),
        (
            (
                clock(word.span.start),
                clock(word.span.end),
                word.text,
                "" if word.confidence is None else f"{word.confidence:.2f}",
            )
            for word in transcript.words[:rows]
        ),
        len(transcript.words) - rows,
    )


def candidates_table(candidates: ClipCandidates, rows: int = ROWS) -> str:
    return _table(
        ("start", "length", "topic", "text"),
        ((clock(one.span.start), _length(one.span), str(one.topic), one.text) for one in candidates.candidates[:rows]),
        len(candidates.candidates) - rows,
    )


def scores_table(scores: ClipScores, rows: int = ROWS) -> str:
    best = sorted(scores.scores, key=lambda score: (-score.value, score.candidate_id))
    return _table(
        ("score", "candidate", "reasons"),
        ((f"{score.value:.1f}", score.candidate_id, "; ".join(score.reasons)) for score in best[:rows]),
        len(best) - rows,
    )


def selected_table(selected: SelectedClips) -> str:
    return _table(
        ("rank", "score", "start", "length", "title", "reasons"),
        (
            (
                str(clip.rank),
                f"{clip.score:.1f}",
                clock(clip.span.start),
                _length(clip.span),
                clip.title,
                "; ".join(clip.reasons),
            )
            for clip in selected.clips
        ),
        0,
    )


def rejected_table(selected: SelectedClips, rows: int = ROWS) -> str:
    return _table(
        ("score", "start", "length", "reason", "text"),
        (
            (
                "" if one.score is None else f"{one.score:.1f}",
                clock(one.span.start),
                _length(one.span),
                one.reason,
                one.text,
            )
            for one in selected.rejected[:rows]
        ),
        len(selected.rejected) - rows,
    )


def rendered_table(rendered: RenderedClips) -> str:
    return _table(
        ("rank", "length", "size", "frames", "loudness", "layouts", "fallbacks", "problems"),
        (
            (
                str(clip.rank),
                f"{clip.quality.duration_s:.1f} s",
                f"{clip.width_px}×{clip.height_px}",
                f"{clip.quality.frames}/{clip.quality.expected_frames}",
                "silent" if clip.quality.loudness_lufs is None else f"{clip.quality.loudness_lufs:.1f} LUFS",
                " → ".join(run.layout for run in clip.layout),
                "; ".join(clip.quality.fallbacks),
                "; ".join(clip.quality.problems),
            )
            for clip in rendered.clips
        ),
        0,
    )


def _length(span: Span) -> str:
    return f"{float(span.duration_s):.1f} s"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], more: int) -> str:
    lines = [_row(heads), _row(["---"] * len(heads)), *(_row([cell(text) for text in row]) for row in rows)]
    tail = f"\n\n… and {more} more" if more > 0 else ""
    return "\n".join(lines) + tail


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """One line, at most `LONGEST_CELL` characters, with everything markdown or HTML would act on escaped."""
    line = " ".join(text.split())
    short = line if len(line) <= LONGEST_CELL else line[: LONGEST_CELL - 1] + "…"
    return short.translate(_SPECIAL)
