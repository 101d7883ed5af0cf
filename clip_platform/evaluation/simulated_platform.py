"""A platform to simulate months on: a machine that runs already, or one of its own that is gone afterwards."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg
import psycopg

from clip_platform.definitions import build_definitions, default_resources
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.embedded.mlflow import mlflow_server
from clip_platform.embedded.postgres import superuser_url
from clip_platform.embedded.supervisor import Supervisor, free_port
from clip_platform.evaluation.simulated_past import SimulatedPast
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.settings import PREFIX, Settings, read_settings

if TYPE_CHECKING:
    from clip_platform.ml.simulate import World


@dataclass(frozen=True)
class SimulatedPlatform:
    """`connection` is the embedded server's superuser, in autocommit mode."""

    past: SimulatedPast
    connection: psycopg.Connection
    learning: LearningResource
    models: ModelsResource
    definitions: dg.Definitions
    instance: dg.DagsterInstance


@contextmanager
def on_machine(machine: Machine, home: Path, world: World, first_day: date) -> Iterator[SimulatedPlatform]:
    """On the embedded machine of `home`, whose MLflow runs; nothing is written yet."""
    warnings.simplefilter("ignore", dg.BetaWarning)  # of what our own assets use, which is nothing to the user
    with _environment(machine.variables):
        settings = read_settings()
        resources = default_resources(settings)
        with (
            psycopg.connect(superuser_url(home.absolute(), machine.database_port), autocommit=True) as connection,
            dg.DagsterInstance.get() as instance,
            dg.build_resources({name: resources[name] for name in ("learning", "models")}) as opened,
        ):
            yield SimulatedPlatform(
                past=SimulatedPast(connection, opened.learning.store(), world, first_day, settings.exploration_share),
                connection=connection,
                learning=opened.learning,
                models=opened.models,
                definitions=build_definitions(),
                instance=instance,
            )


@contextmanager
def fresh_platform(world: World, weeks: int) -> Iterator[SimulatedPlatform]:
    """With defaults for all settings, in a folder that goes, on a Postgres and an MLflow of its own."""
    port = free_port()
    with TemporaryDirectory(prefix="clip-platform-simulated-") as folder:
        home = Path(folder)
        ours = {f"{PREFIX}HOME": folder, f"{PREFIX}MLFLOW_PORT": str(port)}
        with _environment(ours, without=PREFIX):
            settings = Settings()
            with running_machine(settings) as machine:
                child = replace(mlflow_server(machine, port), starts_last=False)
                with (
                    Supervisor(machine.log_folder, [child]),
                    on_machine(machine, home, world, first_day(weeks, datetime.now(UTC).date())) as platform,
                ):
                    yield platform


def first_day(weeks: int, today: date) -> date:
    """So that the last week ended yesterday."""
    return today - timedelta(days=7 * weeks)


@contextmanager
def _environment(variables: Mapping[str, str], without: str | None = None) -> Iterator[None]:
    """This process's, changed for the time of the block. `without`: what begins so is away meanwhile."""
    before = dict(os.environ)
    if without is not None:
        for name in [name for name in os.environ if name.startswith(without)]:
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
