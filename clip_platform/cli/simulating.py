"""`simulate`: months of invented feedback through the real learning loop, beside a running `up`."""

from __future__ import annotations

import os
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console

from clip_platform.errors import InvalidInput, InvalidSetting
from clip_platform.settings import Settings, read_settings

if TYPE_CHECKING:
    from clip_platform.storage.objects import ObjectStore

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
        os.environ.update(machine.variables)
        return _simulated(read_settings(), settings, months, videos_a_week, tenants, seed)


def _simulated(settings: Settings, embedded: Settings, months: float, videos: int, tenants: int, seed: int) -> int:
    import dagster as dg

    warnings.simplefilter("ignore", dg.BetaWarning)  # of what our own assets use, which is nothing to the user
    from clip_platform.definitions import build_definitions
    from clip_platform.embedded.postgres import superuser_url
    from clip_platform.evaluation.simulated_months import first_day, simulate_months
    from clip_platform.evaluation.simulated_past import SimulatedPast
    from clip_platform.ml.simulate import make_world
    from clip_platform.resources.models import ModelsResource

    weeks = max(round(months * WEEKS_A_MONTH), 1)
    models = ModelsResource(mlflow_uri=settings.mlflow_address, cache=str(settings.model_cache))
    models.registry().aliases()  # MLflow answers, or says how to start it
    console = Console()
    with (
        psycopg.connect(superuser_url(embedded.home.absolute(), settings.database_port), autocommit=True) as connection,
        dg.DagsterInstance.get() as instance,
    ):
        _expect_none(connection)
        past = SimulatedPast(
            connection=connection,
            store=_store(settings),
            world=make_world(seed, tenants),
            first_day=first_day(weeks, datetime.now(UTC).date()),
            exploration_share=settings.exploration_share,
        )
        found = simulate_months(
            past, models, build_definitions(), instance, weeks=weeks, videos_a_week=videos, seed=seed
        )
        for week in found:
            served = f"{week.champion or 'heuristic'}{f' and {week.challenger}' if week.challenger else ''}"
            console.print(
                f"week {week.number + 1:2} of {weeks}  {week.clips:4} clips  {week.reports:5} reports  "
                f"tau {week.tau:.2f} (heuristic {week.heuristic_tau:.2f})  served by {served}",
                highlight=False,
            )
            rescored = f"; {week.rescored} clips of the archive scored anew" if week.rescored else ""
            console.print(f"   training: {week.training}", highlight=False, style="dim")
            console.print(
                f"   judgement: {week.action}{'' if week.reason == week.action else f': {week.reason}'}{rescored}",
                highlight=False,
                style="dim",
            )
    console.print(
        f"look at group learning in Dagster, at {settings.mlflow_address} for runs and versions, and at any clip of "
        "the tenants sim-00, sim-01, ...",
        highlight=False,
    )
    return 0


def _expect_none(connection: psycopg.Connection) -> None:
    from clip_platform.database.simulated import has_tenants

    if has_tenants(connection):
        raise InvalidInput(
            "there are simulated tenants already; delete them, or give the simulation a home of its own with "
            "CLIP_PLATFORM_HOME"
        )


def _store(settings: Settings) -> ObjectStore:
    """The store as the pipeline has it, sealed with tenants' keys."""
    from clip_platform.database.connection import Database
    from clip_platform.resources.connections import store_at

    database = Database(settings.database_url("pipeline") or "")
    return store_at(
        database,
        settings.store_url,
        settings.master_key_address,
        settings.key_store_url,
        settings.makes_master_key,
        settings.s3_kms_key,
    )
