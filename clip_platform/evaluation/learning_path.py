"""One simulated world on the real path, rows to archive, held against the same world computed in this process.

What viewers did is known twice: as rows that came in day by day and went through every table of the loop, and as the
arrays that they were written from. Examples, models and judgements of both have to agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from clip_platform.database import simulated
from clip_platform.evaluation.simulated_months import Week, run_job, simulate_months
from clip_platform.evaluation.simulated_past import SimulatedPast
from clip_platform.evaluation.simulated_platform import SimulatedPlatform, fresh_platform
from clip_platform.jobs import rescore_archive
from clip_platform.ml.concordance import mean_tau
from clip_platform.ml.examples import Examples
from clip_platform.ml.gates import Trial, Verdict, judge
from clip_platform.ml.loop_study import Figure
from clip_platform.ml.model import EngagementModel, train
from clip_platform.ml.simulate import examples_of, make_clips, make_world
from clip_platform.resources.learning_days import all_examples
from clip_platform.resources.training import BEGUN_ON, LEARNED_UNTIL, roll_back_model
from clip_platform.sensors.learning import range_tags

WEEKS, VIDEOS_A_WEEK, TENANTS = 13, 70, 8
FRESH_VIDEOS = 300


@dataclass(frozen=True, slots=True)
class Judgements:
    """A week's judgement: what the assets did, and what the gates say in this process, in a word each."""

    week: int
    path: str
    here: str


