"""The archive scored anew by the model that serves: day by day, resumable, shown when no day is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from clip_platform.errors import Conflict, Superseded

if TYPE_CHECKING:
    from clip_platform.database.rescoring import Flip
    from clip_platform.ml.model import EngagementModel
    from clip_platform.resources.learning import LearningResource

REASONS_DAYS = 30
"""Clips made within so many days get reasons with their new score; of older ones hardly any is looked at."""
BACKFILL_DAYS = 60
"""Days of one run of a backfill: bounded, so that one that is lost costs little."""
RESETTLED_DAYS = 2
"""The last days are always scored again: clips may have come in since."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """`days`: written now; `skipped`: were there already; `missing`: still to be written before anybody sees these
    scores, None once they are shown; `flips`: tenants that see them from now on."""

    version: str
    days: int
    skipped: int
    clips: int
    unknown: int
    missing: str | None
    flips: tuple[Flip, ...]


def rescore(
    learning: LearningResource,
    model: EngagementModel,
    days: Sequence[date],
    serving: Callable[[], str | None],
    on_day: Callable[[int], None],
    today: date | None = None,
    kept: Collection[str] = (),
) -> Rescored:
    """Scores the clips made on these days; tells `on_day` how many days are done.

    Args:
        kept: versions to go back to; scores of others are deleted once these are shown to everybody.
        serving: the version that serves; asked before each day, because a newer one makes the rest needless.

    Raises:
        Superseded: another version serves now; the days written so far are kept, nobody sees them.
    """
    from clip_platform.database import rescoring

    today = today or datetime.now(UTC).date()
    door = learning.scores()
    _expect_serving(serving, model.version)
    rescoring.resume(door, model.version)  # it may have served before, and been rolled back
    done = {day for day in rescoring.days_whole(door, model.version) if day < today - timedelta(days=RESETTLED_DAYS)}
    clips = unknown = written = 0
    for number, day in enumerate(days, 1):
        if day not in done:
            _expect_serving(serving, model.version)
            with_reasons = day > today - timedelta(days=REASONS_DAYS)
            result = rescoring.write_day(
                door, model.version, day, _scores(learning, model, day, with_reasons=with_reasons)
            )
            clips, unknown, written = clips + result.clips, unknown + result.unknown, written + 1
        on_day(number)
    missing: str | None = None
    flips: tuple[Flip, ...] = ()
    _expect_serving(serving, model.version)
    try:
        flips = tuple(rescoring.flip(door, model.version, today))
    except Conflict as error:
        missing = error.message
    if missing is None:
        rescoring.forget(door, {model.version, *kept})
    return Rescored(model.version, written, len(days) - written, clips, unknown, missing, flips)


def _expect_serving(serving: Callable[[], str | None], version: str) -> None:
    serves = serving()
    if serves != version:
        raise Superseded(f"{serves or 'the heuristic'} serves now, not {version}; its own re-scoring takes over")


def day_ranges(days: Sequence[date], most: int = BACKFILL_DAYS) -> list[tuple[date, date]]:
    """From the first to the last day in ranges of at most so many, newest first: recent clips are looked at most.

    Args:
        days: in order.
    """
    ranges = []
    if days:
        last = days[-1]
        while last >= days[0]:
            first = max(days[0], last - timedelta(days=most - 1))
            ranges.append((first, last))
            last = first - timedelta(days=1)
    return ranges


def ranges_left(learning: LearningResource, until: date) -> list[tuple[date, date]]:
    """Of days up to `until` on which clips have no score of the version that is to be shown: a run was lost, or their
    features came late."""
    from clip_platform.database import rescoring

    door = learning.scores()
    version = rescoring.current(door)
    if version is None:
        return []
    whole = rescoring.days_whole(door, version)
    return day_ranges([day for day in rescoring.days_made(door) if day <= until and day not in whole])


def ranges_to_score(learning: LearningResource) -> list[tuple[date, date]]:
    """Of all days on which clips were made that are still there."""
    from clip_platform.database import rescoring

    return day_ranges(rescoring.days_made(learning.scores()))


def _scores(learning: LearningResource, model: EngagementModel, day: date, *, with_reasons: bool) -> Iterator[bytes]:
    from clip_platform.ml.rescoring import scores_csv

    for tenant in learning.tenants():
        features = learning.get("features", tenant, day)
        if features is not None:
            yield from scores_csv(model, features, with_reasons=with_reasons)
