"""What a challenger has to pass before it serves, each gate with its evidence, in order; the first that fails or has to
wait ends the judgement.

Two models are compared on the same clips by how many pairs within a video each puts in the order that viewers did,
weighted by how far apart the pair is and how surely that is known. Never on clips that one of them chose to show: there
any other model looks better (in simulated worlds 14 to 40 % of challengers that are no better would be promoted, and 1
to 3 % where the two show half the videos each).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from clip_platform.ml.baseline import heuristic_values
from clip_platform.ml.calibration import weighted_slope
from clip_platform.ml.concordance import pair_sums, ratio_z
from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.influence import evened
from clip_platform.ml.labels import Labels, engagement_labels
from clip_platform.ml.model import LEAST_CLIPS, EngagementModel
from clip_platform.ml.split import MATURITY_DAYS, matured
from clip_platform.scoring.features import feature_digest

Arm = Literal["explore", "champion", "challenger"]
Outcome = Literal["passed", "failed", "waiting"]

LEAST_EXPLORED_VIDEOS = 30
WORST_OFFLINE_Z = -1.645
WEEKLY_Z = 2.8
"""Of looks week by week, at most sixteen. Of 100 models that differ by their seed alone three were promoted, with 2.6
three or four; of 64 real gains 78 % within 800 videos, with 2.6 83 %: there was power to spare for a surer no."""
LEAST_SHADOW_VIDEOS, MOST_SHADOW_VIDEOS = 100, 1600
LOOK_EVERY = timedelta(days=7)
SLOPE_RANGE, COVERAGE_RANGE = (0.5, 2.0), (0.70, 0.92)
LEAST_CALIBRATION_CLIPS = 200
LEAST_TENANT_VIDEOS = 30
TENANT_ALPHA = 0.05
"""Chance that any tenant is taken to be worse off when none is: a Bonferroni bound."""
LARGEST_RISE = 0.5
"""Of raw score, whose standard deviation is about 1.3, when a flaw is added to every clip. Chance makes 0.2 in a model
of 1,000 clips: it may think little of a flaw, not well."""
FLAWS = ("start_leaning", "end_open")
PARITY = 1e-9


@dataclass(frozen=True, slots=True)
class GateResult:
    """`evidence` says in a sentence what was found and, unless it passed, what to do."""

    name: str
    outcome: Outcome
    evidence: str
    statistics: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass(frozen=True, slots=True)
class Shown:
    """Videos of a shadow test by who showed them, as it was logged."""

    champion: int
    challenger: int

    @property
    def is_even(self) -> bool:
        """Whether it may be half and half, within four standard deviations."""
        videos = self.champion + self.challenger
        return abs(self.challenger - videos / 2) <= 2 * float(np.sqrt(videos))


@dataclass(frozen=True, slots=True)
class Trial:
    """A challenger against who serves now; `champion` None is the heuristic.

    Attributes:
        examples: all there are by `today`.
        learned_until: clips made later are new to the challenger.
        begun_on: from this day on the two are to show half of the videos each that are not explored.
        shown: how many each has shown since; None where nobody logged it.
    """

    challenger: EngagementModel
    champion: EngagementModel | None
    examples: Examples
    learned_until: date
    begun_on: date
    today: date
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Gates in the order they were tried; those after the first that did not pass were not."""

    results: tuple[GateResult, ...]

    @property
    def outcome(self) -> Outcome:
        return self.results[-1].outcome

    @property
    def promotes(self) -> bool:
        return self.outcome == "passed"

    @property
    def reason(self) -> str:
        last = self.results[-1]
        return f"all {len(self.results)} gates passed" if self.promotes else f"{last.name}: {last.evidence}"


def judge(trial: Trial) -> Verdict:
    """Tries the gates in order until one does not pass."""
    results: list[GateResult] = []
    for result in _tried(trial):
        results.append(result)
        if not result.passed:
            break
    return Verdict(tuple(results))


def _tried(trial: Trial) -> Iterator[GateResult]:
    yield digest_and_parity(trial.challenger, trial.examples.features[:500])
    yield enough_data(trial)
    yield behaviour(trial.challenger, trial.examples.features[-2000:])
    fresh = _fresh(trial)
    yield offline(trial, fresh)
    yield shadow(trial, fresh)
    yield calibration(trial, fresh)
    yield tenants(fresh)


