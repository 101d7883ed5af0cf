"""What went wrong, as RFC 9457 problem documents: routes raise the platform's errors, this module says them in HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from clip_platform import errors
from clip_platform.errors import ClipPlatformError, RateLimited, TransientError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
_TYPE_PREFIX = "urn:clip-platform:problem:"
_log = logging.getLogger(__name__)

STATUS_BY_ERROR: Mapping[type[ClipPlatformError], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.UploadExpired: 410,
    errors.Stale: 412,
    errors.PreconditionMissing: 428,
    errors.InvalidPreference: 422,
    errors.IdempotencyMismatch: 422,
    errors.ChecksumMismatch: 422,
    errors.LimitExceeded: 422,
    errors.UnsafeAddress: 422,
    errors.SourceUnavailable: 422,
    errors.InvalidInput: 400,
    errors.RateLimited: 429,
    errors.TransientError: 503,
    errors.ClipPlatformError: 500,
}
"""By the nearest class of an error's ancestry."""
# Python's own phrases change from version to version.
_KIND_BY_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "request-timeout",
    413: "content-too-large",
    415: "unsupported-media-type",
    416: "range-not-satisfiable",
}


class InvalidField(BaseModel):
    field: str = Field(description="Where it is: `body.parts.3.md5`, `query.limit`.")
    message: str


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(
        description="Stable name of the kind of problem.", examples=["urn:clip-platform:problem:not-found"]
    )
    title: str
    status: int
    detail: str = Field(description="What was given, what is expected, and what to do.")
    request_id: str = Field(description="Name it when you ask for help.")
    errors: list[InvalidField] | None = Field(default=None, description="Each field that is not as it must be.")


def problem_response(
    status: int,
    kind: str,
    detail: str,
    request_id: str,
    *,
    invalid: list[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """
    Args:
        kind: the end of the problem's `type`, `not-found` say.
    """
    title = kind.replace("-", " ").capitalize()
    problem = Problem(
        type=_TYPE_PREFIX + kind, title=title, status=status, detail=detail, request_id=request_id, errors=invalid
    )
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(ClipPlatformError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def status_of(error: ClipPlatformError) -> int:
    return next(STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClipPlatformError)  # noqa: S101
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error(error.message, extra={"error": error.error_class, "detail": error.detail}, exc_info=error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _internal(request)
    return problem_response(status, _kebab(error.error_class), error.message, _id(request), headers=_headers_of(error))


def _headers_of(error: ClipPlatformError) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="clip-platform"'}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after_s)}
    return {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, TransientError) else {}


async def _of_validation(request: Request, error: Exception) -> Response:
    """Never repeats what was sent: it may be a secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    invalid = [InvalidField(field=_place(found["loc"]), message=found["msg"]) for found in error.errors()[:50]]
    said = "; ".join(f"{field.field}: {field.message}" for field in invalid[:5])
    return problem_response(422, "invalid-request", said, _id(request), invalid=invalid)


def _place(location: Any) -> str:
    return ".".join(re.sub(r"[^\w.-]", "\N{REPLACEMENT CHARACTER}", str(step))[:100] for step in location)


async def _of_http(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such route, another method, a body that is no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = _KIND_BY_STATUS.get(error.status_code, f"http-{error.status_code}")
    said = str(error.detail) if error.detail else HTTPStatus(error.status_code).description
    return problem_response(error.status_code, kind, said, _id(request), headers=error.headers)


def _internal(request: Request) -> Response:
    said = "this is a fault of the platform; report it with the request id"
    return problem_response(500, "internal-error", said, _id(request))


def _id(request: Request) -> str:
    return getattr(request.state, "request_id", "unknown")


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
