"""HTTP to addresses that tenants name, over `httpcore`: a name is resolved once, all its addresses are judged, and the
connection goes to one of those. Host header and certificate stay the name's. No proxies, no environment, no redirects.

Everything blocks; callers that must not run it in a thread. Redirects are in `network.sources`.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from clip_platform.errors import DeadlineExceeded, SourceUnreachable
from clip_platform.network.addresses import Address, Allowed
from clip_platform.network.urls import expect_permitted, expect_safe_url, expect_standard_port

Resolve = Callable[[str, int], list[Address]]
"""All addresses of a host at a port; raises `OSError`."""
_CONNECT_S = 5.0
_STALL_S = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names in lower case; `body` comes as it is received, and is not decompressed."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Outbound:
    """How connections are made. `tls` is only for tests, whose certificates nobody else trusts."""

    allowed: Allowed
    resolve: Resolve
    tls: ssl.SSLContext

    @contextmanager
    def exchange(
        self, method: str, url: str, *, deadline_s: float, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Iterator[Reply]:
        """One request and its answer, whatever its status. `deadline_s` is for all of it, also reading the body.

        Raises:
            UnsafeAddress, SourceUnreachable, DeadlineExceeded.
        """
        target = expect_safe_url(url, self.allowed)
        backend = _Pinned(target, self, time.monotonic() + deadline_s)
        # Only what httpcore does is translated: an error of the caller's, thrown in at the yield, stays what it is.
        with ExitStack() as opened:
            with _translated(target.host):
                pool = opened.enter_context(httpcore.ConnectionPool(self.tls, network_backend=backend))
                request = pool.stream(method, _raw(target), headers=list((headers or {}).items()), content=body or None)
                response = opened.enter_context(request)
            yield Reply(response.status, _readable(response.headers), _chunks(target.host, response))


def _chunks(host: str, response: httpcore.Response) -> Iterator[bytes]:
    received = response.iter_stream()
    while True:
        with _translated(host):
            chunk = next(received, None)
        if chunk is None:
            return
        yield chunk


def outbound(allowed: Allowed, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> Outbound:
    return Outbound(allowed, resolve or resolve_name, tls or _trusted())


def resolve_name(host: str, port: int) -> list[Address]:
    """By the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that were judged, and to nothing else, until a deadline."""

    def __init__(self, url: httpx.URL, outbound: Outbound, ends_at: float) -> None:
        self._url = url
        self._outbound = outbound
        self._ends_at = ends_at
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  the deadline is the limit
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in self._judged(host, port):
            limit_s = min(_CONNECT_S, _left(self._ends_at))
            try:
                stream = self._sockets.connect_tcp(str(address), port, limit_s, local_address, socket_options)
                return _UntilDeadline(stream, self._ends_at)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("sockets of this machine are not connected to")

    def _judged(self, host: str, port: int) -> list[Address]:
        addresses = self._outbound.resolve(host, port)
        expect_permitted(host, addresses, self._outbound.allowed)
        expect_standard_port(self._url, listed=all(map(self._outbound.allowed.lists, addresses)))
        return addresses


class _UntilDeadline(httpcore.NetworkStream):
    """A peer that sends a byte now and then keeps a plain stream, which limits single reads, open for ever."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._limit_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._limit_s())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        limit_s = min(_CONNECT_S, _left(self._ends_at))
        return _UntilDeadline(self._stream.start_tls(ssl_context, server_hostname, limit_s), self._ends_at)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _limit_s(self) -> float:
        return min(_STALL_S, _left(self._ends_at))


def _left(ends_at: float) -> float:
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("the time for the whole exchange is over")
    return left_s


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise DeadlineExceeded(f"{host} did not answer in time; try again later", detail=str(error)) from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
        OSError,
        UnicodeError,
    ) as error:
        raise SourceUnreachable(
            f"{host} could not be reached or broke off; check the URL, or try again later", detail=str(error)
        ) from error


def _raw(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _readable(headers: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