@dataclass(frozen=True, slots=True)
class Walked:
    """
    Attributes:
        same_clips: share of examples whose features and heuristic came through the path as they were.
        counts: all counts in the path's examples over those of the same moment computed here.
        path_tau, here_tau: Kendall's tau on fresh videos of the last model that the path trained, and of one trained
            here; NaN where there were too few examples for any.
        restored: share of clips whose score was after a rollback what it was before the promotion.
        changed: share of clips whose score the promotion changed.
    """

    seed: int
    weeks: tuple[Week, ...]
    same_clips: float
    counts: float
    path_tau: float
    here_tau: float
    judgements: tuple[Judgements, ...]
    restored: float
    changed: float

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Each with its target, `worlds` is 1."""
        agreed = [one.path == one.here for one in self.judgements]
        served = [week for week in self.weeks if week.champion is not None]
        gain = (
            np.mean([week.tau for week in served]) / np.mean([week.heuristic_tau for week in served])
            if served
            else math.nan
        )
        return (
            Figure("real path: examples that came through unchanged", self.same_clips, 1, low=1.0),
            Figure("real path: counts over those computed", self.counts, 1, low=0.9, high=1.05),
            Figure(
                "real path: tau of its model over one computed", self.path_tau / self.here_tau, 1, low=0.9, high=1.1
            ),
            Figure("real path: judgements as computed", float(np.mean(agreed)) if agreed else math.nan, 1, low=0.75),
            *(
                [Figure("real path: tau over the heuristic's while a model served", float(gain), 1, low=0.95)]
                if served
                else []
            ),
            Figure("real path: scores that a promotion changed", self.changed, 1, low=0.5),
            Figure("real path: scores that a rollback restored exactly", self.restored, 1, low=1.0),
        )


def walk(seed: int, *, weeks: int = WEEKS, told: Callable[[Week], None] = lambda _: None) -> Walked:
    """On a platform of its own, which is gone afterwards; about a minute a week on two cores.

    Raises:
        ClipPlatformError: what the platform raises where it does not start.
    """
    with fresh_platform(make_world(seed, TENANTS), weeks) as platform:
        found = []
        for week in simulate_months(platform, weeks=weeks, videos_a_week=VIDEOS_A_WEEK, seed=seed):
            found.append(week)
            told(week)
        return _compared(platform, tuple(found), seed)


def _compared(platform: SimulatedPlatform, weeks: tuple[Week, ...], seed: int) -> Walked:
    end = weeks[-1].end
    here = computed_examples(platform.past, end)
    same, counts = same_examples(all_examples(platform.learning, until=end), here)
    taus = _taus(platform, here, end, seed)
    changed, restored = _there_and_back(platform, end)
    return Walked(
        seed=seed,
        weeks=weeks,
        same_clips=same,
        counts=counts,
        path_tau=taus[0],
        here_tau=taus[1],
        judgements=tuple(_judgements(platform, weeks)),
        restored=restored,
        changed=changed,
    )


def computed_examples(past: SimulatedPast, today: date) -> Examples:
    """What is known on that day of all clips made until then, from the arrays that the rows were written from."""
    as_of = float((today - past.first_day).days + 1)
    tenants, start = np.array(past.tenants()), np.datetime64(past.first_day, "D")
    parts = []
    for number, (clips, outcomes) in enumerate(past.made):
        if clips.day[0] < as_of:
            part = examples_of(clips, outcomes, as_of=as_of, seed=number)
            made_on = start + clips.day.astype(np.int64).astype("timedelta64[D]")
            parts.append(replace(part, tenant=tenants[clips.tenant], made_on=made_on).where(clips.day < as_of))
    return Examples.joined(parts)


def same_examples(path: Examples, here: Examples) -> tuple[float, float]:
    """Share of clips whose features and arm are the same in both, and all counts of `path` over those of `here`, which
    differ by which day a view came in."""
    counts = float(path.counts.sum() / here.counts.sum())
    if len(path) != len(here):
        return 0.0, counts
    one, other = _in_order(path), _in_order(here)
    same = (one.features == other.features).all(axis=1) & (one.explored == other.explored)
    return float(np.mean(same)), counts


def _in_order(examples: Examples) -> Examples:
    """By what clips are, since the two name them differently."""
    keys = [*examples.features[:, :6].T, examples.tenant, examples.made_on]
    return examples.where(np.lexsort(keys))


def _taus(platform: SimulatedPlatform, here: Examples, end: date, seed: int) -> tuple[float, float]:
    registry = platform.models.registry()
    version = registry.newest()
    if version is None:
        return math.nan, math.nan
    world = platform.past.world
    fresh = make_clips(world, FRESH_VIDEOS, seed * 1000 + 999, days=(0, 30))
    tenant = np.array(platform.past.tenants())[fresh.tenant]
    computed = train(here, as_of=np.datetime64(end, "D"), seed=seed, version="computed")

    def tau(model: EngagementModel) -> float:
        return mean_tau(model.raw(fresh.features, tenant, fresh.heuristic), fresh.utility, fresh.video)

    return tau(registry.load(version)), tau(computed)


def _judgements(platform: SimulatedPlatform, weeks: tuple[Week, ...]) -> Iterator[Judgements]:
    registry = platform.models.registry()
    for week in weeks:
        if week.judged is None:
            continue
        marks = registry.describe(week.judged).tags
        trial = Trial(
            challenger=registry.load(week.judged),
            champion=None if week.champion is None else registry.load(week.champion),
            examples=computed_examples(platform.past, week.end),
            learned_until=date.fromisoformat(marks[LEARNED_UNTIL]),
            begun_on=date.fromisoformat(marks[BEGUN_ON]),
            today=week.end,
        )
        yield Judgements(week.number, week.action.split(";")[0], _action(judge(trial)))


def _action(verdict: Verdict) -> str:
    """As the asset `champion` says what it did."""
    if verdict.outcome == "waiting":
        return "goes on"
    return "promoted" if verdict.promotes else "dropped"


def _there_and_back(platform: SimulatedPlatform, end: date) -> tuple[float, float]:
    """Another version is promoted over the gates' heads, the archive follows, and all of it is rolled back: shares of
    clips whose shown score changed, and was restored."""
    registry = platform.models.registry()
    before = simulated.shown_values(platform.connection)
    other = next(
        (str(n) for n in range(1, int(registry.newest() or 0) + 1) if str(n) != registry.aliases().get("champion")),
        None,
    )
    if other is None:
        return math.nan, math.nan
    registry.promote(other, reason="to be rolled back", by="learning report", force=True)
    first = platform.past.first_day
    run_job(platform, rescore_archive.name, range_tags(first, end + timedelta(days=1)))
    meanwhile = simulated.shown_values(platform.connection)
    roll_back_model(registry, platform.learning, reason="as planned", by="learning report")
    after = simulated.shown_values(platform.connection)
    return _share_equal(before, meanwhile, different=True), _share_equal(before, after)


def _share_equal(
    one: dict[tuple[str, str], float], other: dict[tuple[str, str], float], *, different: bool = False
) -> float:
    same = [other.get(clip) == value for clip, value in one.items()]
    return float(np.mean(same)) if not different else 1 - float(np.mean(same))
