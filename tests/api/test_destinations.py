"""Destinations over HTTP: what may be named, what is shown again, and whether a bucket takes what is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from clip_platform.api.services import Services
from clip_platform.database.connection import Database
from tests.conftest import MigratedServer
from tests.peers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.peers.ceph import Rgw

SECRET = "never-shown-again-0123456789"
S3 = {
    "name": "Archive",
    "location": {"kind": "s3", "bucket": "own-bucket", "region": "eu-central-1", "prefix": "clips/2026"},
    "credentials": {"access_key_id": "AKIAEXAMPLE", "secret_access_key": SECRET},
}
As = Callable[..., TestClient]


def with_location(**changes: Any) -> dict[str, Any]:
    return {**S3, "location": {**S3["location"], **changes}}  # type: ignore[dict-item]


@pytest.fixture
def listed(app: FastAPI, services: Services) -> Callable[[str], None]:
    """Has the operator list endpoints."""

    def change(endpoints: str) -> None:
        settings = services.settings.model_copy(update={"destination_endpoints": endpoints})
        app.state.services = replace(services, settings=settings)

    return change


def of_rgw(rgw: Rgw, **changes: str) -> dict[str, Any]:
    keys = {"access_key_id": rgw.access_key, "secret_access_key": rgw.secret_key}
    place = {"bucket": rgw.bucket(), "region": rgw.region, "endpoint": rgw.endpoint}
    return {**with_location(**{**place, **changes}), "credentials": keys}


def of_azurite(azurite: Azurite) -> dict[str, Any]:
    place = {"kind": "azure", "account": ACCOUNT, "bucket": azurite.container(), "endpoint": azurite.endpoint}
    return {"name": "Blobs", "location": place, "credentials": {"account_key": ACCOUNT_KEY}}


def test_a_destination_is_kept_and_its_secret_is_in_no_answer_and_no_table(
    as_: As, migrated_server: MigratedServer, services: Services
):
    client = as_("acme")

    added = client.post("/v1/destinations", json=S3)
    read = client.get(added.headers["location"])

    assert (added.status_code, read.status_code) == (201, 200)
    assert read.json() == added.json()
    assert read.json()["location"] == {**S3["location"], "endpoint": None}
    assert all(SECRET not in answer.text for answer in (added, read, client.get("/v1/destinations")))
    with migrated_server.superuser() as connection:
        rows = connection.execute("select destinations::text, audit_events::text from destinations, audit_events")
        assert all(SECRET not in text for row in rows.fetchall() for text in row)
    assert services.columns is not None


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ({"endpoint": "http://169.254.169.254"}, "unsafe-address"),
        ({"endpoint": "https://s3.evil.example"}, "unsafe-address"),
        ({"region": "eu-central-1.evil.example/"}, "invalid-request"),
        ({"bucket": "../other"}, "invalid-request"),
        ({"prefix": "../other"}, "invalid-request"),
        ({"prefix": "a//b"}, "invalid-request"),
        ({"kind": "azure", "account": "evil.example#", "region": None}, "invalid-request"),
    ],
)
def test_a_place_that_is_not_the_providers_own_is_refused(as_: As, location: dict[str, Any], kind: str):
    answer = as_("acme").post("/v1/destinations", json=with_location(**location))

    assert answer.status_code == 422
    assert answer.json()["type"].endswith(kind)


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"access_key_id": "AKIAEXAMPLE"},
        {"account_key": ACCOUNT_KEY},
        {"access_key_id": "AKIAEXAMPLE", "secret_access_key": f"{SECRET}\n"},
        {"access_key_id": "AKIAEXAMPLE", "secret_access_key": SECRET, "sas_token": SECRET},
    ],
)
def test_credentials_that_do_not_fit_are_refused_without_repeating_them(as_: As, credentials: dict[str, str]):
    answer = as_("acme").post("/v1/destinations", json={**S3, "credentials": credentials})

    assert answer.status_code == 422
    assert SECRET not in answer.text


def test_a_check_writes_to_the_bucket(as_: As, listed: Callable[[str], None], rgw: Rgw):
    listed(f"{rgw.endpoint}/, https://other.example")
    client, wanted = as_("acme"), of_rgw(rgw)
    place = client.post("/v1/destinations", json=wanted).headers["location"]

    checked = client.post(f"{place}/check").json()

    assert checked == {"written": True, "key": "clips/2026/clip-platform-check.txt", "error": None}
    assert rgw.client().head_object(Bucket=wanted["location"]["bucket"], Key=checked["key"])["ContentLength"] > 0
    assert client.get(place).json()["last_written_at"] is not None


def test_a_check_writes_to_a_container(as_: As, listed: Callable[[str], None], azurite: Azurite):
    listed(azurite.endpoint)
    client = as_("acme")
    place = client.post("/v1/destinations", json=of_azurite(azurite)).headers["location"]

    assert client.post(f"{place}/check").json()["written"] is True


@pytest.mark.parametrize(
    ("change", "said"),
    [({"bucket": "no-such-bucket"}, "NoSuchBucket"), ({"endpoint": "http://127.0.0.1:9"}, "cannot be reached")],
)
def test_a_check_that_fails_says_why_and_is_kept(
    as_: As, listed: Callable[[str], None], rgw: Rgw, change: dict[str, str], said: str
):
    listed(f"{rgw.endpoint},http://127.0.0.1:9")
    client = as_("acme")
    place = client.post("/v1/destinations", json=of_rgw(rgw, **change)).headers["location"]

    answer = client.post(f"{place}/check")

    assert (answer.status_code, answer.json()["written"]) == (200, False)
    assert said in answer.json()["error"]
    assert client.get(place).json()["last_error"] == answer.json()["error"]


def test_new_credentials_replace_the_old_and_must_fit(as_: As, listed: Callable[[str], None], rgw: Rgw):
    listed(rgw.endpoint)
    client, wanted = as_("acme"), of_rgw(rgw)
    place = client.post("/v1/destinations", json={**wanted, "credentials": S3["credentials"]}).headers["location"]
    refused = client.post(f"{place}/check").json()["error"]

    etag = client.get(place).headers["etag"]
    misfit = client.patch(place, json={"credentials": {"account_key": ACCOUNT_KEY}}, headers={"If-Match": etag})
    changed = client.patch(place, json={"credentials": wanted["credentials"]}, headers={"If-Match": etag})
    late = client.patch(place, json={"name": "x"}, headers={"If-Match": etag})

    assert "InvalidAccessKeyId" in refused
    assert [answer.status_code for answer in (misfit, changed, late)] == [400, 200, 412]
    assert client.post(f"{place}/check").json()["written"] is True


def test_an_endpoint_that_the_operator_no_longer_lists_is_not_written_to(
    as_: As, listed: Callable[[str], None], rgw: Rgw
):
    listed(rgw.endpoint)
    client = as_("acme")
    place = client.post("/v1/destinations", json=of_rgw(rgw)).headers["location"]

    listed("")

    assert "is not one that this installation writes to" in client.post(f"{place}/check").json()["error"]


def test_a_destination_is_its_tenants_and_its_owners(as_: As, database: Database):  # noqa: ARG001
    place = as_("acme").post("/v1/destinations", json=S3).headers["location"]

    assert as_("globex").get(place).status_code == 404
    assert as_("globex").post(f"{place}/check").status_code == 404
    assert as_("acme", "editor").post("/v1/destinations", json=S3).status_code == 403
    assert as_("acme").delete(place).status_code == 204
    assert as_("acme").get(place).status_code == 404


def test_a_tenant_has_so_many_destinations_and_no_more(as_: As):
    client = as_("acme")

    statuses = [client.post("/v1/destinations", json=S3).status_code for _ in range(21)]

    assert statuses == [201] * 20 + [409]
