"""A day's figures from examples as they come, and alarms that need more than a bad day."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from clip_platform.errors import FeatureMismatch
from clip_platform.ml.baseline import HEURISTIC
from clip_platform.ml.drift import InputReference, input_reference
from clip_platform.ml.examples import Examples
from clip_platform.ml.monitoring import CHECKS, DriftDay, alarms, watch_day
from clip_platform.ml.simulate import Drift, examples_of, make_clips, show
from tests.unit.ml.conftest import Learned

LEARNED_UNTIL = date(2026, 5, 1)
TODAY = date(2026, 7, 20)


@pytest.fixture(scope="module")
def reference(learned: Learned) -> InputReference:
    return input_reference(learned.examples, date(2026, 4, 21))


def _later(learned: Learned, drift: Drift | None = None, videos: int = 900) -> Examples:
    clips = make_clips(learned.world, videos, 41, days=(121, 200), drift=drift)
    return examples_of(clips, show(learned.world, clips, 41), as_of=200)


@pytest.fixture(scope="module")
def later(learned: Learned) -> Examples:
    return _later(learned)


def _day(learned: Learned, reference: InputReference, examples: Examples, **more) -> DriftDay:
    return watch_day(TODAY, learned.model, reference, examples, learned_until=LEARNED_UNTIL, **more)


def test_a_usual_day_has_all_figures_and_no_alarm(learned: Learned, reference: InputReference, later: Examples) -> None:
    served = ["engagement-1"] * 99 + [HEURISTIC]
    one = _day(learned, reference, later, served_by=served, last_report=TODAY - timedelta(days=1))
    assert (one.day, one.fallback_share, one.silence_days) == (TODAY, 0.01, 1.0)
    assert one.clips > 300
    assert 0.5 < one.slope < 2
    assert one.coverage == pytest.approx(0.8, abs=0.1)
    assert 0.5 < one.worst_coverage <= one.coverage
    assert one.worst_tenant in set(later.tenant)
    assert alarms([replace(one, day=TODAY + timedelta(days=k)) for k in range(3)]) == ()


def test_known_scores_give_the_same_figures(learned: Learned, reference: InputReference, later: Examples) -> None:
    raw = learned.model.raw(later.features, later.tenant, later.heuristic)
    told, found = _day(learned, reference, later, raw=raw), _day(learned, reference, later)
    assert (told.slope, told.coverage) == pytest.approx((found.slope, found.coverage))
    assert told.concept == pytest.approx(found.concept)


def test_what_the_model_learned_from_and_what_is_young_is_not_asked(
    learned: Learned, reference: InputReference, later: Examples
) -> None:
    young = later.made_on > np.datetime64(TODAY - timedelta(days=7))
    spoiled = replace(later, counts=np.where(young[:, None], later.trials, later.counts))
    assert _day(learned, reference, spoiled).concept == _day(learned, reference, later).concept
    early = watch_day(TODAY, learned.model, reference, later, learned_until=TODAY - timedelta(days=9))
    assert early.concept == {}
    assert math.isnan(early.slope)


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 5)], ids=["an empty month", "five clips"])
def test_too_little_is_not_measured_and_is_no_alarm(
    learned: Learned, reference: InputReference, later: Examples, rows: slice
) -> None:
    one = _day(learned, reference, later.where(np.arange(len(later))[rows]))
    assert (one.inputs, one.concept) == ({}, {})
    assert all(map(math.isnan, (one.slope, one.coverage, one.worst_coverage, one.fallback_share, one.silence_days)))
    assert alarms([replace(one, day=TODAY + timedelta(days=k)) for k in range(3)]) == ()


def test_other_features_are_refused(learned: Learned, reference: InputReference, later: Examples) -> None:
    with pytest.raises(FeatureMismatch, match="train again with this version"):
        _day(learned, replace(reference, feature_digest="0123456789ab"), later)


def test_other_cameras_are_input_drift_and_other_tastes_are_concept_drift(
    learned: Learned, reference: InputReference
) -> None:
    inputs = _day(learned, reference, _later(learned, Drift(188, inputs=True)))
    tastes = _day(learned, reference, _later(learned, Drift(171, tastes=True), 1800))
    assert _three(inputs) == ["input drift"]
    assert "concept drift" in _three(tastes)
    assert "input drift" not in _three(tastes)


def _three(one: DriftDay) -> list[str]:
    return [alarm.name for alarm in alarms([replace(one, day=TODAY + timedelta(days=k)) for k in range(3)])]


QUIET = DriftDay(
    day=TODAY, inputs={"a": 0.02, "b": 0.01}, concept={"a": -1.0, "b": 1.0}, slope=1.0, coverage=0.8,
    worst_tenant="t1", worst_coverage=0.7, fallback_share=0.0, silence_days=1.0, clips=500,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("input drift", {"inputs": {"a": 0.02, "b": 0.11}}, "b has PSI 0.11"),
        ("concept drift", {"concept": {"a": -4.1, "b": 1.0}}, "with a, z -4.1"),
        ("calibration slope", {"slope": 0.49}, "slope 0.49"),
        ("calibration slope", {"slope": 2.01}, "slope 2.01"),
        ("tenant coverage", {"worst_coverage": 0.59}, "59% of t1's clips"),
    ],
)
def test_three_days_in_a_row_are_an_alarm_and_two_are_not(name: str, changes: dict, said: str) -> None:
    bad = replace(QUIET, **changes)
    days = [replace(bad, day=TODAY + timedelta(days=k)) for k in range(3)]
    (alarm,) = alarms(days)
    assert (alarm.name, alarm.retrain) == (name, True)
    assert said in alarm.evidence
    assert alarms(days[1:]) == ()
    assert alarms([days[0], replace(QUIET, day=days[1].day), days[2]]) == ()
    assert alarms([replace(days[0], day=TODAY - timedelta(days=1)), *days[1:]]) == ()
    assert alarms([*days, replace(QUIET, day=TODAY + timedelta(days=3))]) == ()


@pytest.mark.parametrize(
    ("name", "changes"), [("fallbacks", {"fallback_share": 0.06}), ("feedback freshness", {"silence_days": 4.0})]
)
def test_what_a_retrain_would_not_mend_is_said_at_once(name: str, changes: dict) -> None:
    (alarm,) = alarms([replace(QUIET, **changes)])
    assert (alarm.name, alarm.retrain) == (name, False)
    assert "look" in alarm.evidence


def test_of_no_days_there_is_nothing_to_say() -> None:
    assert alarms([]) == alarms([QUIET] * 3) == ()
    assert len(CHECKS) == 6
