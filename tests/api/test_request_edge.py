"""Before and around the routes: ids, limits of size and time, headers, logs, connections that dawdle."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from clip_platform.api.app import build_app
from clip_platform.api.connections import MAX_HEADER_BYTES, PatientToALimit, server_config
from clip_platform.api.requests import RequestEdge
from clip_platform.api.services import Services
from clip_platform.telemetry import JsonFormatter


@pytest.fixture
def app(services: Services) -> FastAPI:
    """The API, and a route that says how much it was sent."""
    built = build_app(services)

    @built.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return built


@pytest.fixture
def address(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The API on a real server that waits half a second for headers."""
    monkeypatch.setattr(PatientToALimit, "header_deadline_s", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(app, *listener.getsockname(), timeout_keep_alive=1))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def test_a_plain_request_id_is_taken_over_and_another_is_not(client: TestClient):
    taken = client.get("/v1/health", headers={"X-Request-Id": "trace-0123456789"})
    refused = client.get("/v1/health", headers={"X-Request-Id": 'x" onload="1234567'})

    assert taken.headers["x-request-id"] == "trace-0123456789"
    assert refused.headers["x-request-id"].startswith("req_")


def test_each_request_is_one_line_in_the_log_without_its_query(client: TestClient, caplog: pytest.LogCaptureFixture):
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.INFO, "clip_platform.api.access_log"):
        client.get("/v1/health?signature=secret", headers={"X-Request-Id": "trace-0123456789"})

    (line,) = [json.loads(line) for line in caplog.text.splitlines() if '"path"' in line]
    assert (line["request"], line["status"], line["path"]) == ("trace-0123456789", 200, "/v1/health")
    assert "secret" not in caplog.text


def test_answers_carry_headers_that_keep_browsers_careful(client: TestClient):
    headers = client.get("/v1/health").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused(client: TestClient, services: Services, announced: bool):
    content = b"x" * (services.settings.max_request_bytes + 1)

    answer = client.post("/echo", content=content if announced else iter([content[:-1], content[-1:]]))

    assert (answer.status_code, answer.json()["type"]) == (413, "urn:clip-platform:problem:content-too-large")


def test_a_body_at_the_limit_is_read(client: TestClient, services: Services):
    answer = client.post("/echo", content=b"x" * services.settings.max_request_bytes)

    assert (answer.status_code, answer.json()) == (200, services.settings.max_request_bytes)


def test_a_nul_in_an_address_is_refused(client: TestClient):
    assert [client.get(f"/v1/{where}").status_code for where in ("a%00b", "health?a=%00")] == [400, 400]


def test_an_answer_that_does_not_come_is_a_problem_with_a_time_to_retry():
    slow = FastAPI()
    slow.add_middleware(RequestEdge, max_body_bytes=10, answer_deadline_s=0.05)

    @slow.get("/")
    async def wait() -> None:
        await asyncio.sleep(5)

    answer = TestClient(slow, raise_server_exceptions=False).get("/")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def _said(address: tuple[str, int], sent: bytes, patience_s: float = 5.0) -> bytes:
    """Everything the server says until it closes."""
    with socket.create_connection(address, timeout=patience_s) as connection:
        connection.sendall(sent)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
    return said


def test_the_server_names_itself_nowhere(address: tuple[str, int]):
    said = _said(address, b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 200")
    assert b"uvicorn" not in said.lower()


def test_headers_that_never_end_close_the_connection(address: tuple[str, int]):
    began = time.monotonic()

    said = _said(address, b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX-Slow: ")

    assert said == b""
    assert 0.3 < time.monotonic() - began < 4


def test_a_trickle_of_headers_does_not_move_the_deadline(address: tuple[str, int]):
    began = time.monotonic()

    with socket.create_connection(address, timeout=5) as connection:
        sent = 0
        with suppress(OSError):
            while time.monotonic() - began < 4:
                sent += connection.send(b"X-Slow: a\r\n")
                time.sleep(0.05)

    assert sent
    assert time.monotonic() - began < 4


def test_headers_of_a_megabyte_are_refused(address: tuple[str, int]):
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX-Large: " + b"x" * (2 * MAX_HEADER_BYTES))
        said = connection.recv(65536)

    assert said.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in said


def test_the_server_answers_others_while_some_dawdle(address: tuple[str, int]):
    slow = [socket.create_connection(address, timeout=5) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\n")

    said = _said(address, b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 200")
    for connection in slow:
        connection.close()
