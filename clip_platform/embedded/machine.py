"""One machine as the platform needs it: a Postgres with its databases migrated, a Dagster home, addresses for children.

Whoever enters shares the server with every other command of the same home; the last one out stops it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from clip_platform.database import roles
from clip_platform.database.schema import migrate
from clip_platform.embedded.postgres import EmbeddedPostgres
from clip_platform.encryption.opening import ensure_master
from clip_platform.errors import InvalidSetting, StorageFull
from clip_platform.settings import Settings


@dataclass(frozen=True)
class Machine:
    """What children are given in their environment: addresses and passwords, never written to disk by this class.

    `variables` are for Dagster's processes and for runs, `api_variables`, `worker_variables`, `mlflow_variables` and
    `exporter_variables` for those four: each has the password of its own database role and of no other.
    """

    database_url: str
    database_port: int
    object_store_url: str
    log_folder: Path
    variables: Mapping[str, str]
    api_variables: Mapping[str, str]
    worker_variables: Mapping[str, str]
    mlflow_variables: Mapping[str, str]
    exporter_variables: Mapping[str, str]

    def log_of(self, video_id: str) -> Path:
        """The JSON log of a video's runs from the command line."""
        return self.log_folder / f"{video_id}.jsonl"


@contextmanager
def running_machine(settings: Settings) -> Iterator[Machine]:
    """The embedded server, started or joined, with all three databases ready."""
    if settings.database_host is not None:
        raise InvalidSetting(
            f"CLIP_PLATFORM_DATABASE_HOST names the server {settings.database_host}, but this command brings its own; "
            "unset it, or run Dagster itself against that server"
        )
    home = settings.home.absolute()
    dagster_home, logs = home / "dagster", home / "logs"
    _prepare(home, (dagster_home, logs, *(home / name for name in ("objects", "scratch", "mlflow"))))
    ensure_master(settings)
    with _only_our_connection_settings(), EmbeddedPostgres(home).running() as server:
        migrate(server.url(roles.OWNER, roles.APPLICATION_DATABASE))
        shared = {
            "CLIP_PLATFORM_HOME": str(home),
            "CLIP_PLATFORM_DATABASE_HOST": server.host,
            "CLIP_PLATFORM_DATABASE_PORT": str(server.port),
            "CLIP_PLATFORM_DATABASE_NAME": roles.APPLICATION_DATABASE,
        }
        yield Machine(
            database_url=server.url(roles.PIPELINE, roles.APPLICATION_DATABASE),
            database_port=server.port,
            object_store_url=settings.store_url,
            log_folder=logs,
            variables={
                **shared,
                "CLIP_PLATFORM_DATABASE_PIPELINE_PASSWORD": server.password(roles.PIPELINE),
                "CLIP_PLATFORM_DATABASE_SENSORS_PASSWORD": server.password(roles.SENSORS),
                "CLIP_PLATFORM_DATABASE_LEARNER_PASSWORD": server.password(roles.LEARNER),
                "CLIP_PLATFORM_DATABASE_RESCORER_PASSWORD": server.password(roles.RESCORER),
                # SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3, which dagster-postgres does not use
                "DAGSTER_POSTGRES_URL": server.url(roles.DAGSTER, "dagster", driver="postgresql+psycopg2"),
                "DAGSTER_HOME": str(dagster_home),
                "DAGSTER_DISABLE_TELEMETRY": "1",
            },
            api_variables={**shared, "CLIP_PLATFORM_DATABASE_API_PASSWORD": server.password(roles.API)},
            exporter_variables={
                **shared,
                "CLIP_PLATFORM_DATABASE_EXPORTER_PASSWORD": server.password(roles.EXPORTER),
                "DAGSTER_POSTGRES_URL": server.url(roles.DAGSTER, "dagster", driver="postgresql+psycopg2"),
                "DAGSTER_HOME": str(dagster_home),
                "DAGSTER_DISABLE_TELEMETRY": "1",
            },
            worker_variables={**shared, "CLIP_PLATFORM_DATABASE_WORKER_PASSWORD": server.password(roles.WORKER)},
            mlflow_variables={
                "MLFLOW_BACKEND_STORE_URI": server.url(roles.MLFLOW, "mlflow"),
                "MLFLOW_ARTIFACTS_DESTINATION": (home / "mlflow").as_uri(),
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # for judging language models: three more processes
            },
        )


def _prepare(home: Path, private: Sequence[Path]) -> None:
    """
    Raises:
        InvalidSetting, StorageFull: the home cannot be written.
    """
    try:
        # Others may pass: root's Postgres runs as another user. All but its folder is closed to them.
        home.mkdir(parents=True, exist_ok=True, mode=0o711)
        for folder in private:
            folder.mkdir(exist_ok=True, mode=0o700)
        _write_instance(home / "dagster")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"no space is left in {home}; free some, or set CLIP_PLATFORM_HOME") from error
        raise InvalidSetting(
            f"{error.filename or home} cannot be used: {error.strerror}; set CLIP_PLATFORM_HOME to a folder of your own"
        ) from error


@contextmanager
def _only_our_connection_settings() -> Iterator[None]:
    """libpq takes what an address does not say from the environment: a user's PGSSLMODE or PGOPTIONS are for other
    servers than this one."""
    theirs = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(theirs)


def _write_instance(dagster_home: Path) -> None:
    """Puts this version's `dagster.yaml` in place; it holds no secret and nothing of the user's."""
    wanted = files("clip_platform.embedded").joinpath("dagster.yaml").read_text()
    path = dagster_home / "dagster.yaml"
    if not path.exists() or path.read_text() != wanted:
        temporary = path.with_suffix(".new")
        temporary.write_text(wanted)
        temporary.replace(path)