def arm_of(video_id: str, challenger: str | None, exploration_share: float) -> Arm:
    """By whose scores a video is shown: by a hash, so that it is the same wherever it is asked.

    The second hash is salted with the challenger's version, so that no tenant's videos are on one side for ever.
    """
    if _share_of(f"explore/{video_id}") < exploration_share:
        return "explore"
    if challenger is None:
        return "champion"
    return "challenger" if _share_of(f"{challenger}/{video_id}") < 0.5 else "champion"


def _share_of(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def digest_and_parity(model: EngagementModel, features: np.ndarray) -> GateResult:
    """The model is of this code's features, and what is loaded scores as what was trained, row by row as in bulk."""
    from clip_platform.ml.saved import load, save

    name = "digest and parity"
    if model.feature_digest != feature_digest():
        return GateResult(
            name, "failed", f"trained on features {model.feature_digest}, served are {feature_digest()}; train again"
        )
    tenant = np.full(len(features), "")
    with TemporaryDirectory(prefix="clip-platform-parity-") as folder:
        save(model, Path(folder))
        loaded = load(Path(folder))
    raw = model.raw(features, tenant)
    singly = np.array(
        [loaded.raw(features[row : row + 1], tenant[row : row + 1])[0] for row in range(min(len(raw), 50))]
    )
    gaps = [*np.abs(loaded.raw(features, tenant) - raw), *np.abs(singly - raw[:50]), 0.0]
    largest = float(max(gaps))
    outcome: Outcome = "passed" if largest <= PARITY else "failed"
    remedy = "" if outcome == "passed" else "; do not serve it, report a bug"
    return GateResult(
        name, outcome, f"the loaded model differs by {largest:.1e} at most{remedy}", {"largest_gap": largest}
    )


def enough_data(trial: Trial) -> GateResult:
    """What the model learned from, and whether there are explored videos to judge by."""
    watched = trial.challenger.facts.get("watched_clips", 0.0)
    explored = _videos_of(trial.examples, trial.examples.explored & _after(trial, trial.learned_until))
    statistics = {"watched_clips": float(watched), "explored_videos": float(explored)}
    if watched < LEAST_CLIPS:
        evidence = f"learned from {watched:.0f} watched clips, {LEAST_CLIPS} are needed; the heuristic serves"
        return GateResult("data", "failed", evidence, statistics)
    if explored < LEAST_EXPLORED_VIDEOS:
        evidence = (
            f"{explored} of {LEAST_EXPLORED_VIDEOS} mature explored videos since {trial.learned_until}; wait, or raise "
            "CLIP_PLATFORM_EXPLORATION_SHARE"
        )
        return GateResult("data", "waiting", evidence, statistics)
    return GateResult(
        "data", "passed", f"{watched:.0f} watched clips, {explored} explored videos to judge by", statistics
    )


def behaviour(model: EngagementModel, features: np.ndarray) -> GateResult:
    """Numbers stay numbers whatever the features, the same clip gets the same score, and flaws are not rewarded."""
    tenant = np.full(len(features), "")
    odd = np.concatenate([np.full_like(features[:3], value) for value in (np.nan, 0.0, -1e30, 1e30)])
    finite = bool(np.isfinite(model.raw(odd, np.full(len(odd), ""))).all())
    same = bool((model.raw(features, tenant) == model.raw(features.copy(), tenant)).all())
    rises = {flaw: _rise(model, features, FEATURE_NAMES.index(flaw)) for flaw in FLAWS}
    statistics = {f"rise_{flaw}": rise for flaw, rise in rises.items()}
    worst = max(rises, key=lambda flaw: rises[flaw])
    if not finite or not same:
        what = "gives no number for odd features" if not finite else "scores the same clip differently"
        return GateResult("behaviour", "failed", f"{what}; do not serve it, report a bug", statistics)
    if rises[worst] > LARGEST_RISE:
        evidence = f"a clip gains {rises[worst]:.2f} by more {worst}; look for a leak or a hostile tenant in the data"
        return GateResult("behaviour", "failed", evidence, statistics)
    return GateResult("behaviour", "passed", "finite, repeatable, no flaw is rewarded", statistics)


def _rise(model: EngagementModel, features: np.ndarray, column: int) -> float:
    """How much the mean raw score rises when the feature goes from its lowest to its highest in every clip."""
    if not len(features):
        return 0.0
    tenant = np.full(len(features), "")
    low, high = features.copy(), features.copy()
    low[:, column], high[:, column] = 0.0, 1.0
    return float(np.mean(model.raw(high, tenant) - model.raw(low, tenant)))


@dataclass(frozen=True, slots=True)
class Fresh:
    """Mature, watched clips that are new to the challenger, and what both models and viewers say of them."""

    examples: Examples
    labels: Labels
    challenger: np.ndarray
    champion: np.ndarray

    def gains(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(videos,) weight of pairs put right by the challenger less by the champion, and of all pairs.

        Both are less where a verdict would be one tenant's (`influence.evened`).
        """
        video, truth, weight = self.examples.video[rows], self.labels.value[rows], self.labels.weight[rows]
        new = pair_sums(self.challenger[rows], truth, video, weight, by_gap=True)
        old = pair_sums(self.champion[rows], truth, video, weight, by_gap=True)
        several = new.all > 0
        gain, pairs = (new.right - old.right)[several], new.all[several]
        tenant = self.examples.tenant[rows][np.unique(video, return_index=True)[1]][several]
        factors = evened(gain, tenant)
        return gain * factors, pairs * factors


def _fresh(trial: Trial) -> Fresh:
    examples = trial.examples.where(_after(trial, trial.learned_until) & trial.examples.watched)
    challenger = trial.challenger.raw(examples.features, examples.tenant, examples.heuristic)
    champion = (
        heuristic_values(examples.features)
        if trial.champion is None
        else trial.champion.raw(examples.features, examples.tenant, examples.heuristic)
    )
    return Fresh(examples, engagement_labels(examples), challenger, champion)


def offline(trial: Trial, fresh: Fresh) -> GateResult:
    """Not worse on videos that were shown in random order; it can fail on the days on which the shadow is looked at."""
    gain, pairs = fresh.gains(fresh.examples.explored)
    z, tau = ratio_z(gain, pairs), _mean(gain, pairs)
    statistics = {"z": z, "gain": tau, "videos": float(len(gain))}
    if z > WORST_OFFLINE_Z:
        return GateResult(
            "offline", "passed", f"gain {tau:+.3f}, z {z:+.2f} on {len(gain)} explored videos", statistics
        )
    if (trial.today - trial.begun_on).days % LOOK_EVERY.days:
        # looked at daily, chance alone would end half of the challengers that are as good
        return GateResult("offline", "waiting", f"z {z:+.2f}, not above {WORST_OFFLINE_Z}; judged weekly", statistics)
    against = "the heuristic" if trial.champion is None else f"model {trial.champion.version}"
    evidence = f"gain {tau:+.3f}, z {z:+.2f} on {len(gain)} explored videos: worse than {against}; train on more data"
    return GateResult("offline", "failed", evidence, statistics)


def shadow(trial: Trial, fresh: Fresh) -> GateResult:
    """Better on videos of which each of the two showed half, looked at once a week until it is sure or time is up."""
    begun = np.datetime64(max(trial.begun_on, trial.learned_until), "D")
    gain, pairs = fresh.gains(~fresh.examples.explored & (fresh.examples.made_on >= begun))
    found = shadow_verdict(gain, pairs, trial.today - trial.begun_on)
    return _shown_by_halves(found, trial.shown) if found.passed and trial.shown is not None else found


def _shown_by_halves(found: GateResult, shown: Shown) -> GateResult:
    """No gain counts where one of the two showed nearly everything: there the other looks better."""
    statistics = {**found.statistics, "shown_by_champion": shown.champion, "shown_by_challenger": shown.challenger}
    if shown.is_even:
        return replace(found, statistics=statistics)
    videos = shown.champion + shown.challenger
    evidence = (
        f"{found.evidence}, but the challenger showed {shown.challenger} of {videos} videos, "
        "not about half; look for workers that cannot load it, their videos' logs say why"
    )
    is_over = found.statistics["videos"] >= MOST_SHADOW_VIDEOS
    return GateResult("shadow", "failed" if is_over else "waiting", evidence, statistics)


def shadow_verdict(gain: np.ndarray, pairs: np.ndarray, running: timedelta) -> GateResult:
    """
    Args:
        gain, pairs: (videos,) of `Fresh.gains`, in the order in which the videos came.
        running: how long the shadow test has run.
    """
    over = len(gain) >= MOST_SHADOW_VIDEOS
    gain, pairs = gain[:MOST_SHADOW_VIDEOS], pairs[:MOST_SHADOW_VIDEOS]
    z, tau = ratio_z(gain, pairs), _mean(gain, pairs)
    statistics = {"z": z, "gain": tau, "videos": float(len(gain)), "days": float(running.days)}
    found = f"gain {tau:+.3f}, z {z:+.2f} on {len(gain)} videos after {running.days} days"
    if not over and (running.days % LOOK_EVERY.days or not running.days or len(gain) < LEAST_SHADOW_VIDEOS):
        when = f"the next look is due {LOOK_EVERY.days - running.days % LOOK_EVERY.days} days from now"
        return GateResult(
            "shadow", "waiting", f"{found}; {when}, with {LEAST_SHADOW_VIDEOS} videos at least", statistics
        )
    if z > WEEKLY_Z:
        return GateResult("shadow", "passed", f"{found}, above {WEEKLY_Z}", statistics)
    if over or z < -WEEKLY_Z:
        return GateResult("shadow", "failed", f"{found}, not above {WEEKLY_Z}; it goes, train another one", statistics)
    return GateResult("shadow", "waiting", f"{found}, {WEEKLY_Z} is needed; look again in a week", statistics)


def calibration(trial: Trial, fresh: Fresh) -> GateResult:
    """Scores mean what they say: labels rise with them as expected, and four fifths lie within their intervals."""
    truth = fresh.labels
    scale = trial.challenger.calibration
    low, high = scale.label_interval(fresh.challenger)
    inside = (truth.value >= low) & (truth.value <= high)
    coverage = float(inside.mean()) if len(inside) else 0.0
    expected = scale.level + scale.slope * fresh.challenger
    slope = weighted_slope(expected, truth.value, truth.weight) if len(inside) else 0.0
    statistics = {"slope": slope, "coverage": coverage, "clips": float(len(inside))}
    if len(inside) < LEAST_CALIBRATION_CLIPS:
        return GateResult(
            "calibration", "waiting", f"{len(inside)} of {LEAST_CALIBRATION_CLIPS} fresh clips", statistics
        )
    fine = SLOPE_RANGE[0] <= slope <= SLOPE_RANGE[1] and COVERAGE_RANGE[0] <= coverage <= COVERAGE_RANGE[1]
    found = f"slope {slope:.2f}, {100 * coverage:.0f} % within their interval of {len(inside)} clips"
    if fine:
        return GateResult("calibration", "passed", found, statistics)
    wanted = (
        f"slope {SLOPE_RANGE[0]} to {SLOPE_RANGE[1]} and {COVERAGE_RANGE[0]:.0%} to {COVERAGE_RANGE[1]:.0%} are needed"
    )
    return GateResult("calibration", "failed", f"{found}; {wanted}: train on newer feedback", statistics)


def tenants(fresh: Fresh) -> GateResult:
    """No tenant with enough videos is surely worse off."""
    names = np.unique(fresh.examples.tenant)
    found: dict[str, tuple[float, int]] = {}
    for name in names:
        gain, pairs = fresh.gains(fresh.examples.tenant == name)
        if len(gain) >= LEAST_TENANT_VIDEOS:
            found[str(name)] = (ratio_z(gain, pairs), len(gain))
    if not found:
        return GateResult("tenants", "passed", f"no tenant has {LEAST_TENANT_VIDEOS} fresh videos to judge by alone")
    bound = NormalDist().inv_cdf(TENANT_ALPHA / len(found))
    worst = min(found, key=lambda name: found[name][0])
    z, videos = found[worst]
    statistics = {"worst_z": z, "bound": bound, "tenants": float(len(found))}
    evidence = f"worst of {len(found)} tenants is {worst}: z {z:+.2f} on {videos} videos, {bound:.2f} is the bound"
    if z > bound:
        return GateResult("tenants", "passed", evidence, statistics)
    return GateResult("tenants", "failed", f"{evidence}; it would be worse off, look at its feedback", statistics)


def _after(trial: Trial, day: date) -> np.ndarray:
    """Mature clips of videos that had none by that day: a video of which an old one was learned from is not new."""
    made, video = trial.examples.made_on, trial.examples.video
    later = made > np.datetime64(day, "D")
    return later & ~np.isin(video, video[~later]) & matured(made, np.datetime64(trial.today, "D"), MATURITY_DAYS)


def _videos_of(examples: Examples, rows: np.ndarray) -> int:
    return len(np.unique(examples.video[rows]))


def _mean(gain: np.ndarray, pairs: np.ndarray) -> float:
    return float(gain.sum() / max(float(pairs.sum()), 1e-12))
