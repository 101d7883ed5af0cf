"""Metrics for Prometheus on a port of their own, which no tenant reaches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from clip_platform.errors import InvalidSetting


@contextmanager
def serving_metrics(registry: CollectorRegistry, host: str, port: int, setting: str) -> Iterator[None]:
    """Inside the block `http://host:port/metrics` answers.

    Args:
        setting: the name of the port's setting, for people.

    Raises:
        InvalidSetting: the address cannot be listened on.
    """
    try:
        server, thread = start_http_server(port, host, registry=registry)
    except OSError as error:
        raise InvalidSetting(
            f"{host}:{port} cannot be listened on: {error.strerror}; choose another {setting}"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
