"""Behaviour of what is learned: better than the heuristic, the same each time, honest about what it does not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clip_platform.errors import FeatureMismatch, LeakedTarget, TooFewExamples
from clip_platform.ml import model as model_module
from clip_platform.ml.calibration import conformal_reach, weighted_quantiles
from clip_platform.ml.concordance import mean_tau
from clip_platform.ml.examples import FEATURE_NAMES, PUBLISHED
from clip_platform.ml.labels import engagement_labels
from clip_platform.ml.model import train
from clip_platform.ml.saved import save
from clip_platform.ml.simulate import START
from clip_platform.ml.tenant_parts import TenantPart

AS_OF = START + np.timedelta64(120, "D")


def retrained(examples, seed=1):
    return train(examples, as_of=AS_OF, seed=seed, version="1")


def ranking(model, learned):
    return model.raw(learned.fresh_examples.features, learned.fresh_examples.tenant)


def test_it_ranks_fresh_clips_better_than_the_heuristic(learned):
    truth, video = learned.fresh.utility, learned.fresh.video

    assert mean_tau(ranking(learned.model, learned), truth, video) > 1.3 * mean_tau(
        learned.fresh.heuristic, truth, video
    )


def test_a_score_lies_within_its_interval_and_is_higher_for_what_ranks_higher(learned):
    scored = learned.model.score(learned.fresh_examples.features, learned.fresh_examples.tenant)

    assert np.all((scored.low >= 0) & (scored.low <= scored.value))
    assert np.all((scored.value <= scored.high) & (scored.high <= 100))
    order = np.argsort(ranking(learned.model, learned))
    assert np.all(np.diff(scored.value[order]) >= 0)
    assert np.all(np.diff(scored.top_chance[order]) >= 0)
    assert set(scored.bands) == {"low", "middle", "high"}


def test_the_interval_holds_four_fifths_of_fresh_clips(learned):
    seen = learned.fresh_examples.where(learned.fresh_examples.watched)
    label = engagement_labels(seen).value

    low, high = learned.model.calibration.label_interval(learned.model.raw(seen.features, seen.tenant))

    assert np.mean((low <= label) & (label <= high)) == pytest.approx(0.8, abs=0.07)


def test_the_same_examples_and_seed_give_the_same_bytes(learned, tmp_path):
    for name in ("a", "b"):
        save(retrained(learned.examples) if name == "b" else learned.model, tmp_path / name)

    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["accept.txt", "label.txt", "model.json"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_what_came_in_later_is_not_learned_from(learned):
    grown = replace(learned.examples, made_on=learned.examples.made_on.copy())
    young = grown.made_on > np.datetime64("2026-04-20")
    changed = replace(grown, counts=np.where(young[:, None], 0, grown.counts))
    early = np.datetime64("2026-04-24", "D")

    one, other = (train(examples, as_of=early, seed=1, version="1") for examples in (grown, changed))

    assert one.data_digest == other.data_digest
    assert np.array_equal(ranking(one, learned), ranking(other, learned))


def test_the_largest_tenant_has_a_part_of_its_own(learned):
    owner = replace(learned.examples, tenant=np.full(len(learned.examples), "solo"))

    assert set(retrained(owner).heads.tenant_parts) == {"solo"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda examples: examples.where(np.arange(200)), "the heuristic goes on serving"),
        (lambda examples: examples.where(np.zeros(0, int)), "0 clips with a week of feedback"),
        (lambda examples: replace(examples, counts=examples.counts * 0, trials=examples.trials * 0 + 1), "alike"),
    ],
    ids=["few", "an empty month", "all alike"],
)
def test_too_little_to_learn_from_is_said(learned, changes, message):
    with pytest.raises(TooFewExamples, match=message):
        retrained(changes(learned.examples))


def test_decisions_all_alike_leave_the_accept_head_out(learned):
    taken = np.where(learned.examples.reviewed, PUBLISHED, -1).astype(np.int8)

    model = retrained(replace(learned.examples, decision=taken))

    assert model.heads.accept is None
    truth, video = learned.fresh.utility, learned.fresh.video
    assert mean_tau(ranking(model, learned), truth, video) > mean_tau(learned.fresh.heuristic, truth, video)


def test_missing_features_are_learned_from_and_scored(learned):
    holes = learned.examples.features.copy()
    holes[:, FEATURE_NAMES.index("pitch_spread_st")] = np.nan
    holes[::7] = np.nan

    model = retrained(replace(learned.examples, features=holes))

    assert np.isfinite(model.score(holes[:100], learned.examples.tenant[:100]).value).all()
    assert np.isfinite(model.heads.slope)


def test_features_of_other_code_are_refused(learned):
    with pytest.raises(FeatureMismatch, match="training_examples again"):
        retrained(replace(learned.examples, feature_digest="0123456789ab"))


def with_video_means(examples):
    """What somebody who computes a feature from feedback would hand in."""
    video = np.unique(examples.video, return_inverse=True)[1]
    watched = engagement_labels(examples).value * examples.watched
    means = np.bincount(video, watched) / np.maximum(np.bincount(video, examples.watched), 1)
    features = examples.features.copy()
    features[:, FEATURE_NAMES.index("flux_rel")] = means[video]
    return replace(examples, features=features)


def test_a_feature_that_carries_the_answer_ends_the_training(learned):
    with pytest.raises(LeakedTarget, match="flux_rel"):
        retrained(with_video_means(learned.examples))


def test_without_that_guard_the_leak_looks_like_skill(learned, monkeypatch):
    monkeypatch.setattr(model_module, "expect_no_target_encoded", lambda *_: None)
    leaky = retrained(with_video_means(learned.examples))

    assert leaky.calibration.slope > 1.2 * learned.model.calibration.slope or (
        leaky.calibration.reach < 0.9 * learned.model.calibration.reach
    )


def test_quantiles_of_clips_that_count_alike_are_the_usual_ones_and_others_are_left_out():
    values = np.random.default_rng(1).normal(size=300)
    shares = np.linspace(0, 1, 41)

    assert np.allclose(weighted_quantiles(values, np.full(300, 0.3), shares), np.quantile(values, shares))
    odd = np.r_[values, np.full(100, 50.0)]
    found = weighted_quantiles(odd, np.r_[np.ones(300), np.full(100, 1e-9)], shares[:-1])
    assert np.allclose(found, np.quantile(values, shares[:-1]), atol=0.2)
    assert conformal_reach(np.abs(values), 10**6) == pytest.approx(np.quantile(np.abs(values), 0.8), abs=0.02)
    assert conformal_reach(np.abs(odd), 10**6, np.r_[np.ones(300), np.zeros(100)]) < 3


def test_the_same_clip_has_the_same_score_alone_in_a_batch_and_in_another_order(learned):
    features, tenant = learned.fresh_examples.features, learned.fresh_examples.tenant
    random, one, width = np.random.default_rng(3), np.ones(features.shape[1]), features.shape[1]
    parts = {name: TenantPart(random.normal(0, 0.1, width), one, one) for name in np.unique(tenant)}
    model = replace(learned.model, heads=replace(learned.model.heads, tenant_parts=parts))
    order = random.permutation(len(tenant))
    whole, mixed = model.score(features, tenant), model.score(features[order], tenant[order])
    alone = [model.score(features[row : row + 1], tenant[row : row + 1]) for row in range(50)]
    for name in ("value", "low", "high", "top_chance"):
        assert (getattr(mixed, name) == getattr(whole, name)[order]).all()
        assert [getattr(one, name)[0] for one in alone] == getattr(whole, name)[:50].tolist()
    assert ((whole.low <= whole.value) & (whole.value <= whole.high)).all()
