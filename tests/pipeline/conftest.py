"""A short talk, and the platform's own resources on the session's Postgres and a store of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clip_platform.database import roles
from clip_platform.evaluation.sample_talk import make_sample_talk
from clip_platform.evaluation.script import LINES
from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.connections import DatabaseResource, ObjectStoreResource
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.videos import VideosResource
from tests.conftest import MigratedServer

OPTIONS = ("--clips", "1", "--min-s", "3", "--max-s", "8")


@pytest.fixture(scope="session")
def short_talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera and a slide, about 14 s, 640x360."""
    return make_sample_talk(tmp_path_factory.mktemp("talk"), size=(640, 360), lines=(LINES[0], LINES[2])).video


@dataclass(frozen=True)
class CommandLine:
    """`clip-platform` with a home of its own."""

    home: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "CLIP_PLATFORM_HOME": str(self.home), "CLIP_PLATFORM_SPEECH_ENGINE": "pocketsphinx"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "clip_platform", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, error = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, error)


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "home")


@pytest.fixture
def videos_resource(empty_database: MigratedServer, tmp_path: Path) -> VideosResource:
    return VideosResource(
        database=door_resource(empty_database, roles.PIPELINE),
        object_store=ObjectStoreResource(
            url=(tmp_path / "objects").as_uri(),
            master_key=(tmp_path / "master.json").as_uri(),
            keys_url=(tmp_path / "keys").as_uri(),
            make_master=True,
        ),
        scratch=str(tmp_path / "scratch"),
    )


def no_models() -> ModelsResource:
    """A registry that is away: nothing listens at the address, and nothing served before."""
    return ModelsResource(mlflow_uri="http://127.0.0.1:9", cache="/nonexistent")


@pytest.fixture
def learning_resource(videos_resource: VideosResource, empty_database: MigratedServer) -> LearningResource:
    return LearningResource(
        videos=videos_resource,
        learner=door_resource(empty_database, roles.LEARNER),
        rescorer=door_resource(empty_database, roles.RESCORER),
    )


@pytest.fixture
def backlog_resource(empty_database: MigratedServer) -> BacklogResource:
    return BacklogResource(database=door_resource(empty_database, roles.SENSORS), slots=2)


def door_resource(migrated: MigratedServer, role: str) -> DatabaseResource:
    server = migrated.server
    return DatabaseResource(
        host=server.host,
        port=server.port,
        name=roles.APPLICATION_DATABASE,
        role=role,
        password=server.password(role),
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


Launch = Callable[..., Any]
