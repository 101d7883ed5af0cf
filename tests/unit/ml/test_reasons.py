"""Reasons are true: they sum to the score, and what they say of a clip is so, against its video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clip_platform.errors import FeatureMismatch
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.reasons import GROUPS, Wording, against_video, parts, reasons
from clip_platform.ml.serving import ModelScorer
from clip_platform.ml.tenant_parts import TenantPart
from clip_platform.scoring.features import ClipFeatures, feature_digest
from clip_platform.scoring.verdicts import score_problems
from tests.unit.ml.conftest import Learned

SAID_OF = {wording.feature: (wording.more, wording.less) for words in GROUPS.values() for wording in words}


def test_every_feature_is_in_one_group() -> None:
    named = [wording.feature for words in GROUPS.values() for wording in words]
    assert sorted(named) == sorted(FEATURE_NAMES)
    assert len(GROUPS) == 14


def test_parts_sum_to_the_raw_score(learned: Learned) -> None:
    some = learned.fresh_examples.where(np.arange(200))
    middle, slopes = np.nanmean(some.features, axis=0, dtype=float), np.linspace(-0.1, 0.1, len(FEATURE_NAMES))
    heads = replace(learned.model.heads, tenant_parts={"big": TenantPart(slopes, middle, np.ones(len(slopes)))})
    model, tenants = replace(learned.model, heads=heads), np.array(["big", "nobody"])[np.arange(200) % 2]
    found = parts(model, some.features, tenants)
    np.testing.assert_allclose(found.sum(axis=1), model.raw(some.features, tenants), atol=1e-9)


def test_against_its_video_parts_cancel_out(learned: Learned) -> None:
    some = learned.fresh_examples.where(np.arange(200))
    relative = against_video(parts(learned.model, some.features, some.tenant), some.video)
    raw = learned.model.raw(some.features, some.tenant)
    for video in np.unique(some.video):
        ours = some.video == video
        assert np.abs(relative[ours].sum(axis=0)).max() < 1e-9
        if len(np.unique(some.tenant[ours])) == 1:
            np.testing.assert_allclose(relative[ours].sum(axis=1), raw[ours] - raw[ours].mean(), atol=1e-9)


def test_what_is_said_is_so(learned: Learned) -> None:
    some = learned.fresh_examples.where(np.arange(300))
    relative = against_video(parts(learned.model, some.features, some.tenant), some.video)
    told = reasons(relative, some.features, some.video)
    assert sum(map(len, told)) > 2.5 * len(told)
    for row, found in enumerate(told):
        ours = some.video == some.video[row]
        assert [abs(one.part) for one in found] == sorted((abs(one.part) for one in found), reverse=True)
        for one in found:
            column = FEATURE_NAMES.index(one.feature)
            value, mean = float(some.features[row, column]), some.features[ours, column].mean()
            phrase = SAID_OF[one.feature][0 if value > mean else 1].format(value=value, percent=f"{100 * value:.0f} %")
            assert one.text == f"{'helps' if one.part > 0 else 'hurts'}: {phrase}"
            assert one.feature in {wording.feature for wording in GROUPS[one.group]}
            assert relative[row, column] * one.part > 0


def test_a_clip_alone_in_its_video_has_no_reason(learned: Learned) -> None:
    one = learned.fresh_examples.where(np.arange(1))
    relative = against_video(parts(learned.model, one.features, one.tenant), one.video)
    assert reasons(relative, one.features, one.video) == [()]
    assert reasons(relative[:0], one.features[:0], one.video[:0]) == []


def test_missing_values_are_no_reason(learned: Learned) -> None:
    some = learned.fresh_examples.where(np.arange(40))
    features = np.full_like(some.features, np.nan)
    relative = against_video(parts(learned.model, features, some.tenant), some.video)
    assert np.isfinite(relative).all()
    assert set(reasons(relative, features, some.video)) == {()}


def test_no_wording_is_said_of_two_features() -> None:
    phrases = [phrase for words in GROUPS.values() for wording in words for phrase in (wording.more, wording.less)]
    assert len(phrases) == len(set(phrases))
    assert Wording("x", "a", "b") not in [wording for words in GROUPS.values() for wording in words]


@pytest.fixture
def features(learned: Learned) -> ClipFeatures:
    """Candidates of one video."""
    some = learned.fresh_examples
    rows = np.flatnonzero(some.video == some.video[0])
    columns = {name: tuple(some.features[rows, place].tolist()) for place, name in enumerate(FEATURE_NAMES)}
    return ClipFeatures(feature_digest(), tuple(some.clip[rows].tolist()), columns)


def test_the_models_scores_are_what_the_pipeline_expects(learned: Learned, features: ClipFeatures) -> None:
    scores = ModelScorer(learned.model, "t0001").score(features)
    assert scores.model == "engagement-1"
    assert score_problems(scores) == []
    assert [score.candidate_id for score in scores.scores] == list(features.candidate_ids)
    for score in scores.scores:
        assert score.low is not None
        assert score.high is not None
        assert 0 <= score.low <= score.value <= score.high <= 100
        assert score.band in ("low", "middle", "high")
        assert score.top_chance is not None
        assert 0 < score.top_chance < 1
        assert max(abs(part.points) for part in score.contributions) < 100


def test_foreign_features_are_refused_and_no_candidate_is_no_score(learned: Learned, features: ClipFeatures) -> None:
    scorer = ModelScorer(learned.model, "t0001")
    with pytest.raises(FeatureMismatch, match="make clip_features"):
        scorer.score(replace(features, digest="0123456789ab"))
    nothing = ClipFeatures(feature_digest(), (), dict.fromkeys(FEATURE_NAMES, ()))
    assert scorer.score(nothing).scores == ()
