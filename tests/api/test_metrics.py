"""Requests are counted by route and outcome; what anybody sends in a path makes no label."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import generate_latest

from tests.api.conftest import TokenMaker


def test_requests_are_counted_by_route_and_status(client: TestClient, app: FastAPI, tokens: TokenMaker) -> None:
    headers = {"Authorization": f"Bearer {tokens('acme')}"}
    for number in range(3):
        assert client.get(f"/v1/videos/01M8FP311Y7ESX7AVX3KHF8Z{number}9", headers=headers).status_code == 404
    client.get("/v1/videos", headers=headers)
    for path in ("/wp-login.php", "/v1/nothing/here", "/%00"):
        client.get(path)
    client.request("BREW", "/v1/videos")

    said = generate_latest(app.state.metrics.registry).decode()
    requests = [line for line in said.splitlines() if line.startswith("clip_platform_http_requests_total{")]
    assert 'clip_platform_http_requests_total{method="GET",route="/v1/videos/{video_id}",status="404"} 3.0' in requests
    assert 'clip_platform_http_requests_total{method="GET",route="/v1/videos",status="200"} 1.0' in requests
    assert "wp-login" not in said
    assert "BREW" not in said
    assert "01M8FP311Y7ESX7AVX3KHF8Z" not in said
    assert sum(float(line.rsplit(" ", 1)[1]) for line in requests) == 8
    assert 'clip_platform_http_request_seconds_count{method="GET",route="/v1/videos"} 1.0' in said
    assert "clip_platform_http_requests_open 0.0" in said


def test_metrics_are_not_on_the_tenants_port(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 404
