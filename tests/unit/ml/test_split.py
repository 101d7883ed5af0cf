"""Nothing that is judged by was learned from, and no feature carries the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clip_platform.errors import LeakedTarget, TooFewExamples
from clip_platform.ml import split as split_module
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.labels import engagement_labels
from clip_platform.ml.simulate import examples_of, make_clips, make_world, show
from clip_platform.ml.split import Split, expect_apart, expect_no_target_encoded, matured, split_by_time_and_video

WORLD = make_world(3)
CLIPS = make_clips(WORLD, 150, 7, days=(0, 100))
EXAMPLES = examples_of(CLIPS, show(WORLD, CLIPS, 7))
WATCHED = EXAMPLES.where(EXAMPLES.watched)
LABEL = engagement_labels(WATCHED).value
COMPLETED = WATCHED.counts[:, 0] / np.maximum(WATCHED.trials[:, 0], 1)


def guard(features: np.ndarray) -> None:
    expect_no_target_encoded(features, FEATURE_NAMES, [LABEL, COMPLETED], WATCHED.video, WATCHED.tenant)


def with_column(values: np.ndarray) -> np.ndarray:
    features = WATCHED.features.copy()
    features[:, FEATURE_NAMES.index("flux_rel")] = values
    return features


def group_mean(target: np.ndarray, group: np.ndarray, prior: float = 0.0) -> np.ndarray:
    index = np.unique(group, return_inverse=True)[1]
    return (np.bincount(index, target) / (np.bincount(index) + prior))[index]


def test_no_video_is_on_both_sides_and_a_week_lies_between():
    split = split_by_time_and_video(EXAMPLES.made_on, EXAMPLES.video)

    assert not set(EXAMPLES.video[split.train]) & set(EXAMPLES.video[split.held_out])
    assert EXAMPLES.made_on[split.held_out].min() - EXAMPLES.made_on[split.train].max() > np.timedelta64(7, "D")
    assert len(split.train) + len(split.held_out) + split.left_out == len(EXAMPLES)
    assert len(split.held_out) == pytest.approx(0.2 * len(EXAMPLES), rel=0.1)


def test_a_video_whose_clips_were_made_on_both_sides_is_on_neither():
    days = np.array(["2026-01-01", "2026-01-02", "2026-03-01", "2026-01-01", "2026-03-02"], "datetime64[D]")

    split = split_by_time_and_video(days, np.array(["a", "b", "c", "d", "d"]), share=0.2)

    assert (list(split.train), list(split.held_out), split.left_out) == ([0, 1], [2], 2)


def test_one_day_of_clips_cannot_be_split():
    with pytest.raises(TooFewExamples, match="wait for more days"):
        split_by_time_and_video(np.full(4, "2026-01-01", "datetime64[D]"), np.array(["a", "a", "b", "b"]))


def test_a_split_by_clip_is_refused():
    half = np.arange(len(EXAMPLES)) % 2 == 0
    with pytest.raises(LeakedTarget, match="both sides"):
        expect_apart(Split(np.flatnonzero(half), np.flatnonzero(~half), 0), EXAMPLES.made_on, EXAMPLES.video)


def test_a_split_without_a_gap_is_refused():
    newest = EXAMPLES.video >= np.sort(EXAMPLES.video)[len(EXAMPLES) // 2]
    with pytest.raises(LeakedTarget, match="7 days must lie between"):
        expect_apart(Split(np.flatnonzero(~newest), np.flatnonzero(newest), 0), EXAMPLES.made_on, EXAMPLES.video)


def test_what_is_younger_than_a_week_is_not_mature():
    days = np.array(["2026-01-01", "2026-01-04"], "datetime64[D]")

    assert list(matured(days, np.datetime64("2026-01-10T12:00"))) == [True, False]


@pytest.mark.parametrize("seed", range(3))
def test_honest_features_pass(seed):
    world = make_world(seed)
    clips = make_clips(world, 120, seed)
    seen = examples_of(clips, show(world, clips, seed))
    seen = seen.where(seen.watched)
    targets = [engagement_labels(seen).value, seen.counts[:, 0] / np.maximum(seen.trials[:, 0], 1)]
    expect_no_target_encoded(seen.features, FEATURE_NAMES, targets, seen.video, seen.tenant)


@pytest.mark.parametrize("target", [LABEL, COMPLETED], ids=["label", "completions"])
@pytest.mark.parametrize("prior", [0.0, 0.3])
def test_the_mean_of_a_video_as_a_feature_is_refused(target, prior):
    with pytest.raises(LeakedTarget, match="flux_rel is the video's mean"):
        guard(with_column(group_mean(target, WATCHED.video, prior)))


def test_the_mean_of_a_video_without_the_clip_is_refused():
    size = np.unique(WATCHED.video, return_inverse=True, return_counts=True)
    count = size[2][size[1]]
    without = (group_mean(LABEL, WATCHED.video) * count - LABEL) / np.maximum(count - 1, 1)
    with pytest.raises(LeakedTarget, match="flux_rel"):
        guard(with_column(np.where(count > 1, without, 0)))


def test_the_mean_of_a_tenant_as_a_feature_is_refused():
    with pytest.raises(LeakedTarget, match="flux_rel is the tenant's mean"):
        guard(with_column(group_mean(COMPLETED, WATCHED.tenant)))


def test_one_tenant_cannot_keep_all_from_training(monkeypatch):
    names, clips = np.unique(WATCHED.tenant, return_counts=True)
    ours = WATCHED.tenant == names[np.argmax(clips)]
    liked = np.isin(WATCHED.video, np.unique(WATCHED.video[ours])[::2])
    features = WATCHED.features.copy()
    features[ours, FEATURE_NAMES.index("flux_rel")] = np.where(liked[ours], 1e3, -1e3)
    targets = [np.where(ours, np.where(liked, 4.0, -4.0), LABEL)]

    expect_no_target_encoded(features, FEATURE_NAMES, targets, WATCHED.video, WATCHED.tenant)

    monkeypatch.setattr(split_module, "_halves", lambda tenant: [np.ones(len(tenant), bool)])
    with pytest.raises(LeakedTarget, match="flux_rel"):
        expect_no_target_encoded(features, FEATURE_NAMES, targets, WATCHED.video, WATCHED.tenant)


def test_of_few_videos_nothing_can_be_said():
    few = WATCHED.where(np.arange(10))
    expect_no_target_encoded(few.features, FEATURE_NAMES, [LABEL[:10]], few.video, few.tenant)


def test_missing_values_do_not_hide_a_leak():
    leaky = replace(WATCHED, features=with_column(group_mean(LABEL, WATCHED.video))).features
    leaky[::20] = np.nan
    with pytest.raises(LeakedTarget):
        guard(leaky)
