"""The account: what a tenant sets for itself, and its closing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

As = Callable[..., TestClient]
ANY = {"If-Match": "*"}


def test_settings_are_changed_field_by_field(as_: As):
    owner = as_("acme")

    changed = owner.patch("/v1/account", json={"default_preferences": {"clips": 7}}, headers=ANY).json()
    changed = owner.patch("/v1/account", json={"retention_days": 30}, headers=ANY).json()

    assert (changed["name"], changed["default_preferences"], changed["retention_days"]) == ("Acme", {"clips": 7}, 30)
    assert owner.patch("/v1/account", json={"retention_days": None}, headers=ANY).json()["retention_days"] is None
    assert as_("globex").get("/v1/account").json()["default_preferences"] == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"default_preferences": {"clips": 0}}, "clips"),
        ({"default_preferences": {"klips": 3}}, "klips"),
        ({"default_preferences": {"min_s": 60, "max_s": 30}}, "min_s"),
        ({"retention_days": 0}, "retention_days"),
        ({"name": "a\u202eb"}, "name"),
        ({"quota_stored_bytes": 1}, "quota_stored_bytes"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(as_: As, change: dict[str, Any], named: str):
    answer = as_("acme").patch("/v1/account", json=change, headers=ANY)

    assert answer.status_code == 422
    assert named in answer.json()["detail"]


def test_of_two_changes_of_one_version_one_is_made(as_: As):
    owner = as_("acme")
    seen = owner.get("/v1/account").headers["ETag"]
    together = threading.Barrier(4)

    def change(number: int) -> int:
        together.wait()
        return owner.patch("/v1/account", json={"name": f"n{number}"}, headers={"If-Match": seen}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(change, range(4))) == [200, 412, 412, 412]


def test_only_owners_set_and_close(as_: As):
    editor = as_("acme", "editor")

    assert editor.get("/v1/account").status_code == 200
    assert editor.patch("/v1/account", json={"name": "x"}, headers=ANY).status_code == 403
    assert editor.post("/v1/erasure-requests", json={"confirm": "Acme"}).status_code == 403


def test_closing_has_a_deadline_of_a_day_and_is_asked_for_once(as_: As):
    owner = as_("acme")

    asked = owner.post("/v1/erasure-requests", json={"confirm": "Acme"})

    assert asked.status_code == 202
    when = {name: datetime.fromisoformat(asked.json()[name]) for name in ("requested_at", "deadline_at")}
    assert when["deadline_at"] - when["requested_at"] == timedelta(hours=24)
    assert [one["id"] for one in owner.get("/v1/erasure-requests").json()["items"]] == [asked.json()["id"]]
    assert owner.post("/v1/erasure-requests", json={"confirm": "Acme"}).status_code == 409


def test_a_closing_account_is_read_and_not_written(as_: As):
    owner, other = as_("acme"), as_("globex")
    token = {"name": "x", "expires_at": (datetime.now().astimezone() + timedelta(days=1)).isoformat()}
    leaked = owner.post("/v1/tokens", json=token)
    assert leaked.status_code == 201

    owner.post("/v1/erasure-requests", json={"confirm": "Acme"})

    refused = [
        owner.post("/v1/tokens", json=token),
        owner.patch("/v1/account", json={"name": "x"}, headers=ANY),
        owner.post("/v1/members", json={"issuer": "https://id.example", "subject": "ada", "role": "viewer"}),
    ]
    assert [answer.status_code for answer in refused] == [409, 409, 409]
    assert {answer.json()["type"] for answer in refused} == {"urn:clip-platform:problem:account-closing"}
    assert owner.get("/v1/account").json()["closing_at"] is not None
    assert owner.get("/v1/audit-events").status_code == 200
    assert owner.delete(f"/v1/tokens/{leaked.json()['id']}").status_code == 204
    assert other.post("/v1/tokens", json=token).status_code == 201
