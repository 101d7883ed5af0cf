"""Requests a second of one address: a few keep-alive connections, one request after the other on each."""

from __future__ import annotations

import asyncio
import time


def requests_per_s(
    port: int, path: str, headers: dict[str, str], *, connections: int = 8, duration_s: float = 3.0
) -> float:
    """
    Raises:
        RuntimeError: an answer was no 200.
    """
    return asyncio.run(_load(port, path, headers, connections, duration_s))


def body_of(port: int, path: str, headers: dict[str, str]) -> bytes:
    """One answer's body. Raises as `requests_per_s`."""

    async def once() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = await _answer(reader, writer, _request(path, headers))
        writer.close()
        return body

    return asyncio.run(once())


async def _load(port: int, path: str, headers: dict[str, str], connections: int, duration_s: float) -> float:
    until = time.perf_counter() + duration_s
    counts = await asyncio.gather(*(_one(port, _request(path, headers), until) for _ in range(connections)))
    return sum(counts) / duration_s


async def _one(port: int, request: bytes, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        await _answer(reader, writer, request)
        count += 1
    writer.close()
    return count


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{request.decode().splitlines()[0]} was answered {head.decode()}{body.decode()}")
    return body


def _request(path: str, headers: dict[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
