"""What has changed is found in the feature that changed; what has not is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from clip_platform.errors import CorruptArtifact, TooFewExamples
from clip_platform.ml.drift import InputReference, Response, concept_drift, input_drift, input_reference
from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.simulate import START, examples_of, make_clips, show
from tests.unit.ml.conftest import Learned

UNTIL = date(2026, 4, 21)
ENERGY = FEATURE_NAMES.index("energy_spread_db")


@pytest.fixture(scope="module")
def reference(learned: Learned) -> InputReference:
    return input_reference(learned.examples, UNTIL)


def test_more_of_the_same_is_no_drift(learned: Learned, reference: InputReference) -> None:
    found = input_drift(learned.fresh_examples.features, learned.fresh_examples.video, reference)
    assert set(found) == set(FEATURE_NAMES)
    assert max(found.values()) < 0.05


def test_few_videos_are_not_taken_for_drift(learned: Learned, reference: InputReference) -> None:
    """Without the allowance for chance thirty videos alone make an index of a tenth."""
    fresh = learned.fresh_examples
    few = np.isin(fresh.video, np.unique(fresh.video)[:30])
    found = np.array(list(input_drift(fresh.features[few], fresh.video[few], reference).values()))
    assert found.max() < 0.1
    assert abs(found.mean()) < 0.02


@pytest.mark.parametrize(
    "change",
    [lambda x: x + 1.5, lambda x: x * 2, lambda x: np.where(np.arange(len(x)) % 8 == 0, np.nan, x),
     lambda x: x * np.nan, lambda x: np.full_like(x, np.inf)],
    ids=["louder", "another unit", "missing now and then", "missing", "infinite"],
)  # fmt: skip
def test_the_feature_that_changed_is_named(learned: Learned, reference: InputReference, change) -> None:
    features = learned.fresh_examples.features.copy()
    features[:, ENERGY] = change(features[:, ENERGY])
    found = input_drift(features, learned.fresh_examples.video, reference)
    assert [name for name, index in found.items() if index > 0.1] == ["energy_spread_db"]


def test_what_was_always_missing_or_always_the_same_can_appear(learned: Learned) -> None:
    features = learned.examples.features.copy()
    features[:, ENERGY], features[:, ENERGY + 1] = np.nan, 7.0
    reference = input_reference(replace(learned.examples, features=features), UNTIL)
    found = input_drift(learned.fresh_examples.features, learned.fresh_examples.video, reference)
    assert found["energy_spread_db"] > 0.1
    assert found[FEATURE_NAMES[ENERGY + 1]] > 0.1


def test_too_few_videos_give_no_numbers(learned: Learned, reference: InputReference) -> None:
    one = learned.fresh_examples.video == learned.fresh_examples.video[0]
    assert input_drift(learned.fresh_examples.features[one], learned.fresh_examples.video[one], reference) == {}
    assert input_drift(learned.fresh_examples.features[:0], learned.fresh_examples.video[:0], reference) == {}
    with pytest.raises(TooFewExamples, match="0 videos in the 90 days up to 2025-01-01"):
        input_reference(learned.examples, date(2025, 1, 1))


def test_a_reference_is_kept_as_numbers(reference: InputReference, learned: Learned) -> None:
    again = InputReference.from_numbers(json.loads(json.dumps(reference.as_numbers())))
    fresh = learned.fresh_examples
    assert input_drift(fresh.features, fresh.video, again) == input_drift(fresh.features, fresh.video, reference)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {},
        lambda numbers: {**numbers, "distributions": {}},
        lambda numbers: {**numbers, "distributions": None},
        lambda numbers: _with(numbers, shares=[0.5]),
        lambda numbers: _with(numbers, edges=[2.0, 1.0], shares=[0.25] * 4, variances=[0.0] * 4),
        lambda numbers: _with(numbers, edges=[1.0], shares=[0.5, 0.5, 0.0], variances=[0.0] * 3),
        lambda numbers: _with(numbers, edges=["x"]),
        lambda numbers: _with(numbers, edges=[float("nan")], shares=[0.4, 0.3, 0.3], variances=[0.0] * 3),
    ],
    ids=["empty", "none", "null", "lengths", "falling", "zero share", "text", "not a number"],
)
def test_a_spoiled_reference_is_refused(reference: InputReference, spoil) -> None:
    with pytest.raises(CorruptArtifact, match="train again"):
        InputReference.from_numbers(spoil(reference.as_numbers()))


def _with(numbers, **changes):
    one = {**numbers["distributions"]["energy_spread_db"], **changes}
    return {**numbers, "distributions": {**numbers["distributions"], "energy_spread_db": one}}


@pytest.fixture(scope="module")
def two_months(learned: Learned) -> Examples:
    clips = make_clips(learned.world, 800, 31, days=(130, 190))
    examples = examples_of(clips, show(learned.world, clips, 31), as_of=210)
    return examples.where(examples.watched)


def _z(learned: Learned, examples: Examples, value: np.ndarray) -> dict[str, float]:
    raw = learned.model.raw(examples.features, examples.tenant, examples.heuristic)
    return dict(concept_drift(examples, raw, [_response(examples, value)]))


def _response(examples: Examples, value: np.ndarray) -> Response:
    before = examples.made_on < START + np.timedelta64(160, "D")
    return Response(value, np.ones(len(value)), before, ~before)


def _noise(examples: Examples) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, len(examples))


def test_a_taste_that_comes_up_is_found_and_one_that_was_there_is_not(learned: Learned, two_months: Examples) -> None:
    loud = two_months.column("energy_spread_db")
    loud = (loud - loud.mean()) / loud.std()
    later = two_months.made_on >= START + np.timedelta64(160, "D")
    always = _z(learned, two_months, _noise(two_months) + 0.3 * loud)
    new = _z(learned, two_months, _noise(two_months) + 0.3 * loud * later)
    assert max(map(abs, always.values())) < 4
    assert max(new, key=lambda name: abs(new[name])) == "energy_spread_db"
    assert new["energy_spread_db"] > 4


def test_fame_and_a_steeper_score_are_left_to_calibration(learned: Learned, two_months: Examples) -> None:
    raw = learned.model.raw(two_months.features, two_months.tenant, two_months.heuristic)
    later = two_months.made_on >= START + np.timedelta64(160, "D")
    steeper = _z(learned, two_months, _noise(two_months) + later * (1 + 2 * raw))
    assert max(map(abs, steeper.values())) < 4


def test_missing_values_and_constant_features_have_a_number(learned: Learned, two_months: Examples) -> None:
    features = two_months.features.copy()
    features[:, ENERGY], features[:, ENERGY + 1] = np.nan, 7.0
    z = _z(learned, replace(two_months, features=features), _noise(two_months))
    assert np.isfinite(list(z.values())).all()
    assert z["energy_spread_db"] == z[FEATURE_NAMES[ENERGY + 1]] == 0


def test_a_period_of_few_videos_gives_no_numbers(two_months: Examples) -> None:
    before = np.arange(len(two_months)) < len(two_months) - 20
    short = replace(_response(two_months, _noise(two_months)), before=before, now=~before)
    assert concept_drift(two_months, np.zeros(len(two_months)), [short]) == {}
    assert concept_drift(two_months, np.zeros(len(two_months)), []) == {}


def test_viewers_and_reviewers_together_are_surer_than_each(learned: Learned, two_months: Examples) -> None:
    loud = (two_months.column("energy_spread_db") - 5) / 2
    later = two_months.made_on >= START + np.timedelta64(160, "D")
    raw = learned.model.raw(two_months.features, two_months.tenant, two_months.heuristic)
    noise = np.random.default_rng(4).normal(0, 1, (2, len(two_months)))
    one, other = (_response(two_months, values + 0.15 * loud * later) for values in noise)
    alone = [concept_drift(two_months, raw, [each])["energy_spread_db"] for each in (one, other)]
    together = concept_drift(two_months, raw, [one, other])["energy_spread_db"]
    assert together == pytest.approx(sum(alone) / np.sqrt(2), rel=0.1)
    assert concept_drift(two_months, raw, [one, one]) == pytest.approx(concept_drift(two_months, raw, [one]))
