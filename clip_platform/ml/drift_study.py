"""How soon drift is found and how often it is claimed for nothing, by the daily watch itself in simulated worlds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np

from clip_platform.ml.drift import InputReference, input_reference
from clip_platform.ml.examples import NO_DECISION
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.monitoring import DAYS_IN_A_ROW, INPUT_DAYS, DriftDay, alarms, watch_day
from clip_platform.ml.simulate import Drift, World, make_world
from clip_platform.ml.simulated_trials import BEGIN, LEARNED_DAYS, Weeks, day, past, trained, weeks

VIDEOS_A_DAY = 12
PROMOTED_AFTER = 40
"""Days in which the model shows half of the videos, and from when on it is watched."""
QUIET_DAYS = 150
DRIFTS_AFTER, ENDS_AFTER = 110, PROMOTED_AFTER + QUIET_DAYS
Kind = Literal["inputs", "tastes"]
CHECK_OF: dict[Kind, str] = {"inputs": "input drift", "tastes": "concept drift"}
LATEST: dict[Kind, int] = {"inputs": 14, "tastes": 30}
"""Days after which a drift has to be found."""
_GIVE_UP = {"inputs": 25, "tastes": 50}


@dataclass(frozen=True, slots=True)
class Quiet:
    """Watched without drift: how many alarms began, over all checks that ask for a retrain."""

    seed: int
    days: int
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """`delay_days` until the check that is meant for it gave alarm; infinite where it did not for long."""

    seed: int
    kind: Kind
    delay_days: float


@dataclass(frozen=True, slots=True)
class Watched:
    quiet: Quiet
    found: tuple[Found, ...]


def watched(seed: int, videos_a_day: int = VIDEOS_A_DAY, quiet_days: int = QUIET_DAYS) -> Watched:
    """One world, three times from the same model on: as it was, with other inputs, and with other tastes."""
    world = make_world(seed)
    examples = past(world, LEARNED_DAYS * videos_a_day, 4 * seed + 1)
    model = trained(examples, seed=seed, version=str(seed))
    reference = input_reference(examples, day(LEARNED_DAYS))
    start = _Start(world, model, reference, seed, videos_a_day)
    return Watched(start.quiet(quiet_days), tuple(start.found(kind) for kind in CHECK_OF))


@dataclass(frozen=True, slots=True)
class _Start:
    world: World
    model: EngagementModel
    reference: InputReference
    seed: int
    videos_a_day: int

    def quiet(self, days: int) -> Quiet:
        shown = self._weeks(None)
        begun: list[str] = []
        before: set[str] = set()
        last: list[DriftDay] = []
        for today in range(BEGIN + PROMOTED_AFTER, BEGIN + PROMOTED_AFTER + days):
            last = [*last[1 - DAYS_IN_A_ROW :], self._day(shown, today)]
            now = {alarm.name for alarm in alarms(last) if alarm.retrain}
            begun += sorted(now - before)
            before = now
        return Quiet(self.seed, days, tuple(begun))

    def found(self, kind: Kind) -> Found:
        begin = BEGIN + DRIFTS_AFTER
        shown = self._weeks(Drift(begin, inputs=kind == "inputs", tastes=kind == "tastes"))
        last: list[DriftDay] = []
        for delay in range(1 - DAYS_IN_A_ROW, _GIVE_UP[kind]):
            last = [*last[1 - DAYS_IN_A_ROW :], self._day(shown, begin + delay)]
            if any(alarm.name == CHECK_OF[kind] for alarm in alarms(last)):
                return Found(self.seed, kind, delay)
        return Found(self.seed, kind, np.inf)

    def _weeks(self, drift: Drift | None) -> Weeks:
        return weeks(
            self.world, None, self.model, videos=self.videos_a_day * ENDS_AFTER, days=ENDS_AFTER, drift=drift,
            seed=4 * self.seed + 2, promoted_on=BEGIN + PROMOTED_AFTER,
        )  # fmt: skip

    def _day(self, shown: Weeks, today: int) -> DriftDay:
        """At the end of the day, of what is looked at: all clips of the last days and older ones that were seen."""
        made = shown.clips.day < today
        answered = (shown.outcomes.impressions > 0) | (shown.outcomes.decision != NO_DECISION)
        rows = np.flatnonzero(made & (answered | (shown.clips.day >= today - INPUT_DAYS)))
        examples = shown.known_on(today, rows)
        return watch_day(
            day(today - 1), self.model, self.reference, examples,
            learned_until=day(BEGIN) - timedelta(days=1), raw=shown.challenger[rows],
        )  # fmt: skip
