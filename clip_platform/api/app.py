"""The one place where the API is put together. Tests call it too."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute

from clip_platform.api import local_files, openapi, problems
from clip_platform.api.metrics import ApiMetrics, Measured
from clip_platform.api.requests import RequestEdge
from clip_platform.api.routing import ROUTERS
from clip_platform.api.services import Services
from clip_platform.api.transactions import Transacted


def build_app(services: Services) -> FastAPI:
    app = FastAPI(
        title="clip-platform",
        version=version("clip-platform"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.services = services
    app.router.route_class = Transacted
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(local_files.router)
    problems.install(app)
    app.add_middleware(RequestEdge, max_body_bytes=services.settings.max_request_bytes)
    app.state.metrics = ApiMetrics()
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    """A route's own name, so that generated clients do not change when a path does."""
    return route.name
