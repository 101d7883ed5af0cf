"""From examples to a champion: a model is trained and registered, tried beside the one that serves, judged, promoted.

One challenger at a time: a shadow test takes weeks, so what is trained meanwhile waits, and the newest takes its place
when the test is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from clip_platform.errors import ClipPlatformError, TooFewExamples
from clip_platform.resources.learning_days import all_examples

if TYPE_CHECKING:
    from clip_platform.ml.gates import Verdict
    from clip_platform.ml.model import EngagementModel
    from clip_platform.resources.learning import LearningResource
    from clip_platform.resources.model_registry import ModelRegistry, Promotion
    from clip_platform.resources.tracking import Origin, Tracker

LEARNED_UNTIL, BEGUN_ON = "learned_until", "challenger_since"
"""Tags of a version, ISO days."""


@dataclass(frozen=True, slots=True)
class Trained:
    """`figures`: PNG by name. `is_challenger`: whether it is tried beside the champion from now on."""

    version: str
    run_id: str
    url: str
    is_challenger: bool
    metrics: Mapping[str, float]
    figures: Mapping[str, bytes]
    facts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the challenger; `champion` is who serves now, None the heuristic."""

    challenger: str | None
    champion: str | None
    verdict: Verdict | None
    action: str


def train_and_register(
    learning: LearningResource, tracker: Tracker, registry: ModelRegistry, *, as_of: date, seed: int, origin: Origin
) -> Trained:
    """
    Raises:
        TooFewExamples: the heuristic goes on serving.
        LeakedTarget, FeatureMismatch: of `ml.model.train`.
        StorageUnavailable: MLflow is away; nothing is registered.
    """
    import numpy as np

    from clip_platform.ml.backtest import backtest, learning_curve
    from clip_platform.ml.figures import training_figures
    from clip_platform.ml.model import train
    from clip_platform.ml.recipe import Recipe
    from clip_platform.ml.split import MATURITY_DAYS, matured

    recipe, day = Recipe(), np.datetime64(as_of, "D")
    examples = all_examples(learning, until=as_of)
    model = train(examples, as_of=day, seed=seed, version="in training", recipe=recipe)
    mature = examples.where(matured(examples.made_on, day))
    try:
        test = backtest(mature, seed=seed, recipe=recipe)
    except TooFewExamples as error:
        raise TooFewExamples(
            f"{int(mature.watched.sum())} watched clips are enough to learn from, too few to hold some out and judge "
            f"by them: {error.message}"
        ) from error
    figures = training_figures(test, learning_curve(mature, seed=seed, recipe=recipe))
    run = tracker.track_training(model, recipe=recipe, metrics=test.metrics, figures=figures, origin=origin)
    version = str(run.version)
    registry.mark(version, {LEARNED_UNTIL: (as_of - timedelta(days=MATURITY_DAYS)).isoformat()})
    is_challenger = "challenger" not in registry.aliases()
    if is_challenger:
        _try_out(registry, version, as_of)
    return Trained(version, run.run_id, run.url, is_challenger, test.metrics, figures, model.facts)


def judge_challenger(learning: LearningResource, registry: ModelRegistry, *, today: date, by: str) -> Judged:
    """Judges the challenger by what came in until `today`; promotes it, drops it, or lets it go on.

    Raises:
        StorageUnavailable: MLflow is away; nothing changes.
    """
    from clip_platform.database.learning import shown_by
    from clip_platform.ml.gates import Shown, Trial, judge

    aliases = registry.aliases()
    version, champion = aliases.get("challenger"), aliases.get("champion")
    if version is None:
        return Judged(None, champion, None, "no challenger; the next training makes one")
    marks = registry.describe(version).tags
    begun_on = date.fromisoformat(marks[BEGUN_ON])
    trial = Trial(
        challenger=registry.load(version),
        champion=_champion(registry),
        examples=all_examples(learning, until=today),
        learned_until=date.fromisoformat(marks[LEARNED_UNTIL]),
        begun_on=begun_on,
        today=today,
        # from the day after: on its first day others may have been processed before it was the challenger
        shown=Shown(*shown_by(learning.rows(), version, begun_on + timedelta(days=1), today)),
    )
    verdict = judge(trial)
    if verdict.outcome == "waiting":
        registry.record_verdict(version, verdict, against=champion)
        return Judged(version, champion, verdict, "goes on")
    if verdict.promotes:
        registry.promote(version, reason=verdict.reason, by=by, verdict=verdict, against=champion)
        champion, action = version, "promoted"
    else:
        registry.record_verdict(version, verdict, against=champion)
        action = "dropped"
    registry.drop_challenger()
    newest = registry.newest()
    if newest is not None and int(newest) > int(version):
        _try_out(registry, newest, today)
        action = f"{action}; version {newest} is tried next"
    return Judged(version, champion, verdict, action)


def _champion(registry: ModelRegistry) -> EngagementModel | None:
    found = registry.load_champion()
    return None if found is None else found.model


def _try_out(registry: ModelRegistry, version: str, today: date) -> None:
    registry.mark(version, {BEGUN_ON: today.isoformat()})
    registry.set_challenger(version)


def roll_back_model(registry: ModelRegistry, learning: LearningResource, *, reason: str, by: str) -> Promotion:
    """What served before serves again, and tenants see exactly the scores they saw then.

    Raises:
        Conflict: nothing was promoted, so there is nothing to go back from.
    """
    change = registry.roll_back(reason=reason, by=by)
    show_again(learning, change.version)
    return change


def show_again(learning: LearningResource, version: str | None) -> bool:
    """Tenants see the scores of an earlier version again, None for those that their clips were made with; False where
    they were never written or are gone, so that the archive has to be scored anew."""
    from clip_platform.database import rescoring
    from clip_platform.errors import Conflict

    door = learning.scores()
    if version is not None:
        rescoring.resume(door, version)
    try:
        rescoring.roll_back(door, version)
    except Conflict:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Serving:
    """Who scores. `champion` None is the heuristic; `fallback` says why it is the heuristic, or an older copy, where a
    champion should serve."""

    champion: EngagementModel | None
    challenger: EngagementModel | None
    fallback: str | None = None


def serving(registry: ModelRegistry, *, is_expected: bool) -> Serving:
    """Never fails: a video is not kept waiting by a registry, and what is second best is told.

    Args:
        is_expected: whether a server was named; without one its absence is no news on a machine where nothing served.
    """
    try:
        found = registry.load_champion()
    except ClipPlatformError as error:
        return _without_registry(registry, error, is_expected=is_expected)
    if found is None:
        return Serving(None, _challenger(registry))
    challenger = None if found.note else _challenger(registry)
    return Serving(found.model, challenger, found.note or None)


def _without_registry(registry: ModelRegistry, error: ClipPlatformError, *, is_expected: bool) -> Serving:
    from clip_platform.errors import StorageUnavailable

    if isinstance(error, StorageUnavailable):
        return Serving(None, None, f"{error.message}; the heuristic scores" if is_expected else None)
    try:
        last = registry.last_good()
    except ClipPlatformError:
        last = None
    if last is None:
        return Serving(None, None, f"{error.message}; the heuristic scores")
    return Serving(last.model, None, f"{error.message}; version {last.version}, which served last, goes on")


def _challenger(registry: ModelRegistry) -> EngagementModel | None:
    """None also where it cannot be used: the next judgement says why."""
    try:
        version = registry.aliases().get("challenger")
        return None if version is None else registry.load(version)
    except ClipPlatformError:
        return None
