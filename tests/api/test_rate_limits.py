"""Rates: of a token, of its tenant, of strangers; in memory, and in Redis for several processes at once."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from clip_platform.api.app import build_app
from clip_platform.api.principals import Principal, Role
from clip_platform.api.rate_limits import RateLimits
from clip_platform.api.services import Services
from clip_platform.errors import InvalidSetting
from clip_platform.settings import Settings
from tests.api.conftest import TokenMaker
from tests.peers.redis import serving_redis

Asking = Callable[..., httpx.Response]


def limits(token: str = "3/hour", tenant: str = "100/hour", redis_url: str | None = None) -> RateLimits:
    return RateLimits(
        Settings(
            rate_limit_per_token=token,
            rate_limit_per_tenant=tenant,
            redis_url=None if redis_url is None else SecretStr(redis_url),
        )
    )


def someone(name: str = "token:a", tenant_id: str = "acme") -> Principal:
    return Principal(tenant_id, name, Role.VIEWER, frozenset("*"))


def allowed(counting: RateLimits, times: int, principal: Principal | None = None) -> int:
    return sum(counting.take(principal or someone()).wait_s is None for _ in range(times))


@pytest.fixture
def asking(services: Services) -> Callable[[RateLimits], Asking]:
    """`asking(limits)(secret)` asks an API with these limits."""
    stack = ExitStack()

    def opened(counting: RateLimits) -> Asking:
        app = build_app(replace(services, rate_limits=counting))
        client = stack.enter_context(TestClient(app, raise_server_exceptions=False))
        return lambda secret: client.get("/v1/account", headers={"Authorization": f"Bearer {secret}"})

    with stack:
        yield opened


def test_a_token_that_asks_too_often_is_told_when_to_come_back(asking: Callable, tokens: TokenMaker):
    ask, busy, calm = asking(limits()), tokens("acme"), tokens("acme")

    answers = [ask(busy) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    left = [re.search(r'"token";r=(\d+);t=\d+', answer.headers["RateLimit"]) for answer in answers]
    assert [found and found[1] for found in left] == ["2", "1", "0", "0"]
    assert answers[0].headers["RateLimit-Policy"] == '"token";q=3;w=3600, "tenant";q=100;w=3600'
    refused = answers[-1]
    assert refused.json()["type"] == "urn:clip-platform:problem:rate-limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 7200
    assert ask(calm).status_code == 200


def test_a_tenants_tokens_count_together(asking: Callable, tokens: TokenMaker):
    ask = asking(limits(token="100/hour", tenant="3/hour"))

    answers = [ask(tokens("acme")).status_code for _ in range(4)]

    assert answers == [200, 200, 200, 429]
    assert ask(tokens("globex")).status_code == 200


def test_whoever_waits_as_told_may_go_on(asking: Callable, tokens: TokenMaker):
    ask, secret = asking(limits(token="2/second")), tokens("acme")
    refused = next(answer for answer in iter(lambda: ask(secret), None) if answer.status_code == 429)

    time.sleep(int(refused.headers["Retry-After"]))

    assert ask(secret).status_code == 200


def test_wrong_tokens_are_counted_by_address_and_right_ones_still_work(asking: Callable, tokens: TokenMaker):
    ask = asking(limits(token="1000/hour", tenant="1000/hour"))

    answers = [ask(f"clp_wrong{number}").status_code for number in range(40)]

    assert answers == [401] * 30 + [429] * 10
    assert ask(tokens("acme")).status_code == 200


def test_without_a_shared_store_every_process_counts_alone():
    assert allowed(limits(), 5) + allowed(limits(), 5) == 6


def test_processes_count_together_in_redis(redis_server: str):
    first, second = (limits(redis_url=redis_server) for _ in range(2))

    assert allowed(first, 2) == 2
    assert allowed(second, 5) == 1
    assert allowed(second, 1, someone("token:other")) == 1


def test_redis_down_takes_no_request_down_and_is_used_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("clip_platform.api.rate_limits._WITHOUT_REDIS_S", 0.2)
    monkeypatch.setattr("clip_platform.api.rate_limits._REDIS_TIMEOUT_S", 10.0)  # one that is busy is not down
    with serving_redis(tmp_path) as url:
        counting = limits(token="100/hour", redis_url=url)
        assert allowed(counting, 2) == 2
    caplog.clear()
    caplog.set_level(logging.WARNING)  # NeMo, used before in this process, sets the levels of pytest's handlers too

    began = time.monotonic()
    assert allowed(counting, 3) == 3
    took_s = time.monotonic() - began

    assert took_s < 2
    assert "Redis does not answer" in caplog.text
    assert left(counting) == 96, "memory counts on its own: three before, and this one"
    time.sleep(0.25)
    with serving_redis(tmp_path, int(url.split(":")[2].split("/")[0])):
        assert left(counting) == 99, "a new Redis has counted this one only"


def left(counting: RateLimits) -> int:
    found = re.search(r'"token";r=(\d+)', counting.take(someone()).headers["RateLimit"])
    assert found
    return int(found[1])


@pytest.mark.parametrize("written", ["many", "0/minute", "10", ""])
def test_a_limit_that_cannot_be_read_is_refused_at_the_start(written: str):
    with pytest.raises(InvalidSetting, match="600/minute"):
        limits(token=written)
