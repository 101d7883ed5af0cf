"""Whether the product knows who of two people speaks: on drawn two-shots and on real talkers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_platform.evaluation import recordings
from clip_platform.evaluation.active_speaker import Watched, followed_share, scores, watched
from clip_platform.evaluation.grid_pairs import make_grid_pairs
from clip_platform.evaluation.lines import Line, Measured, NotMeasured
from clip_platform.evaluation.two_shots import make_two_shots

SEEDS = (1, 2, 3, 4)
_STAGE = "speakers"
_LEAST_TWO_SHOTS, _LEAST_GRID_PAIRS = 95.0, 90.0
_LONGEST_SWITCH_S = 0.5
_ANCHOR = "no published figure for these data sets; AVA-ActiveSpeaker's best are at 95 % mAP (LoCoNet, 2024)"


def two_shots_measured(folder: Path) -> Measured:
    """Drawn two-shots of `SEEDS`; made anew in `folder`. Raises as `make_two_shot`."""
    seen = [watched(conversation) for conversation in make_two_shots(SEEDS, folder)]
    return Measured(_lines("generated two-shots", seen, _LEAST_TWO_SHOTS))


def grid_pairs_measured(folder: Path) -> Measured:
    """Talkers of the GRID corpus side by side, where the recordings are at hand."""
    media = recordings.folder()
    if media is None:
        return Measured(absent=[NotMeasured(_STAGE, "GRID pairs", recordings.why_absent())])
    seen = [watched(conversation) for conversation in make_grid_pairs(media, folder)]
    return Measured(_lines("GRID pairs, one voice at a time", seen, _LEAST_GRID_PAIRS))


def _lines(data_set: str, seen: Sequence[Watched], least: float) -> list[Line]:
    found = scores(seen)
    detail = f"{found.speech_s:.0f} s of speech, {100 * found.unknown:.1f} % of it unknown"
    delays = f"{len(found.delays_s)} changes of speaker, median {found.median_delay_s:.2f} s"
    return [
        Line(_STAGE, data_set, "right face", 100 * found.right, "at least", least, "%", detail, _ANCHOR),
        Line(
            _STAGE,
            data_set,
            "longest delay of a switch",
            found.worst_delay_s,
            "at most",
            _LONGEST_SWITCH_S,
            "s",
            delays,
        ),
        Line(_STAGE, data_set, "upright crop on the speaker", 100 * followed_share(seen), "at least", least, "%"),
    ]
