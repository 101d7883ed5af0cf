"""Whether the learning loop keeps its promises over many simulated worlds: the figures, each with its target.

The same functions that serve, judge and watch are called here; what is not, is the path between them (database, assets,
registry).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from clip_platform.ml.drift_study import CHECK_OF, LATEST, Watched, watched
from clip_platform.ml.promotion_study import (
    NULL,
    REAL_GAIN,
    WITHIN_VIDEOS,
    Judged,
    first_model,
    grown_model,
    null_challenger,
)
from clip_platform.ml.ranking_study import Ranked, ranked

PROCESSES = 2
Told = Callable[[int, int, Any], None]
LEAST_FOUND_IN_TIME = 0.75
"""Of worlds; the day in the middle has to be within the bound. The rest is found later: their change is a small one."""
_APART = 10_000
"""Seeds of worlds begin so far from each other for seeds given next to each other."""


@dataclass(frozen=True, slots=True)
class Worlds:
    """How many of each kind; as they are here, about twenty minutes of two cores."""

    ranking: int = 24
    null: int = 200
    first: int = 40
    grown: int = 40
    drift: int = 24


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is to lie within `low` .. `high`; `worlds`: how many it comes from."""

    name: str
    value: float
    worlds: int
    low: float = -math.inf
    high: float = math.inf

    @property
    def passed(self) -> bool:
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        bounds = [f"at least {self.low:g}"] * (self.low > -math.inf) + [f"at most {self.high:g}"] * (
            self.high < math.inf
        )
        verdict = "" if self.passed else ", MISSED"
        return f"{self.name} {self.value:.3g} ({' and '.join(bounds)}; {self.worlds} worlds{verdict})"


@dataclass(frozen=True, slots=True)
class LoopStudy:
    """What happened in every world, for plots, and `figures` for people."""

    seed: int
    ranked: tuple[Ranked, ...]
    judged: tuple[Judged, ...]
    watched: tuple[Watched, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Of what there were worlds for."""
        null = [one for one in self.judged if one.kind == NULL]
        return (
            *(_ranking(self.ranked) if self.ranked else ()),
            *(_false_promotions(null) if null else ()),
            *(_real_gains(self.judged) if len(null) < len(self.judged) else ()),
            *(_drift(self.watched) if self.watched else ()),
        )

    @property
    def passed(self) -> bool:
        return all(figure.passed for figure in self.figures)


def study(
    seed: int, worlds: Worlds | None = None, *, processes: int = PROCESSES, told: Told = lambda *_: None
) -> LoopStudy:
    """Worlds of other seeds give other figures within chance; the same seed and numbers give the same figures.

    Args:
        told: called as worlds are done, with how many, of how many, and the result of the newest.
    """
    worlds = worlds or Worlds()
    first = seed * _APART
    tasks: list[tuple[Callable[[int], Any], int]] = [
        (function, first + place)
        for function, count in (
            (watched, worlds.drift), (ranked, worlds.ranking), (grown_model, worlds.grown), (first_model, worlds.first),
            (null_challenger, worlds.null),
        )
        for place in range(count)
    ]  # fmt: skip
    results = _results(tasks, processes, told)
    return LoopStudy(
        seed=seed,
        ranked=tuple(one for each in results if isinstance(each, tuple) for one in each),
        judged=tuple(each for each in results if isinstance(each, Judged)),
        watched=tuple(each for each in results if isinstance(each, Watched)),
    )


def _results(tasks: Sequence[tuple[Callable[[int], Any], int]], processes: int, told: Told) -> list[Any]:
    results: list[Any] = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for future in [pool.submit(function, seed) for function, seed in tasks]:
            results.append(future.result())
            told(len(results), len(tasks), results[-1])
    return results


def _ranking(ranked: Sequence[Ranked]) -> Iterable[Figure]:
    worlds = len({one.seed for one in ranked})
    sizes = sorted({one.clips for one in ranked})

    def mean(size: int, name: str) -> float:
        return float(np.mean([getattr(one, name) for one in ranked if one.clips == size]))

    to_heuristic = {size: mean(size, "served") / mean(size, "heuristic") for size in sizes}
    if 1000 in sizes:
        yield Figure("tau over the heuristic's at 1,000 clips", to_heuristic[1000], worlds, low=1.5)
    yield Figure("tau over the heuristic's at its worst size", min(to_heuristic.values()), worlds, low=0.95)
    if 10_000 in sizes:
        to_oracle = mean(10_000, "served") / mean(10_000, "oracle")
        yield Figure("tau over the oracle's at 10,000 clips", to_oracle, worlds, low=0.8)
    coverages = [one.coverage for one in ranked if not math.isnan(one.coverage)]
    if coverages:
        yield Figure("coverage of intervals", float(np.mean(coverages)), worlds, low=0.77, high=0.83)


def _false_promotions(null: Sequence[Judged]) -> Iterable[Figure]:
    yield Figure("false promotions", float(np.mean([one.promoted for one in null])), len(null), high=0.05)


def _real_gains(judged: Sequence[Judged]) -> Iterable[Figure]:
    """Those that are real: not every model of more clips is better by so much."""
    real = [one for one in judged if one.kind != NULL and one.gain > REAL_GAIN]
    found = [one.promoted and one.videos <= WITHIN_VIDEOS for one in real]
    share = float(np.mean(found)) if real else math.nan
    yield Figure(f"real gains promoted within {WITHIN_VIDEOS} videos", share, len(real), low=0.6)


def _drift(watched: Sequence[Watched]) -> Iterable[Figure]:
    days = sum(one.quiet.days for one in watched)
    begun = sum(len(one.quiet.alarms) for one in watched)
    yield Figure("false alarms in 100 days", 100 * begun / days, len(watched), high=1.0)
    for kind, latest in LATEST.items():
        delays = [one.delay_days for each in watched for one in each.found if one.kind == kind]
        check = CHECK_OF[kind]
        yield Figure(f"days to find {check}, median", float(np.median(delays)), len(delays), high=latest)
        share = float(np.mean([delay <= latest for delay in delays]))
        yield Figure(f"share of {check} found in {latest} days", share, len(delays), low=LEAST_FOUND_IN_TIME)
