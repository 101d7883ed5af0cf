"""Redis, as the tests' own server: nothing is kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.processes import free_ports, listens, program, running, wait_until


@contextmanager
def serving_redis(folder: Path, port: int | None = None) -> Iterator[str]:
    """The address of a running server; on a given port, to come back where one was stopped."""
    chosen = port or free_ports(1)[0]
    log = folder / f"redis-{chosen}.log"
    options = ["--port", str(chosen), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with running([program("redis-server"), *options], log):
        wait_until(lambda: listens(chosen), "redis-server", log)
        yield f"redis://127.0.0.1:{chosen}/0"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url
