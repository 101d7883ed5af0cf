"""A route and its transaction in one thread: authenticated, run, and committed before the answer is made."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute

from clip_platform.api.access import TenantSession


class Transacted(APIRoute):
    """The `route_class` of every router whose routes take a `TenantSession`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_its_session(endpoint), **options)


def _in_its_session(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        return endpoint  # a stream has no transaction of its own

    @functools.wraps(endpoint)
    def run(**values: Any) -> Any:
        session = next((value for value in values.values() if isinstance(value, TenantSession)), None)
        if session is None:
            return endpoint(**values)
        with session.open():
            return endpoint(**values)

    return run
