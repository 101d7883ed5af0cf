"""A thousand clients that watch videos of which there is no news: threads, transactions and CPU of the API for them.

Held against what the simplest server would take: a thread, and a query a second, each.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from benchmarks.api_reads import Served, serving_api, superuser_url, video_id
from benchmarks.measuring import Ratio
from clip_platform.api.news import SWEPT_S
from clip_platform.embedded.machine import running_machine
from clip_platform.settings import Settings

WATCHERS = 1000
LIMIT = 0.05
_WINDOW_S = SWEPT_S + 5.0
"""Long enough for every watched video, and every token, to be looked at again once."""
_SETTLED_S = 12.0
_NEWS_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Load:
    """Of the API's process, but for transactions, which are the database's."""

    threads: int
    transactions_per_s: float
    cpu_share: float


def measure(folder: Path, watchers: int = WATCHERS) -> list[Ratio]:
    home = folder / "watchers-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    settings = Settings(home=home)
    with running_machine(settings) as machine, serving_api(machine, home, watchers) as api:
        database = superuser_url(home, machine)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("update videos set state = 'processing'")
        ratios = asyncio.run(_measured(api, database, watchers))
    shutil.rmtree(home)
    return ratios


async def _measured(api: Served, database: str, watchers: int) -> list[Ratio]:
    first = await _watching(api, [1])
    one = await _idle(api, database)
    rest = await _watching(api, range(2, watchers + 1))
    many = await _idle(api, database)
    news_s = await _news_after(database, rest[-1], watchers)
    for _, writer in (*first, *rest):
        writer.close()
    threads = (many.threads - one.threads) / (watchers - 1)
    transactions = (many.transactions_per_s - one.transactions_per_s) / (watchers - 1)
    details = {"threads": f"{one.threads} to {many.threads}", "watchers": watchers, "news_ms": round(news_s * 1000, 1)}
    load = {
        "transactions_per_s": f"{one.transactions_per_s:.2f} to {many.transactions_per_s:.2f}",
        "cpu_of_a_core": f"{one.cpu_share:.3f} to {many.cpu_share:.3f}",
    }
    return [
        Ratio("threads of an idle watcher", "a thread each", threads, LIMIT, details),
        Ratio("transactions a second of an idle watcher", "a query a second each", transactions, LIMIT, load),
    ]


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _watching(api: Served, numbers: Sequence[int] | range) -> list[Connection]:
    """Open streams, each past its first events; ten are opened at once, as clients come."""
    opened: list[Connection] = []
    for start in range(0, len(numbers), 10):
        opened += await asyncio.gather(*(_stream(api, number) for number in numbers[start : start + 10]))
    return opened


async def _stream(api: Served, number: int) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    lines = [f"GET /v1/videos/{video_id(number)}/events HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in api.headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a stream was answered {head.decode()}")
    await reader.readuntil(b"event: progress")
    return reader, writer


async def _idle(api: Served, database: str) -> Load:
    process = _listening_on(api.port)
    await asyncio.sleep(_SETTLED_S)
    began, before, cpu = time.perf_counter(), _transactions(database), sum(process.cpu_times()[:2])
    await asyncio.sleep(_WINDOW_S)
    elapsed_s = time.perf_counter() - began
    cpu_s, transactions = sum(process.cpu_times()[:2]) - cpu, _transactions(database) - before
    return Load(process.num_threads(), transactions / elapsed_s, cpu_s / elapsed_s)


async def _news_after(database: str, last: Connection, number: int) -> float:
    """Seconds from a change to the word of it at a client among the many."""
    with psycopg.connect(database, autocommit=True) as connection:
        began = time.perf_counter()
        connection.execute("update videos set attempt = attempt + 1 where id = %s", [video_id(number)])
    await asyncio.wait_for(last[0].readuntil(b"event: state"), _NEWS_DEADLINE_S)
    return time.perf_counter() - began


def _transactions(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def _listening_on(port: int) -> psutil.Process:
    return next(
        psutil.Process(found.pid)
        for found in psutil.net_connections("tcp")
        if found.laddr and found.laddr.port == port and found.status == psutil.CONN_LISTEN and found.pid
    )
