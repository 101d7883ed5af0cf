"""API tokens over the API: never more than their maker has, shown once, over when they are revoked or expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.api.conftest import TokenMaker
from tests.conftest import MigratedServer

As = Callable[..., TestClient]


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def make(client: TestClient, **changes: Any) -> httpx.Response:
    """`key`: its Idempotency-Key."""
    headers = {"Idempotency-Key": key} if (key := changes.pop("key", None)) else {}
    body = {"name": "ci", "role": "viewer", "scopes": ["videos"], "expires_at": in_days(30), **changes}
    return client.post("/v1/tokens", json=body, headers=headers)


def status_with(client: TestClient, secret: str, path: str = "/v1/account") -> int:
    return client.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code


def test_a_new_token_works_as_far_as_its_scopes_go(as_: As, client: TestClient):
    made = make(as_("acme"), scopes=["account"])

    assert made.status_code == 201
    assert status_with(client, made.json()["secret"]) == 200
    assert status_with(client, made.json()["secret"], "/v1/usage") == 403


def test_the_secret_is_shown_once_and_by_no_listing(as_: As):
    owner = as_("acme")
    made = make(owner).json()

    listed = owner.get("/v1/tokens")

    assert made["id"] in [token["id"] for token in listed.json()["items"]]
    assert made["secret"] not in listed.text


def test_a_repeated_request_gets_the_same_secret_which_no_row_shows(
    as_: As, empty_database: MigratedServer, client: TestClient
):
    owner, expires_at = as_("acme"), in_days(1)

    first, second = (make(owner, key="only-once", expires_at=expires_at, scopes=["account"]) for _ in range(2))

    secret = first.json()["secret"]
    assert second.json()["secret"] == secret
    assert status_with(client, secret) == 200
    with empty_database.superuser() as connection:
        kept = connection.execute("select answer from idempotency_keys").fetchall()
        named = connection.execute("select count(*) from api_tokens where name = 'ci'").fetchone()
    assert len(kept) == 1
    assert secret.encode() not in bytes(kept[0][0])
    assert named == (1,)


def test_anothers_idempotency_key_does_not_show_the_secret(as_: As):
    expires_at = in_days(1)
    make(as_("acme"), key="only-once", expires_at=expires_at)

    answer = make(as_("acme"), key="only-once", expires_at=expires_at)

    assert answer.status_code == 422
    assert "secret" not in answer.json()


@pytest.mark.parametrize(("maker", "wanted"), [("editor", "owner"), ("viewer", "viewer")])
def test_nobody_makes_a_token_above_their_own_role(as_: As, maker: str, wanted: str):
    assert make(as_("acme", maker), role=wanted).status_code == 403


def test_an_editor_makes_tokens_up_to_an_editors(as_: As):
    assert make(as_("acme", "editor"), role="editor").status_code == 201


def test_scopes_are_among_the_makers(as_: As):
    limited = as_("acme", "owner", ["tokens", "videos"])

    assert make(limited, scopes=["videos"]).status_code == 201
    assert make(limited, scopes=["videos", "members"]).status_code == 403
    assert make(limited, scopes=["*"]).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": ["everything"]},
        {"scopes": []},
        {"role": "operator"},
        {"expires_at": in_days(-1)},
        {"expires_at": in_days(367)},
        {"expires_at": "9999-12-31T23:59:59-23:59"},
        {"expires_at": "2027-01-01T00:00:00"},
        {"expires_at": None},
        {"name": "a\u202eb"},
        {"tenant_id": "globex"},
    ],
)
def test_what_cannot_be_a_token_is_refused(as_: As, changes: dict[str, Any]):
    owner = as_("acme")

    assert make(owner, **changes).status_code in (400, 422)
    assert make(owner).status_code == 201


def test_a_token_must_have_an_end(as_: As):
    answer = as_("acme").post("/v1/tokens", json={"name": "ci"})

    assert answer.status_code == 422
    assert "expires_at" in answer.json()["detail"]


def test_a_revoked_token_is_refused_as_if_it_never_was(as_: As, client: TestClient):
    owner = as_("acme")
    made = make(owner, scopes=["account"]).json()
    assert status_with(client, made["secret"]) == 200

    assert owner.delete(f"/v1/tokens/{made['id']}").status_code == 204

    refused = client.get("/v1/account", headers={"Authorization": f"Bearer {made['secret']}"})
    unknown = client.get("/v1/account", headers={"Authorization": f"Bearer {made['secret']}x"})
    assert (refused.status_code, refused.json()["detail"]) == (401, unknown.json()["detail"])


def test_an_expired_token_is_refused(tokens: TokenMaker, client: TestClient, empty_database: MigratedServer):
    secret = tokens("acme")
    assert status_with(client, secret) == 200

    with empty_database.superuser() as connection:
        connection.execute("update api_tokens set expires_at = now()")

    assert status_with(client, secret) == 401


def test_an_editor_cannot_revoke_an_owners_token(as_: As):
    owners = make(as_("acme"), role="owner").json()["id"]
    viewers = make(as_("acme")).json()["id"]
    editor = as_("acme", "editor")

    assert editor.delete(f"/v1/tokens/{owners}").status_code == 403
    assert editor.delete(f"/v1/tokens/{viewers}").status_code == 204


def test_use_is_shown(as_: As, client: TestClient):
    owner = as_("acme")
    made = make(owner, scopes=["account"]).json()
    assert made["last_used_at"] is None

    status_with(client, made["secret"])

    used = {token["id"]: token["last_used_at"] for token in owner.get("/v1/tokens").json()["items"]}
    assert used[made["id"]] is not None


def test_a_token_is_for_its_own_tenant_whatever_is_asked(as_: As):
    owner = as_("acme")

    assert owner.get("/v1/account", headers={"Clip-Tenant": "acme"}).status_code == 200
    assert owner.get("/v1/account", headers={"Clip-Tenant": "globex"}).status_code == 403
    assert owner.get("/v1/account", headers={"Clip-Tenant": "nobody"}).status_code == 403
