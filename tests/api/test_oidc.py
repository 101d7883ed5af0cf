"""Tokens of an identity provider: good ones give the roles of their groups, bad ones give nothing."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from joserfc import jwk
from starlette.testclient import TestClient

from clip_platform.api.app import build_app
from clip_platform.api.oidc import COOL_DOWN_S, Verifier, roles_of
from clip_platform.api.principals import Role
from clip_platform.api.services import Services
from clip_platform.database import members
from clip_platform.database.connection import Database
from clip_platform.errors import InvalidSetting, StorageUnavailable, Unauthenticated
from tests.fakes.issuer import AUDIENCE, Issuer

OWNER_OF_ACME = ["clip-platform:acme:owner", "something else"]
NOW = int(time.time())


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer().running() as running:
        yield running


@pytest.fixture
def asked(services: Services, issuer: Issuer) -> Iterator[Callable[..., httpx.Response]]:
    """`asked(token)` is the answer to a request for the account."""
    verifier = Verifier(issuer.url, AUDIENCE, "groups")
    with TestClient(build_app(replace(services, verifier=verifier)), raise_server_exceptions=False) as client:
        yield lambda token, path="/v1/account", **headers: client.get(
            path, headers={"Authorization": f"Bearer {token}", **headers}
        )


def bad_tokens(issuer: Issuer) -> dict[str, str]:
    """Each would be an owner's, were it valid."""
    groups = {"groups": OWNER_OF_ACME}
    public = issuer.keys[-1].as_pem(private=False)
    unsigned = issuer.mint(**groups).split(".")
    none = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": issuer.keys[-1].kid}).encode()).decode().rstrip("=")
    )
    same_name = jwk.RSAKey.generate_key(2048, {"kid": issuer.keys[-1].kid})
    return {
        "expired": issuer.mint(exp=NOW - 120, **groups),
        "without an end": issuer.mint(exp=None, **groups),
        "not yet valid": issuer.mint(nbf=NOW + 600, **groups),
        "issued in the future": issuer.mint(iat=NOW + 600, **groups),
        "for somebody else": issuer.mint(aud="api://other", **groups),
        "without an audience": issuer.mint(aud=None, **groups),
        "of another issuer": issuer.mint(iss="https://evil.example", **groups),
        "without a subject": issuer.mint(sub=None, **groups),
        "not signed": f"{none}.{unsigned[1]}.",
        "signature cut off": f"{unsigned[0]}.{unsigned[1]}.",
        "signed with the public key as a secret": signed_with_secret(public, issuer, unsigned[1]),
        "another key of the same name": issuer.mint(key=same_name, **groups),
        "an unknown key": issuer.mint(key=jwk.RSAKey.generate_key(2048, {"kid": "unknown"}), **groups),
        "another algorithm": issuer.mint(algorithm="RS512", **groups),
        "content changed": f"{unsigned[0]}.{unsigned[1][:-2]}AA.{unsigned[2]}",
        "garbage": "a.b.c",
        "no dots": "abcdef",
        "huge": "a" * 20_000,
        "deeply nested": base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.e30",
    }


