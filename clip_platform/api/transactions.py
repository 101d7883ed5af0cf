"""A route, its transaction and its answer's JSON in one thread: authenticated, run, written and committed.

FastAPI alone would write the answer of a route that is no coroutine in a second thread; each change of threads costs
as much as a query.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from anyio import to_thread
from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from clip_platform.api.access import TenantSession
from clip_platform.api.turns import turn


class Transacted(APIRoute):
    """The `route_class` of every router whose routes take a `TenantSession`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if not inspect.iscoroutinefunction(endpoint) and not inspect.isasyncgenfunction(endpoint):
            endpoint = _in_its_session(endpoint, options.get("status_code") or 200)  # a stream has no transaction
        super().__init__(path, endpoint, **options)


def _in_its_session(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    writes = _writer(endpoint, status)

    def work(values: Mapping[str, Any]) -> Any:
        session = next((value for value in values.values() if isinstance(value, TenantSession)), None)
        with nullcontext() if session is None else session.open():
            return writes(endpoint(**values), values)

    @functools.wraps(endpoint)
    async def run(**values: Any) -> Any:
        async with turn():
            return await to_thread.run_sync(work, values)

    return run


def _writer(endpoint: Callable[..., Any], status: int) -> Callable[[Any, Mapping[str, Any]], Any]:
    """What makes a route's model into its response, with the headers that the route has set."""
    told = typing.get_type_hints(endpoint, include_extras=True).get("return")
    if not (inspect.isclass(told) and issubclass(told, BaseModel)):
        return lambda answer, _: answer
    adapter = TypeAdapter(told)

    def write(answer: Any, values: Mapping[str, Any]) -> Response:
        if isinstance(answer, Response):
            return answer
        content = adapter.dump_json(adapter.validate_python(answer, from_attributes=True), by_alias=True)
        response = Response(content, status, media_type="application/json")
        for value in values.values():
            if isinstance(value, Response):
                response.headers.raw.extend(value.headers.raw)
        return response

    return write
