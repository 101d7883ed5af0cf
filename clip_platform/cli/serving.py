"""`up`, `api`, `worker`: the platform's processes on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from clip_platform import tracing
from clip_platform.embedded.locks import exclusive
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.embedded.mlflow import mlflow_server
from clip_platform.embedded.supervisor import Child, Supervisor, free_port, port_answers
from clip_platform.errors import AlreadyRunning, DeadlineExceeded, InvalidSetting
from clip_platform.settings import PREFIX, Settings, read_settings
from clip_platform.telemetry import configure_logging

if TYPE_CHECKING:
    from fastapi import FastAPI

_LOOPBACK = "127.0.0.1"


def serve(port: int) -> int:
    """Blocks until interrupted.

    Raises:
        InvalidSetting: a port is taken.
    """
    settings = read_settings()
    _expect_free(port, "choose another with --port")
    _expect_free(settings.api_port, f"choose another with {PREFIX}API_PORT")
    if settings.mlflow_uri is None:
        _expect_free(settings.mlflow_port, f"choose another with {PREFIX}MLFLOW_PORT")
    with (
        running_machine(settings) as machine,
        _only_one(machine),
        Supervisor(machine.log_folder, _children(machine, settings, port)) as supervisor,
    ):
        console = Console()
        console.print(f"API          {settings.public_api_url}  (interactive documentation at /docs)", highlight=False)
        console.print(f"Dagster      http://{_LOOPBACK}:{port}", highlight=False)
        starts = "  (answers within a minute)" if settings.mlflow_uri is None else ""
        console.print(f"MLflow       {settings.mlflow_address}{starts}", highlight=False)
        console.print(f"Postgres     {_LOOPBACK}:{machine.database_port}", highlight=False)
        console.print(f"logs         {machine.log_folder}", highlight=False)
        console.print("first token  clip-platform tenant create NAME", highlight=False)
        console.print("submit a video with: clip-platform submit FILE     stop with Ctrl-C")
        supervisor.wait()
    return 0


def serve_api() -> int:
    """The API alone, on the configured server or the embedded one, until interrupted.

    Raises:
        InvalidSetting: its address cannot be used.
    """
    from clip_platform.api.app import build_app
    from clip_platform.api.connections import serve as serve_http
    from clip_platform.api.opening import open_services

    with on_a_server("api") as settings, open_services(settings) as services:
        configure_logging(level=settings.log_level)
        tracing.configure("api")
        Console().print(
            f"API          {settings.public_api_url}  (interactive documentation at /docs)", highlight=False
        )
        app = build_app(services)
        with _metrics_of(app, settings):
            serve_http(app, settings.api_host, settings.api_port)
    return 0


def _metrics_of(app: FastAPI, settings: Settings) -> AbstractContextManager[None]:
    """None without a port."""
    if settings.api_metrics_port is None:
        return nullcontext()
    from clip_platform.network.metrics_listener import serving_metrics

    registry = app.state.metrics.registry
    return serving_metrics(registry, settings.metrics_host, settings.api_metrics_port, f"{PREFIX}API_METRICS_PORT")


def run_exporter() -> int:
    """Metrics of queue, runs and store for Prometheus, on the configured server or the embedded one."""
    from clip_platform.exporter.app import run

    settings = read_settings()
    configure_logging(level=settings.log_level)
    if settings.database_host is not None:
        run(settings)
        return 0
    with running_machine(settings) as machine:
        os.environ.update(machine.exporter_variables)
        Console().print(
            f"metrics      http://{settings.metrics_host}:{settings.exporter_port}/metrics", highlight=False
        )
        run(read_settings())
    return 0


def run_worker() -> int:
    """What the API leaves for later: verification, webhooks, exports; until interrupted."""
    from clip_platform.worker.app import run

    with on_a_server("worker") as settings:
        configure_logging(level=settings.log_level)
        tracing.configure("worker")
        run(settings)
    return 0


@contextmanager
def on_a_server(role: Literal["api", "worker"]) -> Iterator[Settings]:
    """Settings that name a database server: the configured one, or this machine's, which then runs inside."""
    settings = read_settings()
    if settings.database_host is not None:
        yield settings
        return
    with running_machine(settings) as machine:
        given = machine.api_variables if role == "api" else machine.worker_variables
        plain = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
        yield Settings.model_validate({**settings.model_dump(), **plain})


def _expect_free(port: int, remedy: str) -> None:
    if port_answers(port):
        raise InvalidSetting(f"port {port} of {_LOOPBACK} is taken; {remedy}")


@contextmanager
def _only_one(machine: Machine) -> Iterator[None]:
    """Two daemons on one Dagster would start every video twice."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(machine.log_folder.parent / "up.lock", deadline_s=0.0))
        except DeadlineExceeded as error:
            raise AlreadyRunning(
                f"`clip-platform up` runs on {machine.log_folder.parent} already; stop it, or set another "
                "CLIP_PLATFORM_HOME"
            ) from error
        yield


def _children(machine: Machine, settings: Settings, port: int) -> list[Child]:
    ours = [] if settings.mlflow_uri is not None else [mlflow_server(machine, settings.mlflow_port)]
    return [*_of_dagster(machine, port, free_port()), *_of_the_api(machine, settings), *ours]


def _of_the_api(machine: Machine, settings: Settings) -> list[Child]:
    command = [sys.executable, "-m", "clip_platform"]
    return [
        Child("api", [*command, "api"], _only_with(machine.api_variables), settings.api_port),
        Child("worker", [*command, "worker"], _only_with(machine.worker_variables)),
    ]


def _only_with(variables: Mapping[str, str]) -> Mapping[str, str]:
    """This process's environment without passwords of the database, then what is given."""
    inherited = {
        name: value for name, value in os.environ.items() if not re.fullmatch(f"{PREFIX}DATABASE_.*PASSWORD", name)
    }
    return {**inherited, **variables}


def _of_dagster(machine: Machine, port: int, code_port: int) -> list[Child]:
    """The code server first: webserver and daemon share it, so that code loads once."""
    environment = _only_with(machine.variables)
    location = ["--grpc-host", _LOOPBACK, "--grpc-port", str(code_port)]
    return [
        Child(
            name="code-server",
            command=[
                *_program("dagster"),
                *("code-server", "start", "-h", _LOOPBACK, "-p", str(code_port), "-m", "clip_platform.definitions"),
                "--use-python-environment-entry-point",
            ],
            environment=environment,
            port=code_port,
        ),
        Child(
            name="dagster-webserver",
            command=[*_program("dagster-webserver"), "-h", _LOOPBACK, "-p", str(port), *location],
            environment=environment,
            port=port,
        ),
        Child(
            name="dagster-daemon",
            command=[*_program("dagster-daemon"), "run", *location],
            environment=environment,
            port=None,
        ),
    ]


def _program(name: str) -> list[str]:
    """A program of this environment, whatever PATH says."""
    return [str(Path(sys.executable).with_name(name))]
