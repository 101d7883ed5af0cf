"""Operators: states of all tenants' videos, requeueing, and nothing that a tenant wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from clip_platform.api.app import build_app
from clip_platform.api.oidc import Verifier
from clip_platform.api.principals import OPERATORS
from clip_platform.api.services import Services
from clip_platform.database import tenants
from clip_platform.database.connection import Database
from tests.api.example_resources import Resources, make
from tests.conftest import MigratedServer
from tests.fakes.issuer import AUDIENCE, Issuer

As = Callable[..., TestClient]
DEAD = {"state": "dead_lettered"}


@pytest.fixture
def acme(empty_database: MigratedServer, services: Services) -> Resources:
    return make(empty_database, services, "acme")


@pytest.fixture
def globex(empty_database: MigratedServer, services: Services) -> Resources:
    return make(empty_database, services, "globex")


@pytest.fixture
def operator(as_: As, database: Database) -> TestClient:
    tenants.ensure(database, OPERATORS, "Operators")
    return as_(OPERATORS, "operator")


def test_dead_lettered_videos_of_all_tenants_are_listed_by_id_and_error_class_only(
    operator: TestClient, acme: Resources, globex: Resources
):
    answer = operator.get("/v1/operator/videos", params=DEAD)

    found = {(one["id"], one["tenant_id"], one["error_class"]) for one in answer.json()["items"]}
    assert found == {(own.ids["dead_video_id"], own.tenant_id, "ProgramFailed") for own in (acme, globex)}
    assert acme.mark not in answer.text
    assert globex.mark not in answer.text


def test_pages_of_videos_join(operator: TestClient, acme: Resources, globex: Resources):
    whole = [one["id"] for one in operator.get("/v1/operator/videos").json()["items"]]
    paged, cursor = [], None
    while True:
        page = operator.get("/v1/operator/videos", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
        paged += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert paged == whole
    assert {own.ids["dead_video_id"] for own in (acme, globex)} <= set(paged)


def test_a_requeue_is_told_in_the_tenants_own_trail(operator: TestClient, acme: Resources, as_: As):
    video_id = acme.ids["dead_video_id"]

    answer = operator.post(f"/v1/operator/videos/{video_id}/requeue")

    assert (answer.status_code, answer.json()["state"]) == (202, "submitted")
    event = as_("acme").get("/v1/audit-events").json()["items"][0]
    assert (event["action"], event["resource"]) == ("video.requeued", f"video:{video_id}")
    assert event["actor"].startswith("operator:token:")
    assert as_("globex").get("/v1/audit-events").json()["items"] == []


def test_a_video_that_is_not_there_is_not_found(operator: TestClient, acme: Resources):
    missing = acme.ids["dead_video_id"][:-4] + "0000"

    assert operator.post(f"/v1/operator/videos/{missing}/requeue").status_code == 404


def test_a_tenant_requeues_its_own_and_nobody_elses(acme: Resources, globex: Resources, as_: As):
    editor = as_("acme", "editor")

    assert editor.post(f"/v1/videos/{globex.ids['dead_video_id']}/requeue").status_code == 404
    assert as_("acme", "viewer").post(f"/v1/videos/{acme.ids['dead_video_id']}/requeue").status_code == 403
    assert editor.post(f"/v1/videos/{acme.ids['dead_video_id']}/requeue").status_code == 202
    assert editor.post(f"/v1/videos/{acme.ids['upload_video_id']}/requeue").status_code == 409


def test_an_operator_who_signed_in_requeues_on_a_fresh_installation(services: Services, acme: Resources):
    with Issuer().running() as issuer:
        app = build_app(replace(services, verifier=Verifier(issuer.url, AUDIENCE, "groups")))
        token = issuer.mint(groups=["clip-platform:operators"])
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
        with TestClient(app, raise_server_exceptions=False) as client:
            path = f"/v1/operator/videos/{acme.ids['dead_video_id']}/requeue"
            first, second = (client.post(path, headers=headers) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.headers["Idempotency-Replayed"] == "true"
