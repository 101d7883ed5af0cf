"""`simulate`: months of invented feedback through the real learning loop, beside a running `up`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console

from clip_platform.errors import InvalidInput, InvalidSetting
from clip_platform.settings import Settings, read_settings

if TYPE_CHECKING:
    from clip_platform.embedded.machine import Machine

WEEKS_A_MONTH = 13 / 3
MOST_MONTHS = 24


def simulate(months: float, videos_a_week: int, tenants: int, seed: int) -> int:
    """
    Raises:
        InvalidSetting: the platform is another server's than the embedded one, or MLflow does not answer.
        InvalidInput: there are simulated tenants already.
    """
    settings = read_settings()
    if settings.database_host is not None:
        raise InvalidSetting(
            "simulate writes a past that never was, so it runs on the embedded server only; unset "
            "CLIP_PLATFORM_DATABASE_HOST"
        )
    from clip_platform.embedded.machine import running_machine

    with running_machine(settings) as machine:
        return _simulated(machine, settings, months, videos_a_week, tenants, seed)


def _simulated(machine: Machine, settings: Settings, months: float, videos: int, tenants: int, seed: int) -> int:
    from clip_platform.evaluation.simulated_months import simulate_months
    from clip_platform.evaluation.simulated_platform import first_day, on_machine
    from clip_platform.ml.simulate import make_world

    weeks = max(round(months * WEEKS_A_MONTH), 1)
    first = first_day(weeks, datetime.now(UTC).date())
    console = Console(soft_wrap=True, highlight=False)
    with on_machine(machine, settings.home, make_world(seed, tenants), first) as platform:
        platform.models.registry().aliases()  # MLflow answers, or says how to start it
        _expect_none(platform.connection)
        for week in simulate_months(platform, weeks=weeks, videos_a_week=videos, seed=seed):
            served = f"{week.champion or 'heuristic'}{f' and {week.challenger}' if week.challenger else ''}"
            console.print(
                f"week {week.number + 1:2} of {weeks}  {week.clips:4} clips  {week.reports:5} reports  "
                f"tau {week.tau:.2f} (heuristic {week.heuristic_tau:.2f})  served by {served}"
            )
            rescored = f"; {week.rescored} clips of the archive scored anew" if week.rescored else ""
            why = "" if week.reason == week.action else f": {week.reason}"
            console.print(f"   training: {week.training}", style="dim")
            console.print(f"   judgement: {week.action}{why}{rescored}", style="dim")
    console.print(
        f"look at group learning in Dagster, at {settings.mlflow_address} for runs and versions, and over the API at "
        "clips of sim-00, sim-01, ...; `clip-platform tenant token sim-00` prints a token"
    )
    return 0


def _expect_none(connection: psycopg.Connection) -> None:
    from clip_platform.database.simulated import has_tenants

    if has_tenants(connection):
        raise InvalidInput(
            "there are simulated tenants already; close them with `clip-platform tenant close`, or give the simulation "
            "a home of its own with CLIP_PLATFORM_HOME"
        )
