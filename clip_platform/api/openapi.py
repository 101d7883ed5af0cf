"""The OpenAPI document: what FastAPI derives from the routes, with security, roles and problems said on each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from clip_platform.api.problems import MEDIA_TYPE, Problem

Document = dict[str, Any]
_METHODS = ("get", "put", "post", "patch", "delete", "head", "options")
_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_WHEN = {
    "400": "The address or a cursor is not understood.",
    "401": "No token, or one that is not valid.",
    "403": "The token's role or scopes do not allow it, or a quota is used up.",
    "404": "No such thing, or not this tenant's.",
    "422": "A field is not as it must be; `errors` lists which.",
    "429": "Too many requests; `Retry-After` says when the next may succeed.",
    "503": "The database or a store does not answer; `Retry-After` says when to try again.",
    "default": "What went wrong, as an RFC 9457 problem document.",
}
_WITHOUT_TOKEN = ("503", "default")
_DESCRIPTION = """Long videos in, ranked, reframed, captioned short clips out.

Errors are problem documents (RFC 9457) whose `type` is stable. Listings are paged by cursor. A POST that creates takes
an `Idempotency-Key`; a PATCH takes `If-Match` with the ETag that was seen."""


def describe(app: FastAPI) -> Document:
    """Made once, when it is asked for first."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= _schemas_of_problems()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        bearer = {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token (`clp_...`) or an OIDC access token.",
        }
        document["components"]["securitySchemes"] = {"bearer": bearer}
        document["security"] = [{"bearer": []}]
        for path, method, operation in operations(document):
            _complete(operation, _required(app).get((method, path)))
        app.openapi_schema = document
    return app.openapi_schema


def written(document: Document) -> str:
    """As it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation, of all."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _schemas_of_problems() -> Document:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _complete(operation: Document, required: tuple[str, str] | None) -> None:
    public = operation.get("security") == []
    if required is not None:
        operation["x-role"], operation["x-scope"] = required
    given = operation["responses"]
    given.pop("422", None)  # FastAPI's own, which is no problem document
    for status in _WITHOUT_TOKEN if public else _WHEN:
        given.setdefault(status, {"description": _WHEN[status], **_PROBLEM})


def _required(app: FastAPI) -> Mapping[tuple[str, str], tuple[str, str]]:
    """Role and scope by method and path, as `access.requires` left them on its dependencies."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        required = next(_requirements(dependant), None) if dependant is not None else None
        path = context.path_format
        if required is not None and path is not None:
            found |= {(method.lower(), path): required for method in context.methods or ()}
    return found


def _requirements(dependant: Dependant) -> Iterator[tuple[str, str]]:
    required = getattr(dependant.call, "required", None)
    if required is not None:
        yield required
    for inner in dependant.dependencies:
        yield from _requirements(inner)


def as_openapi_3_0(part: Any) -> Any:
    """What a viewer of OpenAPI 3.0 understands of a 3.1 document."""
    if isinstance(part, list):
        return [as_openapi_3_0(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    older = {name: as_openapi_3_0(inner) for name, inner in part.items()}
    if "openapi" in older:
        older["openapi"] = "3.0.3"
    if isinstance(older.get("anyOf"), list) and {"type": "null"} in older["anyOf"]:
        older["anyOf"] = [inner for inner in older["anyOf"] if inner != {"type": "null"}]
        older["nullable"] = True
    if "const" in older:
        older["enum"] = [older.pop("const")]
    for bound_, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(older.get(bound_), int | float) and not isinstance(older[bound_], bool):
            older |= {inclusive: older[bound_], bound_: True}
    return older
