"""The exporter's process: looks at the backlog, Dagster's runs and the object store, and serves what it saw."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from prometheus_client import CollectorRegistry, Gauge

from clip_platform.database.connection import Database
from clip_platform.errors import InvalidSetting
from clip_platform.exporter.backlog import BacklogMetrics
from clip_platform.exporter.checks import CheckMetrics
from clip_platform.exporter.runs import RunMetrics
from clip_platform.network.metrics_listener import serving_metrics
from clip_platform.settings import PREFIX, Settings
from clip_platform.storage.objects import ObjectStore, open_store

LOOK_EVERY_S = 10.0
_PROBE = "operators/exporter-probe"
_log = logging.getLogger(__name__)


class Looks:
    """Looks at every source in turn. One that cannot be looked at is logged and shown as down, with the figures of the
    last good look gone stale; the others go on."""

    def __init__(self, registry: CollectorRegistry, sources: Mapping[str, Callable[[], None]]) -> None:
        self._sources = sources
        self._up = Gauge("clip_platform_source_up", "1 when the last look succeeded.", ("source",), registry=registry)
        self._at = Gauge(
            "clip_platform_source_seen_timestamp_seconds", "Of the last good look.", ("source",), registry=registry
        )

    def look(self) -> None:
        for name, source in self._sources.items():
            try:
                source()
            except Exception:  # noqa: BLE001  whatever Postgres, Dagster or a store raises: the exporter outlives it
                _log.exception("cannot look at %s", name)
                self._up.labels(name).set(0)
            else:
                self._up.labels(name).set(1)
                self._at.labels(name).set_to_current_time()


def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT.

    Raises:
        InvalidSetting: no database server is named, or the port is taken.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with (
        looking(settings) as (registry, looks),
        serving_metrics(registry, settings.metrics_host, settings.exporter_port, f"{PREFIX}EXPORTER_PORT"),
    ):
        while not stopping.is_set():
            looks.look()
            stopping.wait(LOOK_EVERY_S)


@contextmanager
def looking(settings: Settings) -> Iterator[tuple[CollectorRegistry, Looks]]:
    """All sources opened."""
    import dagster as dg

    from clip_platform import compute
    from clip_platform.jobs import LEARNING, STEPS

    url = settings.database_url("exporter")
    if url is None:
        raise InvalidSetting(f"{PREFIX}DATABASE_HOST is not set; name the server whose platform is looked at")
    registry = CollectorRegistry()
    gpu_stages = [step.op.name for step in STEPS if step.op.pool == compute.GPU_POOL]
    checks = [spec.key for asset in LEARNING for spec in asset.check_specs]
    with closing(Database(url)) as database, dg.DagsterInstance.get() as instance:
        sources = {
            "database": BacklogMetrics(registry, database).look,
            "dagster": RunMetrics(registry, instance, gpu_stages).look,
            "checks": CheckMetrics(registry, instance, checks).look,
            "store": StoreMetrics(registry, open_store(settings.store_url)).look,
        }
        yield registry, Looks(registry, sources)


class StoreMetrics:
    """How long the object store takes to say whether something is there."""

    def __init__(self, registry: CollectorRegistry, store: ObjectStore) -> None:
        self._store = store
        self._seconds = Gauge("clip_platform_store_seconds", "One look for an object.", registry=registry)

    def look(self) -> None:
        began = time.perf_counter()
        self._store.exists(_PROBE)
        self._seconds.set(time.perf_counter() - began)
