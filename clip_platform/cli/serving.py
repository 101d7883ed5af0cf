"""`up`: the platform's processes on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from clip_platform.embedded.locks import exclusive
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.embedded.supervisor import Child, Supervisor, port_answers
from clip_platform.errors import AlreadyRunning, DeadlineExceeded, InvalidSetting
from clip_platform.settings import read_settings

_LOOPBACK = "127.0.0.1"


def serve(port: int) -> int:
    """Blocks until interrupted.

    Raises:
        InvalidSetting: the port is taken.
    """
    if port_answers(port):
        raise InvalidSetting(f"port {port} of {_LOOPBACK} is taken; choose another with --port")
    with (
        running_machine(read_settings()) as machine,
        _only_one(machine),
        Supervisor(machine.log_folder, _children(machine, port, _free_port())) as supervisor,
    ):
        console = Console()
        console.print(f"Dagster      http://{_LOOPBACK}:{port}", highlight=False)
        console.print(f"Postgres     {_LOOPBACK}:{machine.database_port}", highlight=False)
        console.print(f"logs         {machine.log_folder}", highlight=False)
        console.print("submit a video with: clip-platform submit FILE     stop with Ctrl-C")
        supervisor.wait()
    return 0


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


def _free_port() -> int:
    """For the code server, which only its two neighbours talk to."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _children(machine: Machine, port: int, code_port: int) -> list[Child]:
    """The code server first: webserver and daemon share it, so that code loads once."""
    environment = {**os.environ, **machine.variables}
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
