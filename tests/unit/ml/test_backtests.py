"""A backtest judges by what the model has not seen, and its figures are pictures of those numbers."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from clip_platform.errors import TooFewExamples
from clip_platform.ml import plots
from clip_platform.ml.backtest import (
    CurvePoint,
    TenantFigures,
    backtest,
    by_tenant,
    calibration_slope,
    learning_curve,
    reliability,
    video_taus,
)
from clip_platform.ml.figures import partial_dependence, training_figures
from clip_platform.ml.labels import Labels
from clip_platform.ml.recipe import Recipe


@pytest.fixture(scope="module")
def tested(learned):
    return backtest(learned.examples, seed=1, recipe=Recipe())


def test_what_judges_is_newer_than_what_was_learned_from_and_of_other_videos(learned, tested):
    older = learned.examples.made_on < tested.held.made_on.min() - np.timedelta64(6, "D")

    assert tested.metrics["held_out_clips"] == len(tested.held) > 100
    assert tested.held.watched.all()
    assert tested.metrics["watched_clips"] <= int((learned.examples.watched & older).sum())


def test_it_beats_the_heuristic_and_says_by_how_much(tested):
    metrics = tested.metrics

    assert metrics["tau"] > metrics["heuristic_tau"] + 0.05
    assert metrics["tau_gain"] == metrics["tau"] - metrics["heuristic_tau"]
    assert 0.6 < metrics["coverage"] <= 1
    assert 0 <= metrics["worst_tenant_coverage"] <= metrics["coverage"]


def test_the_same_is_the_same_to_the_digit_and_another_seed_is_not(learned, tested):
    again, other = (backtest(learned.examples, seed=seed, recipe=Recipe()) for seed in (1, 2))

    assert again.metrics == tested.metrics
    assert other.metrics != tested.metrics


def test_all_recipes_are_judged_by_the_same_label(learned, tested):
    other = backtest(learned.examples, seed=1, recipe=Recipe(label="reactions"))

    assert np.array_equal(other.truth.value, tested.truth.value)
    assert not np.array_equal(other.learned.value, tested.learned.value)
    assert other.metrics["heuristic_tau"] == tested.metrics["heuristic_tau"]


def test_too_little_to_judge_by_is_said(learned):
    some = learned.examples.where(np.isin(learned.examples.video, np.unique(learned.examples.video)[:40]))

    with pytest.raises(TooFewExamples, match="the heuristic goes on serving"):
        backtest(some, seed=1, recipe=Recipe())


def test_honest_chances_have_no_calibration_error_and_boasts_have():
    random = np.random.default_rng(1)
    chance = random.uniform(0.1, 0.9, 20_000)
    came_true = random.random(20_000) < chance

    assert reliability(chance, came_true).error < 0.02
    assert reliability(np.clip(2 * chance - 0.5, 0, 1), came_true).error > 0.1
    assert len(reliability(np.full(50, 0.3), came_true[:50]).told) == 1


def test_labels_twice_as_steep_as_expected_have_slope_two():
    expected = np.linspace(-1, 1, 50)

    assert calibration_slope(expected, Labels(3 + 2 * expected, np.ones(50))) == pytest.approx(2)


def test_tenants_add_up_and_the_largest_comes_first(tested):
    tenants = by_tenant(tested)

    assert sum(one.clips for one in tenants) == len(tested.held)
    assert [one.clips for one in tenants] == sorted((one.clips for one in tenants), reverse=True)
    assert np.average([one.coverage for one in tenants], weights=[one.clips for one in tenants]) == pytest.approx(
        tested.metrics["coverage"]
    )


def test_videos_of_one_clip_have_no_tau():
    video = np.array(["a", "a", "b", "c", "c", "c"])

    assert video_taus(np.arange(6.0), np.array([0, 1, 5, 3, 2, 1.0]), video).tolist() == [1.0, -1.0]


def test_dependence_on_a_feature_is_the_mean_score_with_it_set(tested):
    held = tested.held.where(np.arange(30))
    changed = held.features.copy()
    changed[:, 0] = 30.0

    found = partial_dependence(tested.model, held.features, held.tenant, 0, np.array([30.0], np.float32))

    assert found[0] == pytest.approx(tested.model.score(changed, held.tenant).value.mean())


def test_every_figure_is_a_picture_and_the_same_again(learned, tested):
    curve = learning_curve(learned.examples, seed=1, recipe=Recipe())

    figures = training_figures(tested, curve)

    assert set(figures) == {
        "calibration.png", "gain.png", "partial_dependence.png", "rank_agreement.png", "shap.png", "tenants.png",
        "learning_curve.png",
    }  # fmt: skip
    for content in figures.values():
        picture = Image.open(BytesIO(content))
        assert picture.format == "PNG"
        assert 500 < picture.width < 1600
        assert np.asarray(picture.convert("L")).std() > 5  # something is drawn
    assert plots.learning_curve(curve, 0.1) == plots.learning_curve(curve, 0.1)


def test_figures_bear_what_is_missing_alike_or_long():
    nothing = np.full((5, 2), np.nan)
    tenants = [TenantFigures("t" * 70, 1, 1, float("nan"), float("nan"), 0.0, has_own_part=False)] * 30

    assert plots.shap_summary(["a", "b"], np.zeros((5, 2)), nothing)
    assert plots.gain_importance(["a", "b"], np.zeros(2), None)
    assert plots.tenant_table(tenants)
    assert plots.learning_curve([CurvePoint(300, -0.1)], 0.0)
    assert plots.rank_agreement(np.zeros(3), np.zeros(3))
    assert plots.partial_dependence([("flag", "flag", np.zeros(1), np.full(1, 50.0))], [np.full(4, np.nan)])
