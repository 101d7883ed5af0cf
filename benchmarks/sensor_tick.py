"""A tick of the sensor that starts videos, with 100,000 videos beside 1,000: a third waits, of 200 tenants, and ids are
in no order. The tick is all of it: the rows, and what Dagster makes of them.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from pathlib import Path

import dagster as dg
import psycopg

from benchmarks.measuring import Ratio
from clip_platform.database import roles
from clip_platform.definitions import build_definitions
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.connections import DatabaseResource
from clip_platform.sensors.uploads import finished_uploads
from clip_platform.settings import Settings

FEW, MANY, LIMIT = 1_000, 100_000, 1.3
TENANTS, TICKS = 200, 60
_TENANTS = "insert into tenants (tenant_id, name) select 't' || g, 't' from generate_series(1, %s) g"
_VIDEOS = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
select '01' || lpad((n::bigint * 7919 %% 1000003)::text, 24, '0'), 't' || (1 + n %% %(tenants)s), 'talk.mp4',
    't' || (1 + n %% %(tenants)s) || '/x', repeat('0', 64), 1000, '{}',
    case when n %% 3 = 0 then 'completed' when n %% 3 = 1 then 'submitted' else 'dead_lettered' end
from generate_series(%(first)s::int, %(last)s::int) as n"""
_GIVE_BACK = "update videos set state = 'submitted' where state = 'admitted'"


def measure(folder: Path) -> list[Ratio]:
    home = folder / "tick-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with running_machine(Settings(home=home)) as machine, _superuser(machine, home) as connection:
        connection.execute(_TENANTS, [TENANTS])
        seconds = {}
        have = 0
        for videos in (FEW, MANY):
            connection.execute(_VIDEOS, {"tenants": TENANTS, "first": have + 1, "last": videos})
            connection.execute("vacuum analyze videos")
            have = videos
            seconds[videos] = _tick_s(machine, connection)
    details = {f"{videos} videos ms": round(seconds[videos] * 1000, 1) for videos in (FEW, MANY)}
    return [Ratio("sensor tick", f"with {FEW:,} videos", seconds[MANY] / seconds[FEW], LIMIT, details)]


def _tick_s(machine: Machine, connection: psycopg.Connection) -> float:
    """The median tick."""
    taken = []
    backlog = _backlog(machine)
    definitions = build_definitions(backlog=backlog)
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(TICKS):
            connection.execute(_GIVE_BACK)
            with dg.build_sensor_context(
                instance=instance, definitions=definitions, resources={"backlog": backlog}
            ) as context:
                began = time.perf_counter()
                result = finished_uploads(context)
                taken.append(time.perf_counter() - began)
            assert isinstance(result, dg.SensorResult)
            assert len(result.run_requests or []) == 2
    return statistics.median(taken)


def _backlog(machine: Machine) -> BacklogResource:
    given = machine.variables
    database = DatabaseResource(
        host=given["CLIP_PLATFORM_DATABASE_HOST"],
        port=int(given["CLIP_PLATFORM_DATABASE_PORT"]),
        name=given["CLIP_PLATFORM_DATABASE_NAME"],
        role=roles.SENSORS,
        password=given["CLIP_PLATFORM_DATABASE_SENSORS_PASSWORD"],
    )
    return BacklogResource(database=database, slots=2)


def _superuser(machine: Machine, home: Path) -> psycopg.Connection:
    """What is measured against is made in nobody's name."""
    password = json.loads((home / "postgres" / "passwords.json").read_text())["postgres"]
    port = machine.database_port
    address = f"postgresql://postgres:{password}@127.0.0.1:{port}/{roles.APPLICATION_DATABASE}"
    return psycopg.connect(address, autocommit=True)
