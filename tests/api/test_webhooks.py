"""Webhook endpoints and deliveries over the API, from making one to replaying what it missed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from clip_platform.api.services import Services
from clip_platform.database import events, outbox
from clip_platform.database.connection import Database
from clip_platform.database.outbox import Attempt
from tests.conftest import MigratedServer

As = Callable[..., TestClient]
HOOK = {"url": "https://hooks.example/clips", "event_types": ["clip.rendered"], "description": "to the site"}


def _made(client: TestClient, **different: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhook-endpoints", json={**HOOK, **different})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
def delivered(worker_door: Database, api_door: Database, services: Services) -> Callable[[str, str | None], str]:
    """Has the worker's side deliver one event to all of acme's endpoints, with the receiver's refusal if one is given;
    the delivery's id."""

    def deliver(type_: str, error: str | None) -> str:
        now = datetime.now(UTC)
        with api_door.tenant_transaction("acme") as connection:
            event_id = events.record(connection, "acme", type_, None, {})
        with worker_door.tenant_transaction("acme") as connection:
            outbox.dispatch(connection, now, 10)
            (delivery_id,) = connection.exec_driver_sql(
                "select delivery_id from webhook_deliveries where event_id = %s", (event_id,)
            ).one()
            letter = outbox.letter(connection, services.columns, delivery_id, now + timedelta(seconds=1))
            assert letter is not None
            late = now + timedelta(days=2)
            attempt = Attempt(late, 7, 500 if error else 200, error, late)
            outbox.settle(connection, "acme", letter, attempt, gone=False)
        return str(delivery_id)

    return deliver


def test_a_secret_is_shown_when_it_is_made_and_never_again(as_: As, migrated_server: MigratedServer) -> None:
    client = as_("acme")
    made = _made(client)

    shown = client.get(f"/v1/webhook-endpoints/{made['id']}")
    listed = client.get("/v1/webhook-endpoints")
    with migrated_server.superuser() as connection:
        stored = connection.execute("select secret, (to_jsonb(e) - 'secret')::text from webhook_endpoints e").fetchone()

    assert made["secret"].startswith("whsec_")
    assert "secret" not in shown.json()
    assert [each["id"] for each in listed.json()["items"]] == [made["id"]]
    assert stored is not None
    assert made["secret"].encode() not in stored[0]
    assert made["secret"] not in stored[1] + shown.text + listed.text


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://[fd00:ec2::254]/",
        "https://hooks.example:8080/",
        "https://user:word@hooks.example/",
        "javascript:alert(1)",
    ],
)
def test_an_endpoint_that_is_unsafe_is_refused_when_made_and_when_changed(as_: As, url: str) -> None:
    client = as_("acme")
    made = _made(client)

    create = client.post("/v1/webhook-endpoints", json={**HOOK, "url": url})
    change = client.patch(f"/v1/webhook-endpoints/{made['id']}", json={"url": url}, headers={"If-Match": "*"})

    assert (create.status_code, change.status_code) == (422, 422)
    assert create.json()["type"].endswith("unsafe-address")


def test_an_event_type_that_is_unknown_is_named(as_: As) -> None:
    answer = as_("acme").post("/v1/webhook-endpoints", json={**HOOK, "event_types": ["clip.rendered", "clip.baked"]})

    assert answer.status_code == 400
    assert "clip.baked" in answer.json()["detail"]


def test_a_change_is_made_to_the_version_that_was_seen(as_: As) -> None:
    client = as_("acme")
    path = f"/v1/webhook-endpoints/{_made(client)['id']}"
    tag = client.get(path).headers["etag"]

    missing = client.patch(path, json={"description": "x"})
    first = client.patch(path, json={"description": "x"}, headers={"If-Match": tag})
    stale = client.patch(path, json={"description": "y"}, headers={"If-Match": tag})

    assert (missing.status_code, first.status_code, stale.status_code) == (428, 200, 412)
    assert (first.json()["description"], first.json()["url"]) == ("x", HOOK["url"])
    assert first.headers["etag"] != tag


def test_rotating_makes_another_secret_and_keeps_the_one_before_for_a_while(
    as_: As, services: Services, worker_door: Database, api_door: Database
) -> None:
    client = as_("acme")
    made = _made(client, event_types=["*"])
    rotated = client.post(f"/v1/webhook-endpoints/{made['id']}/rotate-secret", json={"overlap_hours": 2}).json()

    with api_door.tenant_transaction("acme") as connection:
        events.record(connection, "acme", "video.completed", None, {})
    with worker_door.tenant_transaction("acme") as connection:
        outbox.dispatch(connection, datetime.now(UTC), 10)
        (delivery_id,) = connection.exec_driver_sql("select delivery_id from webhook_deliveries").one()
        during = outbox.letter(connection, services.columns, delivery_id, datetime.now(UTC))
        after = outbox.letter(connection, services.columns, delivery_id, datetime.now(UTC) + timedelta(hours=2))

    assert during is not None
    assert after is not None
    assert during.secrets == (rotated["secret"], made["secret"])
    assert after.secrets == (rotated["secret"],)


def test_a_repeated_request_gets_the_same_secret_and_makes_one_endpoint(as_: As) -> None:
    client = as_("acme")
    headers = {"Idempotency-Key": "once"}

    first = client.post("/v1/webhook-endpoints", json=HOOK, headers=headers)
    second = client.post("/v1/webhook-endpoints", json=HOOK, headers=headers)

    assert first.json() == second.json()
    assert len(client.get("/v1/webhook-endpoints").json()["items"]) == 1


