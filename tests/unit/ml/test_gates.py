"""Each gate lets the good through and stops what it is there for, with evidence in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from clip_platform.assets.training import GATES
from clip_platform.ml import gates
from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.gates import Trial, arm_of, judge, shadow_verdict
from clip_platform.ml.influence import evened
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.simulate import Outcomes, examples_of, make_clips, show
from tests.unit.ml.conftest import Learned

LEARNED_UNTIL, BEGUN_ON = date(2026, 5, 1), date(2026, 5, 1)
TODAY = BEGUN_ON + timedelta(days=42)


@pytest.fixture(scope="module")
def long_trial(learned: Learned) -> Trial:
    """Six weeks of 900 videos after the model was trained; it showed half of them, the heuristic the others."""
    clips = make_clips(learned.world, 900, 21, days=(121, 155))
    rules = show(learned.world, clips, 22)
    ours = show(learned.world, clips, 22, policy=lambda x, tenant, _h: learned.model.raw(x, tenant.astype(str)))
    by_model = np.array([arm_of(f"v{video}", "1", 0.0) == "challenger" for video in clips.video])
    mixed = {name: np.where(by_model, getattr(ours, name), getattr(rules, name)) for name in Outcomes.__slots__}
    examples = examples_of(clips, Outcomes(**mixed), as_of=162)
    return Trial(learned.model, None, examples, LEARNED_UNTIL, BEGUN_ON, TODAY)


@pytest.fixture(scope="module")
def trial(long_trial: Trial) -> Trial:
    """As many videos as it takes to come as far as the shadow test."""
    videos = np.unique(long_trial.examples.video)[::2]
    return replace(long_trial, examples=long_trial.examples.where(np.isin(long_trial.examples.video, videos)))


def test_a_model_that_ranks_better_than_the_heuristic_is_promoted(long_trial: Trial) -> None:
    verdict = judge(long_trial)
    assert verdict.promotes, verdict.reason
    assert tuple(result.name for result in verdict.results) == tuple(GATES)
    assert verdict.reason == "all 7 gates passed"
    assert all(result.evidence for result in verdict.results)


def test_the_same_model_again_is_not_promoted(trial: Trial, learned: Learned) -> None:
    verdict = judge(replace(trial, champion=learned.model))
    assert not verdict.promotes
    assert verdict.results[-1].name == "shadow"
    assert verdict.results[-1].statistics["gain"] == 0


def test_a_model_that_ranks_the_other_way_round_is_stopped_offline(long_trial: Trial) -> None:
    class Backwards(EngagementModel):
        def raw(self, features, tenant, heuristic=None):
            return -super().raw(features, tenant, heuristic)

    model = long_trial.challenger
    backwards = Backwards(**{name: getattr(model, name) for name in EngagementModel.__slots__})
    fresh = gates._fresh(replace(long_trial, challenger=backwards))
    result = gates.offline(long_trial, fresh)
    assert (result.outcome, result.name) == ("failed", "offline")
    assert "worse than the heuristic" in result.evidence
    between = replace(long_trial, challenger=backwards, today=TODAY + timedelta(days=1))
    assert gates.offline(between, fresh).outcome == "waiting"


def test_a_gain_on_videos_that_the_champion_showed_does_not_count(long_trial: Trial) -> None:
    even, one_sided = gates.Shown(champion=380, challenger=420), gates.Shown(champion=700, challenger=100)
    assert judge(replace(long_trial, shown=even)).promotes

    verdict = judge(replace(long_trial, shown=one_sided))
    assert (verdict.outcome, verdict.results[-1].name) == ("waiting", "shadow")
    assert "showed 100 of 800 videos" in verdict.reason
    assert "workers that cannot load it" in verdict.reason
    assert verdict.results[-1].statistics["shown_by_challenger"] == 100


@pytest.mark.parametrize(("challenger", "is_even"), [(0, True), (400, True), (456, True), (457, False), (343, False)])
def test_half_is_what_chance_makes_of_it(challenger: int, is_even: bool) -> None:
    champion = 800 - challenger if challenger else 0
    assert gates.Shown(champion, challenger).is_even == is_even


def test_a_foreign_digest_is_stopped_first(trial: Trial) -> None:
    verdict = judge(replace(trial, challenger=replace(trial.challenger, feature_digest="0123456789ab")))
    assert verdict.results[0].outcome == "failed"
    assert len(verdict.results) == 1
    assert "train again" in verdict.reason


def test_too_little_data_is_no_model(trial: Trial) -> None:
    verdict = judge(replace(trial, challenger=replace(trial.challenger, facts={"watched_clips": 299.0})))
    assert verdict.results[-1] == gates.enough_data(
        replace(trial, challenger=replace(trial.challenger, facts={"watched_clips": 299.0}))
    )
    assert verdict.outcome == "failed"
    assert "the heuristic serves" in verdict.reason


def test_without_explored_videos_it_waits_and_says_what_to_set(trial: Trial) -> None:
    hidden = replace(trial.examples, explored=np.zeros(len(trial.examples), bool))
    verdict = judge(replace(trial, examples=hidden))
    assert verdict.outcome == "waiting"
    assert "CLIP_PLATFORM_EXPLORATION_SHARE" in verdict.reason


def test_what_is_not_mature_or_not_new_is_not_judged_by(trial: Trial) -> None:
    assert judge(replace(trial, today=LEARNED_UNTIL + timedelta(days=3))).results[-1].name == "data"
    assert judge(replace(trial, learned_until=TODAY)).results[-1].name == "data"


def test_a_new_clip_of_a_video_that_was_learned_from_is_not_new(trial: Trial) -> None:
    examples = trial.examples
    video = gates._fresh(trial).examples.video[0]
    made_on = examples.made_on.copy()
    made_on[np.flatnonzero(examples.video == video)[0]] = np.datetime64(LEARNED_UNTIL, "D")
    fresh = gates._fresh(replace(trial, examples=replace(examples, made_on=made_on)))
    assert video not in fresh.examples.video


def test_a_model_that_rewards_a_flaw_is_stopped(trial: Trial) -> None:
    class Flawed(EngagementModel):
        def raw(self, features, tenant, heuristic=None):
            return super().raw(features, tenant, heuristic) + np.tanh(
                np.nan_to_num(features[:, FEATURE_NAMES.index("end_open")])
            )

    flawed = Flawed(**{name: getattr(trial.challenger, name) for name in EngagementModel.__slots__})
    result = gates.behaviour(flawed, trial.examples.features)
    assert result.outcome == "failed"
    assert "end_open" in result.evidence


def test_a_model_that_gives_no_number_is_stopped(trial: Trial) -> None:
    class Dividing(EngagementModel):
        def raw(self, features, tenant, heuristic=None):
            return super().raw(features, tenant, heuristic) + 0 * features[:, 0]

    dividing = Dividing(**{name: getattr(trial.challenger, name) for name in EngagementModel.__slots__})
    assert gates.behaviour(dividing, trial.examples.features).outcome == "failed"


def test_scores_that_mean_something_else_are_stopped(trial: Trial) -> None:
    tight = replace(trial.challenger.calibration, reach=trial.challenger.calibration.reach / 4)
    boasting = replace(trial, challenger=replace(trial.challenger, calibration=tight))
    result = gates.calibration(boasting, gates._fresh(boasting))
    assert result.outcome == "failed"
    assert result.statistics["coverage"] < 0.5


def test_a_tenant_that_would_be_worse_off_stops_it(trial: Trial) -> None:
    fresh = gates._fresh(trial)
    names, counts = np.unique(fresh.examples.tenant, return_counts=True)
    biggest = fresh.examples.tenant == names[counts.argmax()]
    harmed = replace(fresh, challenger=np.where(biggest, -fresh.labels.value, fresh.challenger))
    assert gates.tenants(fresh).passed
    result = gates.tenants(harmed)
    assert result.outcome == "failed"
    assert names[counts.argmax()] in result.evidence


def _sums(gain: float, videos: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(gain, 1.0, videos), np.ones(videos)


@pytest.mark.parametrize(
    ("gain", "videos", "days", "outcome"),
    [(0.5, 400, 21, "passed"), (0.5, 400, 20, "waiting"), (0.5, 99, 21, "waiting"), (0.5, 400, 0, "waiting"),
     (0.0, 400, 21, "waiting"), (0.0, 1600, 21, "failed"), (0.0, 1600, 20, "failed"), (0.5, 1600, 20, "passed"),
     (-0.5, 400, 21, "failed")],
)  # fmt: skip
def test_the_shadow_is_looked_at_once_a_week_until_it_is_sure_or_time_is_up(
    gain: float, videos: int, days: int, outcome: str
) -> None:
    assert shadow_verdict(*_sums(gain, videos), timedelta(days=days)).outcome == outcome


def test_of_challengers_that_are_no_better_few_pass_all_their_looks() -> None:
    """Eight weekly looks of 200 videos each."""
    passed = 0
    for seed in range(1000):
        gain, pairs = _sums(0.0, 1600, seed)
        looks = (shadow_verdict(gain[: 200 * n], pairs[: 200 * n], timedelta(days=7 * n)) for n in range(1, 9))
        passed += any(look.passed for look in looks)
    assert passed <= 40


def test_arms_are_stable_and_shared_out() -> None:
    arms = [arm_of(f"video{number}", "7", 0.1) for number in range(20_000)]
    shares = {arm: arms.count(arm) / len(arms) for arm in ("explore", "champion", "challenger")}
    assert shares == pytest.approx({"explore": 0.1, "champion": 0.45, "challenger": 0.45}, abs=0.015)
    assert arms[:5] == [arm_of(f"video{number}", "7", 0.1) for number in range(5)]
    assert {arm_of(f"video{number}", None, 0.0) for number in range(50)} == {"champion"}
    other = [arm_of(f"video{number}", "8", 0.1) for number in range(20_000)]
    both = [(a, b) for a, b in zip(arms, other, strict=True) if "explore" not in (a, b)]
    assert sum(a == b for a, b in both) / len(both) == pytest.approx(0.5, abs=0.02)
    assert all((a == "explore") == (b == "explore") for a, b in zip(arms, other, strict=True))


def test_where_nobody_watched_there_is_nothing_to_judge(trial: Trial) -> None:
    nobody: Examples = replace(trial.examples, counts=trial.examples.counts * 0, trials=trial.examples.trials * 0)
    assert judge(replace(trial, examples=nobody)).outcome == "waiting"


class Whimsical(EngagementModel):
    """No better than the other: what it adds is chance."""

    def raw(self, features, tenant, heuristic=None):
        return super().raw(features, tenant, heuristic) + _whim(features)


def _whim(features):
    return 0.3 * np.sin(1e4 * np.nan_to_num(features).sum(axis=1))


def _reported(examples: Examples, tenant: str, liked: np.ndarray) -> Examples:
    """Each of the tenant's clips seen 10^9 times, to the end if liked and else not."""
    ours = examples.tenant == tenant
    good = ours & (liked > np.median(liked[ours]))
    counts, trials = examples.counts.copy(), examples.trials.copy()
    trials[ours], counts[ours], counts[good] = 1e9, 1e3, 1e9
    return replace(examples, counts=counts, trials=trials)


