"""What authentication, the tenant's wall, rate limits and the database cost a read; and a late page beside the first.

One server process each, the same client, in turns. The listing is measured on 1,000,000 videos of one tenant.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks.http_load import body_of, requests_per_s
from benchmarks.measuring import Ratio
from clip_platform.api.paging import cursor_of
from clip_platform.database import roles, tenants, tokens
from clip_platform.database.connection import Database
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.embedded.supervisor import port_answers
from clip_platform.settings import Settings

LEAST_SHARE, PAGES_LIMIT = 0.20, 1.5
VIDEOS, PAGE, LATE_PAGE = 1_000_000, 50, 5_000
ROUNDS = 9
TENANT = "bench"
# Ids as new_ulid makes them sort by time; here the number is the time.
_FILL = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state, content_type,
    duration_s, attempt)
select '01' || lpad(n::text, 24, '0'), %(t)s, 'talk ' || n || '.mp4', %(t)s || '/videos/' || n || '/source/upload',
    repeat('0', 64), 1000, '{}', 'completed', 'video/mp4', 60, 1 from generate_series(1, %(videos)s) as n
"""


@dataclass(frozen=True)
class Served:
    port: int
    headers: Mapping[str, str]

    def rate(self, path: str) -> float:
        return requests_per_s(self.port, path, dict(self.headers))


def measure(folder: Path, videos: int = VIDEOS) -> list[Ratio]:
    home = folder / "api-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    settings = Settings(home=home)
    with running_machine(settings) as machine, serving_api(machine, home, videos) as api:
        ratios = [_one_video(api, home, videos), _pages(api, videos)]
    shutil.rmtree(home)
    return ratios


def _one_video(api: Served, home: Path, videos: int) -> Ratio:
    path = f"/v1/videos/{video_id(videos // 2)}"
    body_file = home / "body"
    body_file.write_bytes(body_of(api.port, path, dict(api.headers)))
    with _server([sys.executable, "-m", "benchmarks.bare_route", str(body_file)], {}) as port:
        rates = _in_turns(lambda: Served(port, {}).rate(path), lambda: api.rate(path))
    bare, ours = (statistics.median(rate) for rate in zip(*rates, strict=True))
    ratio = statistics.median(bare / ours for bare, ours in rates)
    details = {"ours_per_s": round(ours), "bare_per_s": round(bare), "share": round(1 / ratio, 3)}
    return Ratio("GET /v1/videos/{id}, authenticated", "a bare route, same bytes", ratio, 1 / LEAST_SHARE, details)


def _pages(api: Served, videos: int) -> Ratio:
    before = video_id(videos - PAGE * (min(LATE_PAGE, videos // PAGE) - 1) + 1)
    first = f"/v1/videos?limit={PAGE}"
    late = f"{first}&cursor={cursor_of({'id': before})}"
    rates = _in_turns(lambda: api.rate(first), lambda: api.rate(late))
    ratio = statistics.median(of_first / of_late for of_first, of_late in rates)
    details = {"first_ms": _each_ms(rates, 0), "late_ms": _each_ms(rates, 1), "videos": videos}
    return Ratio(f"page {LATE_PAGE:,} of a listing", "page 1", ratio, PAGES_LIMIT, details)


def _in_turns(one: Callable[[], float], other: Callable[[], float]) -> list[tuple[float, float]]:
    one(), other()
    return [(one(), other()) for _ in range(ROUNDS)]


def _each_ms(rates: list[tuple[float, float]], which: int) -> float:
    return round(8000 / statistics.median(rate[which] for rate in rates), 2)


def video_id(number: int) -> str:
    return f"01{number:024d}"


@contextmanager
def serving_api(machine: Machine, home: Path, videos: int, more: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`more`: variables of the API's environment."""
    door = Database(machine.database_url)
    tenants.ensure(door, TENANT, "Bench")
    door.close()
    with psycopg.connect(superuser_url(home, machine), autocommit=True) as connection:
        connection.execute(_FILL, {"t": TENANT, "videos": videos})
        connection.execute("vacuum (freeze, analyze) videos")
        connection.execute("checkpoint")  # what was filled in is written before, and not while it is measured
    variables = {
        **machine.api_variables,
        "CLIP_PLATFORM_RATE_LIMIT_PER_TOKEN": "10000000/minute",
        "CLIP_PLATFORM_RATE_LIMIT_PER_TENANT": "10000000/minute",
        "CLIP_PLATFORM_LOG_LEVEL": "WARNING",
        **(more or {}),
    }
    with _server([sys.executable, "-m", "clip_platform", "api"], variables) as port:
        yield Served(port, {"Authorization": f"Bearer {_token(machine)}"})


def superuser_url(home: Path, machine: Machine) -> str:
    password = json.loads((home / "postgres" / "passwords.json").read_text())["postgres"]
    return f"postgresql://postgres:{password}@127.0.0.1:{machine.database_port}/{roles.APPLICATION_DATABASE}"


def _token(machine: Machine) -> str:
    given = machine.api_variables
    password = given["CLIP_PLATFORM_DATABASE_API_PASSWORD"]
    door = Database(
        f"postgresql+psycopg://{roles.API}:{password}@127.0.0.1:{machine.database_port}/{roles.APPLICATION_DATABASE}"
    )
    with door.tenant_transaction(TENANT) as connection:
        until = datetime.now(UTC) + timedelta(days=1)
        _, secret = tokens.create(
            connection, name="bench", kind="service", role="owner", scopes=["*"], created_by="bench", expires_at=until
        )
    door.close()
    return secret


@contextmanager
def _server(command: list[str], variables: Mapping[str, str]) -> Iterator[int]:
    """A process that listens where `CLIP_PLATFORM_API_PORT` says."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, **variables, "CLIP_PLATFORM_API_PORT": str(port)}
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    try:
        until = time.monotonic() + 60
        while not port_answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[-1]} does not answer on port {port}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)
