"""The same key and request make one thing, however often and however many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import pytest
from fastapi import FastAPI, Response
from pydantic import BaseModel

from clip_platform.api.access import TenantSession, editor
from clip_platform.api.idempotency import Once
from clip_platform.errors import Conflict
from tests.conftest import MigratedServer


class Wanted(BaseModel):
    name: str


class Secret(BaseModel):
    secret: str


@pytest.fixture
def made(app: FastAPI) -> list[str]:
    all_made: list[str] = []
    lock = threading.Lock()

    @app.post("/secrets", status_code=201, response_model=Secret)
    def make_secret(
        session: Annotated[TenantSession, editor("videos")], wanted: Wanted, once: Once, response: Response
    ) -> Response:
        def make() -> Secret:
            with lock:
                all_made.append(f"{session.tenant_id}-hush-{len(all_made)}")
            if wanted.name == "refused":
                raise Conflict("not now; try later")
            response.headers["Location"] = "/secrets/1"
            return Secret(secret=all_made[-1])

        return once.answer(201, make)

    return all_made


def test_a_repeated_request_gets_the_first_answer(as_, made: list[str]):
    client = as_("acme")

    first, second = (client.post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k1"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["location"] == first.headers["location"] == "/secrets/1"
    assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
    assert len(made) == 1


def test_without_a_key_each_request_is_a_new_one(as_, made: list[str]):
    client = as_("acme")

    for _ in range(2):
        client.post("/secrets", json={"name": "a"})

    assert len(made) == 2


def test_a_key_is_good_for_one_request_only(as_, made: list[str]):
    client = as_("acme")
    client.post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k1"})

    other = client.post("/secrets", json={"name": "b"}, headers={"Idempotency-Key": "k1"})

    assert (other.status_code, other.json()["type"]) == (422, "urn:clip-platform:problem:idempotency-mismatch")
    assert len(made) == 1


def test_what_was_made_for_one_token_is_not_shown_to_another(as_, made: list[str]):
    as_("acme").post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k1"})

    other = as_("acme").post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k1"})

    assert other.status_code == 422
    assert made[0] not in other.text


def test_tenants_do_not_share_keys(as_, made: list[str]):
    answers = [
        as_(tenant).post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k1"})
        for tenant in ("acme", "globex")
    ]

    assert [answer.json()["secret"] for answer in answers] == ["acme-hush-0", "globex-hush-1"] == made


def test_a_refused_request_may_be_tried_again_with_its_key(as_, made: list[str]):
    client = as_("acme")

    refused = [client.post("/secrets", json={"name": "refused"}, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in refused] == [409, 409]
    assert len(made) == 2


def test_many_at_once_make_one(as_, made: list[str]):
    client = as_("acme")

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: client.post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k"}), range(8))
        )

    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["secret"] for answer in answers} == {"acme-hush-0"}
    assert len(made) == 1


def test_a_kept_answer_is_sealed(as_, made: list[str], migrated_server: MigratedServer):
    as_("acme").post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": "k1"})

    with migrated_server.superuser() as connection:
        (kept,) = connection.execute("select answer from idempotency_keys").fetchone() or (None,)

    assert kept
    assert made[0].encode() not in bytes(kept)


@pytest.mark.parametrize("key", ["", "ä", "x" * 256, "a b"])
def test_a_key_is_printable_ascii(as_, made: list[str], key: str):
    answer = as_("acme").post("/secrets", json={"name": "a"}, headers={"Idempotency-Key": key.encode()})

    assert (answer.status_code, made) == (422, [])