def _by_size(examples: Examples) -> np.ndarray:
    names, clips = np.unique(examples.tenant, return_counts=True)
    return names[np.argsort(-clips)]


@pytest.mark.parametrize("place", [0, 3])
def test_one_tenant_can_neither_promote_nor_refuse(
    long_trial: Trial, learned: Learned, place: int, monkeypatch
) -> None:
    examples, model = long_trial.examples, learned.model
    tenant = _by_size(examples)[place]
    whimsical = Whimsical(**{name: getattr(model, name) for name in EngagementModel.__slots__})
    pushed = replace(
        long_trial, challenger=whimsical, champion=model,
        examples=_reported(examples, tenant, _whim(examples.features)),
    )  # fmt: skip
    against = -model.raw(examples.features, examples.tenant, examples.heuristic)
    pulled = replace(long_trial, examples=_reported(examples, tenant, against))

    assert not gates.shadow(pushed, gates._fresh(pushed)).passed
    delayed = gates.shadow(pulled, gates._fresh(pulled))
    assert delayed.outcome != "failed"
    assert delayed.statistics["z"] > 1.5  # it takes a few videos more
    assert gates.offline(pulled, gates._fresh(pulled)).passed

    monkeypatch.setattr(gates, "evened", lambda gain, _tenant: np.ones(len(gain)))
    assert gates.shadow(pushed, gates._fresh(pushed)).passed
    assert gates.shadow(pulled, gates._fresh(pulled)).outcome == "failed"


