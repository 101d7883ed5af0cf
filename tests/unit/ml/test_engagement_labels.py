"""The label's formulae against numbers worked out apart from them, and what no tenant can do to them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.influence import LARGEST_SHARE, capped_shares
from clip_platform.ml.labels import (
    LARGEST_Z,
    acceptance,
    duration_adjusted,
    engagement_labels,
    log_ratios,
    moment_kappa,
    standardised,
    tenant_rates,
    video_centred,
)
from clip_platform.scoring.features import feature_digest


def clips(tenants: int = 8, each: int = 60, seed: int = 0) -> Examples:
    """Clips with counts by chance around rates of their own; the clip's worth is `heuristic`."""
    random = np.random.default_rng(seed)
    n = tenants * each
    worth = random.normal(0, 1, n)
    tenant = np.repeat(np.arange(tenants), each)
    views = random.integers(20, 2000, n).astype(float)
    log_length = random.normal(3.3, 0.4, n)
    rate = 1 / (1 + np.exp(-(-0.5 + 0.3 * tenant / tenants + 0.5 * worth - 0.8 * (log_length - 3.3))))
    columns = np.zeros((n, len(FEATURE_NAMES)), np.float32)
    columns[:, FEATURE_NAMES.index("duration_s")] = np.exp(log_length)
    like = random.poisson(views * 0.03 * np.exp(0.5 * worth))
    impressions = np.ceil(views / random.uniform(0.1, 0.5, n))
    counts = np.stack([random.binomial(views.astype(int), rate), views, like, like / 3, like / 4], 1).astype(float)
    return Examples(
        tenant=np.char.add("t", tenant.astype(str)), video=np.char.add("v", (np.arange(n) // 6).astype(str)),
        clip=np.arange(n).astype(str), made_on=np.full(n, "2026-01-01", "datetime64[D]"), features=columns,
        heuristic=worth, explored=np.zeros(n, bool), decision=np.full(n, -1, np.int8), counts=counts,
        trials=np.stack([views, impressions, views, views, views], 1), feature_digest=feature_digest(),
    )  # fmt: skip


def test_kappa_is_found_again_in_counts_made_with_it():
    random = np.random.default_rng(1)
    rates = random.beta(0.3 * 40, 0.7 * 40, 6000)
    trials = random.integers(30, 400, 6000)

    assert moment_kappa(random.binomial(trials, rates), trials.astype(float)) == pytest.approx(40, rel=0.1)


def test_a_viral_clip_is_not_its_tenant():
    counts, trials = np.array([10.0, 10.0, 9e8]), np.array([100.0, 100.0, 1e9])

    rate = tenant_rates(counts, trials, np.array([0, 0, 1]))

    overall = (20 + 0.9 * 200) / 400  # cut to half of all, as there are two tenants
    assert rate == pytest.approx([(20 + 500 * overall) / 700, (360 + 500 * overall) / 900])


def test_log_ratios_of_one_clip():
    ratio, rho = log_ratios(np.array([30.0]), np.array([100.0]), np.array([0]), is_share=True)

    usual, kappa = 0.3, 30.0
    theta = (30 + kappa * usual) / (100 + kappa)
    assert rho == pytest.approx([100 / 130])
    assert ratio == pytest.approx([(math.log(theta / (1 - theta)) - math.log(0.3 / 0.7)) / rho[0]], abs=1e-9)


def test_length_explains_nothing_any_more():
    random = np.random.default_rng(2)
    length, weight = random.normal(0, 1, 500), random.uniform(0, 1, 500)

    adjusted = duration_adjusted(2 - 0.7 * np.clip(length, -2, 2) + random.normal(0, 0.1, 500), weight, length)

    centred = length - np.average(length, weights=weight + 1e-3)
    assert abs(np.average(centred * adjusted, weights=weight + 1e-3)) < 1e-9


def test_a_videos_fame_is_taken_off_in_part():
    centred = video_centred(np.array([2.0, 4.0, 1.0]), np.array([1.0, 1.0, 1.0]), np.array(["a", "a", "b"]))

    assert centred == pytest.approx([2 - 6 / 5, 4 - 6 / 5, 1 - 1 / 4])


def test_decisions_as_shares():
    assert acceptance(np.array([0, 1, 2, 3])) == pytest.approx([0, 0.5, 1, 1])
    assert np.isnan(acceptance(np.array([-1]))[0])


def test_better_clips_have_higher_labels():
    examples = clips()

    assert np.corrcoef(engagement_labels(examples).value, examples.heuristic)[0, 1] > 0.8


def test_a_clip_that_nobody_saw_has_no_label_and_the_least_weight():
    examples = clips()
    unseen = replace(examples, counts=examples.counts * 0, trials=examples.trials * 0)

    labels = engagement_labels(unseen)

    assert np.all(labels.value == 0)
    assert np.all(labels.weight == 0.05)


def test_no_clips_no_labels():
    assert len(engagement_labels(clips().where(np.zeros(0, int))).value) == 0


def test_labels_do_not_depend_on_the_order_of_clips():
    examples = clips()
    order = np.random.default_rng(3).permutation(len(examples))

    assert engagement_labels(examples.where(order)).value == pytest.approx(engagement_labels(examples).value[order])


def test_a_billion_views_move_no_label_far():
    honest = clips()
    counts, trials = honest.counts.copy(), honest.trials.copy()
    counts[0], trials[0] = 1e9, [1e9, 1e9, 1e9, 1e9, 1e9]

    attacked = replace(honest, counts=counts, trials=trials)

    before, after = engagement_labels(honest).value, engagement_labels(attacked).value
    others = honest.tenant != honest.tenant[0]
    assert np.abs(after).max() <= LARGEST_Z
    assert np.abs(after - before)[others].max() < 0.25


def test_standardised_values_stay_within_four():
    assert np.abs(standardised(np.array([1.0, -1.0, 1e6]), np.array([1.0, 1.0, 1e-6]))).max() == LARGEST_Z


@pytest.mark.parametrize("sums", [[100] + [1] * 20, [1e9] + [2] * 12, [50, 50] + [1] * 10, list(range(5, 25))])
def test_no_tenant_pulls_more_than_its_share(sums):
    tenants = np.arange(len(sums))
    made = np.full(len(sums), 1 / len(sums))
    cut = np.array(sums, float) * capped_shares(np.array(sums, float), tenants, made)

    assert cut.max() <= LARGEST_SHARE * cut.sum() * (1 + 1e-6)
    assert cut[np.argmin(sums)] == pytest.approx(min(sums))


def test_a_customer_with_most_of_the_clips_is_not_cut_for_it():
    tenants = np.array([0] * 90 + [1] * 10)

    assert capped_shares(np.ones(100), tenants, np.array([0.9, 0.1])) == pytest.approx(np.ones(100))
