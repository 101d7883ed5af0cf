"""From a submitted row to a run that works on it, on `clip-platform up`, idle: what a tenant waits for at the least.

Timed by the database's clock, from the row's creation to the beginning of its first attempt, which is inside the run.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.api_reads import superuser_url
from benchmarks.measuring import Ratio
from clip_platform.embedded.machine import running_machine
from clip_platform.embedded.supervisor import port_answers
from clip_platform.settings import Settings

PROMISED_S = 10.0
VIDEOS = 5
_UP_S, _BEGUN_S, _ENDED_S = 120.0, 60.0, 180.0
_WAITED = """
select extract(epoch from a.began_at - v.created_at)::float from videos v join attempts a on a.video_id = v.id
where v.name = %s"""
_ENDED = "select state in ('completed', 'failed', 'dead_lettered') from videos where name = %s"


def measure(folder: Path) -> list[Ratio]:
    home = folder / "row-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with (
        _up(home) as environment,
        running_machine(Settings(home=home)) as machine,
        psycopg.connect(superuser_url(home, machine), autocommit=True) as connection,
    ):
        waited = [_waited_s(connection, environment, folder / f"row-{number}.mp4") for number in range(VIDEOS)]
    shutil.rmtree(home)
    details = {"seconds": ", ".join(f"{one:.1f}" for one in sorted(waited))}
    return [
        Ratio("slowest of 5 submitted rows to its run", "the 10 s promised", max(waited) / PROMISED_S, 1.0, details)
    ]


def _waited_s(connection: psycopg.Connection, environment: Mapping[str, str], file: Path) -> float:
    tone = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=2"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *tone, "-pix_fmt", "yuv420p", str(file)], check=True)
    submitting = [sys.executable, "-m", "clip_platform", "submit", str(file)]
    subprocess.run(submitting, check=True, env=dict(environment), stdout=sys.stderr)
    (waited,) = _answer(connection, _WAITED, file.name, _BEGUN_S)
    _answer(connection, _ENDED, file.name, _ENDED_S)  # the next one finds an idle machine
    file.unlink()
    return float(waited)


def _answer(connection: psycopg.Connection, query: str, name: str, deadline_s: float) -> tuple[float | bool, ...]:
    """The first row that says something.

    Raises:
        RuntimeError: there was none in time.
    """
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        row = connection.execute(query, [name]).fetchone()
        if row is not None and row[0]:
            return tuple(row)
        time.sleep(0.2)
    raise RuntimeError(f"{name}: nothing within {deadline_s:g} s from: {query}")


@contextmanager
def _up(home: Path) -> Iterator[Mapping[str, str]]:
    """The environment of commands beside a running `clip-platform up`."""
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            ports.append(probe.getsockname()[1])
    environment = {**os.environ, "CLIP_PLATFORM_HOME": str(home), "CLIP_PLATFORM_API_PORT": str(ports[0])}
    command = [sys.executable, "-m", "clip_platform", "up", "--port", str(ports[1])]
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    try:
        until = time.monotonic() + _UP_S
        while not all(port_answers(port) for port in ports):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("`clip-platform up` does not come up")
            time.sleep(0.5)
        yield environment
    finally:
        process.terminate()
        process.wait(60)
