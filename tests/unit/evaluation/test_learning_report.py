"""The page shows what was found, whole and in one file, and ends in one line that says when a target was missed."""

from __future__ import annotations

import pytest

from clip_platform.evaluation.learning_report import Report, page_of
from clip_platform.ml.drift_study import Found, Quiet, Watched
from clip_platform.ml.loop_study import LoopStudy
from clip_platform.ml.promotion_study import GROWN, NULL, Judged
from clip_platform.ml.ranking_study import Ranked


def _study(served: float = 0.4) -> LoopStudy:
    ranked = tuple(Ranked(seed, clips, served, 0.22, 0.48, 0.8) for seed in (1, 2) for clips in (1000, 10_000))
    judged = (
        *(Judged(seed, NULL, 0.0, False, 1600, "shadow") for seed in range(30)),
        *(Judged(seed, GROWN, 0.09, True, 500 + seed, "tenants") for seed in range(3)),
    )
    delays = (Found(1, "inputs", 6.0), Found(1, "tastes", 20.0))
    return LoopStudy(1, ranked, judged, (Watched(Quiet(1, 200, ()), delays),))


def test_the_page_is_whole_and_ends_in_the_line() -> None:
    found = _study()
    report = Report(found)
    page = page_of(report, 61.0)
    assert report.line.startswith("seed 1: all targets met: tau over the heuristic's at 1,000 clips 1.82 (at least 1.5")
    assert page.count("data:image/png;base64,") == 3
    assert "http://" not in page
    assert "https://" not in page
    assert page.rstrip().endswith("</strong></p></html>")
    for figure in found.figures:
        assert figure.name.replace("'", "&#x27;") in page


def test_a_miss_is_shown_as_one() -> None:
    found = _study(served=0.3)
    assert not found.passed
    assert "TARGETS MISSED" in Report(found).line
    assert "class='missed'" in page_of(Report(found), 1.0)


@pytest.mark.parametrize("part", ["ranked", "judged", "watched"])
def test_what_was_not_studied_is_left_out(part: str) -> None:
    whole = _study()
    parts = {name: getattr(whole, name) if name == part else () for name in ("ranked", "judged", "watched")}
    found = LoopStudy(seed=1, **parts)
    assert page_of(Report(found), 1.0).count("data:image") == 1
