"""How many requests, how they ended and how long they took, by route: for Prometheus, on a listener of its own."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 90.0)
NO_ROUTE = "none"
"""Of requests that no route takes: their paths are whatever anybody sends."""


class ApiMetrics:
    """A registry of its own, so that two apps in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "clip_platform_http_requests", "Requests.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "clip_platform_http_request_seconds",
            "Until the answer began.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.open = Gauge("clip_platform_http_requests_open", "Not answered to the end yet.", registry=self.registry)


class Measured:
    """ASGI middleware, outside of all others. Labels are routes, never paths: ids would be a label each."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, answered = time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                self._metrics.seconds.labels(*_labels(scope)).observe(time.perf_counter() - began)
            await send(message)

        with self._metrics.open.track_inprogress():
            try:
                await self._app(scope, receive, sent)
            finally:
                self._metrics.requests.labels(*_labels(scope), answered or "aborted").inc()


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _labels(scope: Scope) -> tuple[str, str]:
    route = getattr(scope.get("route"), "path", NO_ROUTE)
    return scope["method"] if scope["method"] in _METHODS else "other", route