def test_deliveries_are_listed_by_state_and_page_with_how_each_attempt_went(
    as_: As, delivered: Callable[[str, str | None], str]
) -> None:
    client = as_("acme")
    made = _made(client, event_types=["*"])
    good = [delivered("video.completed", None) for _ in range(3)]
    bad = delivered("video.failed", "the receiver answered 500; it must answer 2xx")
    path = f"/v1/webhook-endpoints/{made['id']}/deliveries"

    first = client.get(path, params={"limit": 2}).json()
    second = client.get(path, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    dead = client.get(path, params={"state": "dead_lettered"}).json()["items"]
    (attempt,) = client.get(f"/v1/webhook-deliveries/{bad}/attempts").json()["items"]

    assert {each["id"] for each in first["items"] + second["items"]} == {*good, bad}
    assert second["next_cursor"] is None
    assert [(each["id"], each["event_type"], each["attempts"]) for each in dead] == [(bad, "video.failed", 1)]
    assert (attempt["status"], attempt["duration_ms"]) == (500, 7)
    assert "500" in attempt["error"]


def test_a_dead_letter_is_sent_again_when_it_is_replayed(
    as_: As, delivered: Callable[[str, str | None], str], services: Services, worker_door: Database
) -> None:
    client = as_("acme")
    _made(client, event_types=["*"])
    delivery_id = delivered("video.failed", "nobody there")

    replayed = client.post(f"/v1/webhook-deliveries/{delivery_id}/replay")
    with worker_door.across_tenants() as connection:
        due = outbox.endpoints_to_serve(connection, datetime.now(UTC), 10)
    with worker_door.tenant_transaction("acme") as connection:
        letter = outbox.letter(connection, services.columns, delivery_id, datetime.now(UTC))

    assert (replayed.status_code, replayed.json()["state"], replayed.json()["attempts"]) == (202, "pending", 1)
    assert letter is not None
    assert letter.event_id == replayed.json()["event_id"]
    assert due in ([("acme", letter.endpoint_id)], [])  # none: the job that was queued first is still there


def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(
    as_: As, delivered: Callable[[str, str | None], str]
) -> None:
    client = as_("acme")
    made = _made(client, event_types=["*"])
    delivery_id = delivered("video.failed", "nobody there")
    path, any_version = f"/v1/webhook-endpoints/{made['id']}", {"If-Match": "*"}

    off = client.patch(path, json={"enabled": False}, headers=any_version).json()
    refused = [client.post(f"{path}/test"), client.post(f"/v1/webhook-deliveries/{delivery_id}/replay")]
    on = client.patch(path, json={"enabled": True}, headers=any_version).json()
    accepted = client.post(f"{path}/test")

    assert (off["state"], on["state"], on["failing_since"]) == ("disabled", "enabled", None)
    assert [each.status_code for each in refused] == [409, 409]
    assert accepted.status_code == 202
    assert client.get("/v1/audit-events").json()["items"][0]["action"] == "webhook_endpoint.tested"


def test_another_tenants_endpoint_is_not_there(as_: As, delivered: Callable[[str, str | None], str]) -> None:
    made = _made(as_("acme"), event_types=["*"])
    delivery_id = delivered("video.failed", "nobody there")
    path, stranger = f"/v1/webhook-endpoints/{made['id']}", as_("globex")

    answers = [
        stranger.get(path),
        stranger.get(f"{path}/deliveries"),
        stranger.patch(path, json={"enabled": False}, headers={"If-Match": "*"}),
        stranger.post(f"{path}/rotate-secret", json={}),
        stranger.post(f"{path}/test"),
        stranger.get(f"/v1/webhook-deliveries/{delivery_id}"),
        stranger.get(f"/v1/webhook-deliveries/{delivery_id}/attempts"),
        stranger.post(f"/v1/webhook-deliveries/{delivery_id}/replay"),
        stranger.delete(path),
    ]

    assert [each.status_code for each in answers] == [404] * 9
    assert as_("acme").get(path).json()["state"] in ("enabled", "failing")


def test_a_viewer_sees_and_changes_nothing(as_: As) -> None:
    made = _made(as_("acme"))
    viewer = as_("acme", "viewer")

    assert viewer.get(f"/v1/webhook-endpoints/{made['id']}").status_code == 200
    assert viewer.post("/v1/webhook-endpoints", json=HOOK).status_code == 403
    assert viewer.delete(f"/v1/webhook-endpoints/{made['id']}").status_code == 403


def test_a_tenant_has_at_most_twenty_endpoints(as_: As) -> None:
    client = as_("acme")
    for _ in range(20):
        _made(client)

    answer = client.post("/v1/webhook-endpoints", json=HOOK)

    assert answer.status_code == 409
    assert "delete one first" in answer.json()["detail"]


def test_deleting_an_endpoint_takes_its_deliveries_along(as_: As, delivered: Callable[[str, str | None], str]) -> None:
    client = as_("acme")
    made = _made(client, event_types=["*"])
    delivery_id = delivered("video.completed", None)

    assert client.delete(f"/v1/webhook-endpoints/{made['id']}").status_code == 204
    assert client.get(f"/v1/webhook-endpoints/{made['id']}").status_code == 404
    assert client.get(f"/v1/webhook-deliveries/{delivery_id}").status_code == 404