def signed_with_secret(secret: bytes, issuer: Issuer, claims: str) -> str:
    """By hand: libraries refuse to take a public key for a secret."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": issuer.keys[-1].kid}).encode()).rstrip(b"=")
    content = header + b"." + claims.encode()
    signature = base64.urlsafe_b64encode(hmac.digest(secret, content, "sha256")).rstrip(b"=")
    return (content + b"." + signature).decode()


def test_a_group_gives_its_role_in_its_tenant(asked: Callable[..., httpx.Response], issuer: Issuer):
    answer = asked(issuer.mint(groups=OWNER_OF_ACME))

    assert (answer.status_code, answer.json()["id"]) == (200, "acme")
    assert asked(issuer.mint(groups=["clip-platform:acme:viewer"]), "/v1/audit-events").status_code == 403
    assert asked(issuer.mint(groups=OWNER_OF_ACME), "/v1/audit-events").status_code == 200


def test_an_elliptic_key_is_as_good():
    with Issuer().running() as other:
        other.rotate(elliptic=True)

        assert Verifier(other.url, AUDIENCE, "groups").verify(other.mint(groups=["g"])).groups == {"g"}


def test_every_bad_token_is_refused_in_the_same_words(asked: Callable[..., httpx.Response], issuer: Issuer):
    answers = {name: asked(token) for name, token in bad_tokens(issuer).items()}

    refused = {name for name, answer in answers.items() if answer.status_code == 401}
    assert refused == answers.keys()
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers.values())
    said = {answer.json()["detail"] for name, answer in answers.items() if name != "huge"}
    assert said == {"the token is not valid; sign in again"}
    assert asked(issuer.mint(groups=OWNER_OF_ACME)).status_code == 200


@pytest.mark.parametrize(
    "groups",
    [
        [],
        ["clip-platform:nobody:owner"],
        ["clip-platform:acme:king"],
        ["xclip-platform:acme:owner"],
        ["clip-platform:a b:owner"],
    ],
)
def test_no_group_of_ours_is_no_role(asked: Callable[..., httpx.Response], issuer: Issuer, groups: list[str]):
    answer = asked(issuer.mint(groups=groups))

    assert answer.status_code == 403
    assert "gives a role there" in answer.json()["detail"]


def test_who_has_several_tenants_says_which(asked: Callable[..., httpx.Response], issuer: Issuer):
    token = issuer.mint(groups=[*OWNER_OF_ACME, "clip-platform:globex:viewer"])

    assert asked(token).status_code == 400
    assert "acme, globex" in asked(token).json()["detail"]
    assert asked(token, **{"Clip-Tenant": "globex"}).json()["id"] == "globex"
    assert asked(token, **{"Clip-Tenant": "initech"}).status_code == 403


def test_operators_operate_and_read_no_tenants_content(asked: Callable[..., httpx.Response], issuer: Issuer):
    token = issuer.mint(groups=["clip-platform:operators"])

    assert asked(token, "/v1/operator/tenants").status_code == 200
    assert asked(token).status_code == 403
    assert asked(issuer.mint(groups=["clip-platform:operators:owner"])).status_code == 403
    assert asked(issuer.mint(groups=OWNER_OF_ACME), "/v1/operator/tenants").status_code == 403


def test_a_membership_gives_a_role_without_a_group(
    asked: Callable[..., httpx.Response], issuer: Issuer, services: Services, api_door: Database
):
    with api_door.tenant_transaction("acme") as connection:
        members.add(
            connection,
            "acme",
            services.columns,
            issuer=issuer.url,
            subject="grace",
            email="g@example.org",
            role="viewer",
        )

    assert asked(issuer.mint(sub="grace")).json()["id"] == "acme"
    assert asked(issuer.mint(sub="alan")).status_code == 403


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_new_key_is_found_and_made_up_ones_do_not_flood_the_provider():
    with Issuer().running() as issuer:
        clock = Clock()
        verifier = Verifier(issuer.url, AUDIENCE, "groups", clock)
        first = issuer.mint()
        verifier.verify(first)
        issuer.rotate()
        clock.now += COOL_DOWN_S

        verifier.verify(issuer.mint())
        verifier.verify(first)
        before = issuer.fetches
        stranger = jwk.RSAKey.generate_key(2048, {"kid": "made-up"})
        for _ in range(20):
            with pytest.raises(Unauthenticated):
                verifier.verify(issuer.mint(key=stranger))

        assert issuer.fetches - before == 0
        clock.now += COOL_DOWN_S
        with pytest.raises(Unauthenticated):
            verifier.verify(issuer.mint(key=stranger))
        assert issuer.fetches - before == 1


def test_known_keys_serve_while_the_provider_is_down():
    with Issuer().running() as issuer:
        clock = Clock()
        verifier = Verifier(issuer.url, AUDIENCE, "groups", clock)
        verifier.verify(issuer.mint())
        issuer.down = True
        clock.now += 3600

        assert verifier.verify(issuer.mint()).subject == "ada"


def test_a_slow_provider_holds_up_no_key_that_is_known():
    with Issuer().running() as issuer, ThreadPoolExecutor(1) as pool:
        clock = Clock()
        verifier = Verifier(issuer.url, AUDIENCE, "groups", clock)
        verifier.verify(issuer.mint())
        clock.now += 3600
        issuer.answers.clear()
        first = pool.submit(verifier.verify, issuer.mint())
        while not verifier._keys._lock.locked():
            time.sleep(0.005)

        began = time.monotonic()
        assert verifier.verify(issuer.mint()).subject == "ada"
        took_s = time.monotonic() - began
        assert not first.done()
        issuer.answers.set()

        assert first.result(10).subject == "ada"
        assert took_s < 1


def test_a_provider_that_publishes_nothing_takes_no_key_away():
    with Issuer().running() as issuer:
        clock = Clock()
        verifier = Verifier(issuer.url, AUDIENCE, "groups", clock)
        token = issuer.mint()
        verifier.verify(token)
        issuer.keys = []
        clock.now += 3600

        assert verifier.verify(token).subject == "ada"


def test_a_provider_that_never_answered_is_no_verdict_on_the_token():
    with Issuer().running() as issuer:
        clock = Clock()
        verifier = Verifier(issuer.url, AUDIENCE, "groups", clock)
        issuer.down = True

        with pytest.raises(StorageUnavailable):
            verifier.verify(issuer.mint())
        issuer.down = False
        clock.now += 5

        assert verifier.verify(issuer.mint()).subject == "ada"


def test_the_highest_of_several_roles_counts():
    groups = frozenset({"x/acme/viewer", "x/acme/owner", "x/acme/editor", "x/globex/editor"})

    assert roles_of(groups, "x/{tenant}/{role}") == {"acme": Role.OWNER, "globex": Role.EDITOR}


@pytest.mark.parametrize("pattern", ["", "{tenant}", "{role}", "{tenant}{tenant}{role}"])
def test_a_pattern_without_tenant_and_role_is_refused(pattern: str):
    with pytest.raises(InvalidSetting, match="must be in it"):
        roles_of(frozenset(), pattern)
