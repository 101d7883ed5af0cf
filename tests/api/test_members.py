"""Members over the API: who they are is sealed, their role changes what they may do, an owner always remains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from clip_platform.api.app import build_app
from clip_platform.api.oidc import Verifier
from clip_platform.api.services import Services
from tests.conftest import MigratedServer
from tests.fakes.issuer import AUDIENCE, Issuer

As = Callable[..., TestClient]
ANY = {"If-Match": "*"}


def add(
    client: TestClient,
    subject: str = "ada",
    role: str = "viewer",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    body = {"issuer": "https://id.example", "subject": subject, "role": role, **more}
    return client.post("/v1/members", json=body, headers=headers)


def role_of(client: TestClient, member_id: str) -> str:
    role: str = client.get(f"/v1/members/{member_id}").json()["role"]
    return role


def test_a_member_is_shown_to_the_tenant_and_sealed_in_its_row(as_: As, empty_database: MigratedServer):
    owner = as_("acme")
    made = add(owner, email="ada@example.org")

    assert made.status_code == 201
    shown = owner.get("/v1/members").json()["items"]
    assert [(one["subject"], one["email"], one["role"]) for one in shown] == [("ada", "ada@example.org", "viewer")]
    with empty_database.superuser() as connection:
        row = connection.execute("select subject, email, subject_index from members").fetchone()
    assert row is not None
    assert all(b"ada" not in bytes(value) for value in row)


def test_a_person_is_a_member_once(as_: As):
    assert add(as_("acme")).status_code == 201
    assert add(as_("acme")).status_code == 409
    assert add(as_("globex")).status_code == 201


def test_only_owners_change_who_is_a_member(as_: As):
    made = add(as_("acme")).json()["id"]
    editor = as_("acme", "editor")

    assert editor.get("/v1/members").status_code == 200
    assert add(editor, "bob").status_code == 403
    assert editor.patch(f"/v1/members/{made}", json={"role": "owner"}, headers=ANY).status_code == 403
    assert editor.delete(f"/v1/members/{made}").status_code == 403
    assert add(as_("acme"), "bob").status_code == 201


def test_a_role_is_changed_in_the_version_that_was_seen(as_: As):
    owner = as_("acme")
    made = add(owner)
    path, seen = f"/v1/members/{made.json()['id']}", made.headers["ETag"]

    assert owner.get(path).headers["ETag"] == seen
    assert owner.patch(path, json={"role": "editor"}).status_code == 428
    assert owner.patch(path, json={"role": "editor"}, headers={"If-Match": seen}).status_code == 200
    assert owner.patch(path, json={"role": "owner"}, headers={"If-Match": seen}).status_code == 412
    assert role_of(owner, made.json()["id"]) == "editor"


def test_the_last_owner_is_neither_lowered_nor_removed(as_: As):
    owner = as_("acme")
    last = add(owner, role="owner").json()["id"]
    add(owner, "bob", role="editor")
    add(as_("globex"), "eve", role="owner")  # another tenant's owner does not count

    assert owner.patch(f"/v1/members/{last}", json={"role": "viewer"}, headers=ANY).status_code == 409
    assert owner.delete(f"/v1/members/{last}").status_code == 409
    assert role_of(owner, last) == "owner"
    add(owner, "carol", role="owner")
    assert owner.delete(f"/v1/members/{last}").status_code == 204
    assert owner.get(f"/v1/members/{last}").status_code == 404


def test_of_two_owners_removed_at_once_one_remains(as_: As):
    owner = as_("acme")
    members = [add(owner, name, role="owner").json()["id"] for name in ("ada", "bob")]
    together = threading.Barrier(2)

    def remove(member_id: str) -> int:
        together.wait()
        return owner.delete(f"/v1/members/{member_id}").status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, members)) == [204, 409]


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "operator"},
        {"email": "no address"},
        {"email": "a\u0000@b"},
        {"email": "a\u202e@b"},
        {"subject": ""},
        {"subject": "a\u202eb"},
        {"tenant_id": "globex"},
    ],
)
def test_what_cannot_be_a_member_is_refused(as_: As, changes: dict[str, Any]):
    owner = as_("acme")

    assert add(owner, **changes).status_code == 422
    assert add(owner).status_code == 201


def test_what_owners_do_with_members_is_in_the_audit_trail(as_: As):
    owner = as_("acme")
    made = add(owner).json()["id"]
    owner.patch(f"/v1/members/{made}", json={"role": "editor"}, headers=ANY)
    owner.delete(f"/v1/members/{made}")

    events = owner.get("/v1/audit-events").json()["items"]

    assert [(event["action"], event["resource"]) for event in events] == [
        ("member.removed", f"member:{made}"),
        ("member.changed", f"member:{made}"),
        ("member.added", f"member:{made}"),
    ]


def test_personal_tokens_end_with_the_membership_and_with_a_role_that_was_above(services: Services):
    with Issuer().running() as issuer, client_of(services, issuer) as client:
        boss, ada = (bearer(issuer, name) for name in ("boss", "ada"))
        made = {
            name: add(client, name, "owner", issuer=issuer.url, headers=bearer(issuer, "root", OWNERS)).json()["id"]
            for name in ("boss", "ada")
        }
        mine = {
            (kind, role): token(client, ada, kind=kind, role=role)
            for kind, role in (("personal", "owner"), ("personal", "viewer"), ("service", "owner"))
        }

        client.patch(f"/v1/members/{made['ada']}", json={"role": "editor"}, headers=boss | ANY)
        after_lowering = {which for which, secret in mine.items() if works(client, secret)}
        client.delete(f"/v1/members/{made['ada']}", headers=boss)
        after_removal = {which for which, secret in mine.items() if works(client, secret)}
        answer = client.get("/v1/account", headers=ada)

    assert after_lowering == {("personal", "viewer"), ("service", "owner")}
    assert after_removal == {("service", "owner")}
    assert answer.status_code == 403


def test_a_personal_token_made_with_a_personal_token_ends_with_the_membership_too(services: Services):
    with Issuer().running() as issuer, client_of(services, issuer) as client:
        root = bearer(issuer, "root", OWNERS)
        made = {
            name: add(client, name, "editor", issuer=issuer.url, headers=root).json()["id"] for name in ("ada", "bob")
        }
        first = token(client, bearer(issuer, "ada"), kind="personal", role="editor")
        second = token(client, {"Authorization": f"Bearer {first}"}, kind="personal", role="editor")
        third = token(client, {"Authorization": f"Bearer {second}"}, kind="personal")
        of_bob = token(client, bearer(issuer, "bob"), kind="personal")
        before = [works(client, secret) for secret in (first, second, third, of_bob)]

        client.delete(f"/v1/members/{made['ada']}", headers=root)
        after = [works(client, secret) for secret in (first, second, third, of_bob)]

    assert before == [True, True, True, True]
    assert after == [False, False, False, True]


OWNERS = ("clip-platform:acme:owner",)


def client_of(services: Services, issuer: Issuer) -> TestClient:
    verifier = Verifier(issuer.url, AUDIENCE, "groups")
    return TestClient(build_app(replace(services, verifier=verifier)), raise_server_exceptions=False)


def bearer(issuer: Issuer, subject: str, groups: Sequence[str] = ()) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint(sub=subject, groups=list(groups))}"}


def token(client: TestClient, whose: dict[str, str], **more: str) -> str:
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = client.post("/v1/tokens", json={"name": "mine", "expires_at": expires_at, **more}, headers=whose)
    assert made.status_code == 201, made.text
    secret: str = made.json()["secret"]
    return secret


def works(client: TestClient, secret: str) -> bool:
    return client.get("/v1/account", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
