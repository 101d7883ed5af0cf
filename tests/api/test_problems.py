"""What goes wrong is said as problem documents, and never more than the caller may know."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import FastAPI, Response
from pydantic import BaseModel
from starlette.testclient import TestClient

from clip_platform.api.access import TenantSession, editor, viewer
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.idempotency import Once
from clip_platform.api.text import PlainText
from clip_platform.errors import (
    ClipPlatformError,
    Conflict,
    CorruptArtifact,
    Forbidden,
    NotFound,
    QuotaExceeded,
    StorageUnavailable,
    Unauthenticated,
)


class Named(BaseModel):
    name: PlainText
    password: int = 0


class Made(BaseModel):
    name: str
    number: int


@pytest.fixture
def made(app: FastAPI) -> list[Made]:
    """Routes of a small resource; what they make is counted here."""
    all_made: list[Made] = []

    @app.post("/things", status_code=201, response_model=Made)
    def make_thing(
        session: Annotated[TenantSession, editor("videos")], named: Named, once: Once, response: Response
    ) -> Response:
        def make() -> Made:
            all_made.append(Made(name=f"{named.name} of {session.tenant_id}", number=len(all_made)))
            set_etag(response, 1)
            return all_made[-1]

        return once.answer(201, make)

    @app.patch("/things")
    def change_thing(session: Annotated[TenantSession, editor("videos")], match: IfMatch) -> str:  # noqa: ARG001
        match.check(3)
        return "changed"

    @app.get("/things")
    def read_thing(session: Annotated[TenantSession, viewer("videos")]) -> str:
        return session.tenant_id

    return all_made


@pytest.fixture
def raising(app: FastAPI):
    """Makes `GET /raise` raise."""

    def choose(error: Exception) -> None:
        @app.get("/raise")
        def raise_it() -> None:
            raise error

    return choose


def test_health_needs_no_token(client: TestClient):
    answer = client.get("/v1/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (NotFound("no video x; list them"), 404, "not-found"),
        (Conflict("it runs"), 409, "conflict"),
        (QuotaExceeded("too much"), 403, "quota-exceeded"),
        (Forbidden("no"), 403, "forbidden"),
        (Unauthenticated("who"), 401, "unauthenticated"),
        (StorageUnavailable("the store is away"), 503, "storage-unavailable"),
    ],
)
def test_an_error_of_ours_is_a_problem_of_its_own_type(
    client: TestClient, raising, error: ClipPlatformError, status: int, kind: str
):
    raising(error)

    answer = client.get("/raise")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:clip-platform:problem:{kind}"
    assert answer.json()["detail"] == error.message
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("error", [RuntimeError("password hunter2"), CorruptArtifact("key acme/secret is gone")])
def test_a_fault_of_ours_tells_nothing_but_a_request_id(client: TestClient, raising, error: Exception):
    raising(error)

    answer = client.get("/raise")

    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:clip-platform:problem:internal-error"
    assert "secret" not in answer.text
    assert "hunter2" not in answer.text


def test_an_unknown_path_and_another_method_are_problems_too(client: TestClient):
    unknown, other = client.get("/v1/nothing"), client.delete("/v1/health")

    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:clip-platform:problem:not-found")
    assert (other.status_code, other.json()["type"]) == (405, "urn:clip-platform:problem:method-not-allowed")
    assert other.headers["allow"] == "GET"


def test_invalid_fields_are_listed_without_what_was_sent(as_, made: list[Made]):
    answer = as_("acme").post("/things", json={"name": "", "password": "hunter2"})

    assert answer.status_code == 422
    assert [field["field"] for field in answer.json()["errors"]] == ["body.name", "body.password"]
    assert "hunter2" not in answer.text
    assert made == []


@pytest.mark.parametrize(
    ("name", "said"), [("a\0b", "U+0000"), ("gpj\u202eexe", "RIGHT-TO-LEFT OVERRIDE"), ("a\nb", "U+000A")]
)
def test_text_that_misleads_is_refused_by_name(as_, made: list[Made], name: str, said: str):  # noqa: ARG001
    answer = as_("acme").post("/things", json={"name": name})

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_lone_surrogate_is_refused(as_, made: list[Made]):  # noqa: ARG001
    answer = as_("acme").post("/things", content=rb'{"name": "\ud800"}', headers={"Content-Type": "application/json"})

    assert answer.status_code == 422


def test_text_is_kept_in_composed_form(as_, made: list[Made]):
    as_("acme").post("/things", json={"name": "e\u0301"})

    assert made[0].name == "\u00e9 of acme"


def test_without_a_token_nothing_is_shown(client: TestClient, made: list[Made]):  # noqa: ARG001
    none = client.get("/things")
    garbage = client.get("/things", headers={"Authorization": "Bearer clp_garbage"})

    assert (none.status_code, garbage.status_code) == (401, 401)
    assert none.headers["www-authenticate"].startswith("Bearer")


def test_role_and_scope_decide(as_, made: list[Made]):  # noqa: ARG001
    viewer_may_not = as_("acme", "viewer").post("/things", json={"name": "a"})
    editor_may = as_("acme", "editor").post("/things", json={"name": "a"})
    other_scope_may_not = as_("acme", "owner", ["webhooks"]).get("/things")

    assert (viewer_may_not.status_code, editor_may.status_code, other_scope_may_not.status_code) == (403, 201, 403)


def test_a_change_names_the_version_it_is_of(as_, made: list[Made]):  # noqa: ARG001
    client = as_("acme")

    answers = [client.patch("/things", headers=h).status_code for h in ({}, {"If-Match": '"2"'}, {"If-Match": '"3"'})]

    assert answers == [428, 412, 200]
    assert client.patch("/things", headers={"If-Match": "*"}).status_code == 200