def test_who_says_most_says_no_more_than_the_next_or_as_many_others_but_where_there_are_few_or_one_is_most() -> None:
    random = np.random.default_rng(1)
    tenant = np.repeat(list("abcdefgh"), 50)
    honest = random.normal(0.5, 1, 400)
    assert (evened(honest, tenant) == 1).all()
    large = np.where(np.isin(tenant, ["a", "b", "c"]), "a", tenant)
    assert (evened(np.full(400, 0.1), large) == 1).all()

    loud = np.where(tenant == "a", -30.0, honest)
    factors = evened(loud, tenant)
    assert (factors[50:] == 1).all()
    sums = [float((loud * factors)[tenant == name].sum()) for name in "abcdefgh"]
    assert sums[0] == pytest.approx(-max(np.abs(sums[1:])))

    glad = np.where(tenant == "a", 30.0, honest)
    said = float((glad * evened(glad, tenant))[:50].sum())
    assert 0 < said < 50 * 0.6 + 2 * 1.1 * 50**0.5

    mostly = np.where(np.arange(400) < 250, "a", tenant)
    assert (evened(loud, mostly)[:250] == 1).all()
    assert (evened(loud, np.repeat(list("abcd"), 100)) == 1).all()
    assert (evened(np.zeros(400), tenant) == 1).all()
