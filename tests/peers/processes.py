"""Servers of the tests' own: started in a folder, on a free port of loopback, and never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

INSTALL = "run `make test`, which installs it (setup/peers)"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def program(name: str) -> str:
    """Its path; the test that needs it fails when it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        pytest.fail(f"{name} is not installed, and this test needs the real server; {INSTALL}", pytrace=False)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Runs a server until the block ends; the kernel ends it when the tests are killed."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        yield
    finally:
        _end(process)


def die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(ready: Callable[[], bool], what: str, log: Path, deadline_s: float = 60.0) -> None:
    """Polls; a server that does not come up fails the test with the end of what it said."""
    until = time.monotonic() + deadline_s
    while not ready():
        if time.monotonic() > until:
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            pytest.fail(f"{what} did not answer within {deadline_s:g} s; it said:\n{said}", pytrace=False)
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
