"""Calls to the API: a token, retries with backoff, and problems turned into the platform's errors."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from clip_platform import errors
from clip_platform.errors import ClipPlatformError, InvalidInput, RateLimited, StorageUnavailable, UnsafeAddress

API_TOKEN_VARIABLE = "CLIP_PLATFORM_TOKEN"  # noqa: S105  its name, not its value
ATTEMPTS = 8
_LONGEST_PAUSE_S = 30.0
_LONGEST_RETRY_AFTER_S = 300.0
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_PROBLEM = "urn:clip-platform:problem:"
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_BY_STATUS: Mapping[int, type[ClipPlatformError]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.UploadExpired,
    412: errors.Stale,
}


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before the n-th retry: full jitter, so that many clients do not come back at once."""

    first_s: float = 0.5
    sleep: Callable[[float], None] = time.sleep

    def before_retry(
        self, attempt: int, retry_after: str | None, sleep: Callable[[float], object] | None = None
    ) -> None:
        wanted_s = seconds_of(retry_after)
        backoff_s = min(_LONGEST_PAUSE_S, self.first_s * 2 ** (attempt - 1))
        (sleep or self.sleep)(backoff_s * random.uniform(0.5, 1.0) + (wanted_s or 0.0))  # noqa: S311  no secret


def seconds_of(retry_after: str | None) -> float | None:
    """Of a Retry-After in seconds, bounded; None for any other, a date also."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(float(retry_after), _LONGEST_RETRY_AFTER_S)


class Calls:
    """JSON over HTTP with a token. May be used by several threads at once.

    Errors of every method are those that the API names in its problems; `StorageUnavailable` when it does not answer.
    """

    def __init__(self, api_url: str, token: str, pauses: Pauses) -> None:
        self.api_url = _checked(api_url)
        self.pauses = pauses
        self._http = httpx.Client(
            base_url=self.api_url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, trust_env=True
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        return self._call("GET", path, params={name: value for name, value in parameters.items() if value is not None})

    def post(self, path: str, body: object = None, *, key: str | None = None) -> Any:
        """`key`: makes a call that creates safe to repeat; others are safe by themselves."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def stream(self, path: str, headers: Mapping[str, str]) -> Any:
        """A context manager that gives the response as it comes; not tried again."""
        timeout = httpx.Timeout(60.0, connect=10.0, read=45.0)  # heartbeats come more often
        return self._http.stream("GET", path, headers=dict(headers), timeout=timeout)

    def _call(self, method: str, path: str, **how: Any) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                response = self._http.request(method, path, **how)
            except httpx.TransportError as error:
                if last:
                    raise unreachable(self.api_url, error) from error
                self.pauses.before_retry(attempt, None)
                continue
            if response.status_code not in _AGAIN or last:
                return read_answer(response)
            self.pauses.before_retry(attempt, response.headers.get("retry-after"))
        raise AssertionError("the last attempt returns or raises")


def read_answer(response: httpx.Response) -> Any:
    """
    Raises:
        ClipPlatformError: of the class that the problem names, or the status.
    """
    if response.is_success:
        return response.json() if response.content else None
    problem = _problem_of(response)
    said = str(problem.get("detail") or f"the API answers {response.status_code}; is its address right?")
    if response.status_code == 429:
        raise RateLimited(said, retry_after_s=int(seconds_of(response.headers.get("retry-after")) or 60))
    raise _error_class(str(problem.get("type", "")), response.status_code)(said)


def unreachable(where: str, error: httpx.TransportError) -> StorageUnavailable:
    return StorageUnavailable(
        f"{where} cannot be reached ({error or type(error).__name__}); check the address and the network, then run the "
        "same again"
    )


def _problem_of(response: httpx.Response) -> Mapping[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _error_class(kind: str, status: int) -> type[ClipPlatformError]:
    """`urn:clip-platform:problem:upload-expired` is `UploadExpired`."""
    name = "".join(word.title() for word in kind.removeprefix(_PROBLEM).split("-"))
    found = getattr(errors, name, None) if kind.startswith(_PROBLEM) else None
    if isinstance(found, type) and issubclass(found, ClipPlatformError) and found is not RateLimited:
        return found
    return _BY_STATUS.get(status, InvalidInput if status < 500 else StorageUnavailable)


def _checked(api_url: str) -> str:
    """A token in plain text goes to this machine only.

    Raises:
        UnsafeAddress.
    """
    try:
        url = httpx.URL(api_url)
    except httpx.InvalidURL as error:
        raise UnsafeAddress(f"{api_url!r} is no address of an API; give https://host") from error
    at_home = url.host in ("localhost", "127.0.0.1", "::1")
    if not url.host or url.scheme not in ("https", "http") or (url.scheme == "http" and not at_home):
        raise UnsafeAddress(f"{api_url!r} is no address of an API that a token can be sent to; give https://host")
    return api_url.rstrip("/")
