"""Uploads over HTTP on the local store: what is taken, what is refused, and by what name."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from clip_platform.api.services import Services
from clip_platform.database import uploads, usage
from clip_platform.database.connection import Database
from clip_platform.errors import UploadExpired
from clip_platform.upload.parts import PART_SIZE_BYTES, Cut
from clip_platform.worker.expiry import expire
from clip_platform.worker.verification import verify
from tests.conftest import MigratedServer

As = Callable[..., TestClient]
TWO_PARTS = bytes(range(256)) * (PART_SIZE_BYTES // 256) + b"the rest"


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def begin(client: TestClient, data: bytes = b"a short film", **more: Any) -> dict[str, Any]:
    body = {"name": "film.mp4", "content_type": "video/mp4", "size_bytes": len(data), **more}
    answer = client.post("/v1/videos", json=body)
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content


def pieces(data: bytes) -> dict[int, bytes]:
    whole = Cut(len(data))
    return {
        number: data[whole.offset_of(number) : whole.offset_of(number) + whole.size_of(number)]
        for number in whole.numbers
    }


def announced(data: bytes, numbers: Sequence[int] | None = None) -> dict[str, Any]:
    parts = pieces(data)
    return {
        "parts": [
            {"part_number": number, "size_bytes": len(parts[number]), "md5": md5_of(parts[number])}
            for number in numbers or parts
        ]
    }


def send(client: TestClient, video_id: str, data: bytes, numbers: Sequence[int] | None = None) -> None:
    parts = pieces(data)
    answer = client.post(f"/v1/videos/{video_id}/parts", json=announced(data, numbers))
    assert answer.status_code == 200, answer.text
    for signed in answer.json()["parts"]:
        put = client.put(signed["url"], content=parts[signed["part_number"]], headers=signed["headers"])
        assert put.is_success, put.text


def uploaded(client: TestClient, data: bytes, **more: Any) -> str:
    video_id: str = begin(client, data, **more)["video_id"]
    send(client, video_id, data)
    assert client.post(f"/v1/videos/{video_id}/complete").status_code == 202
    return video_id


def kind_of(answer: Any) -> str:
    return str(answer.json()["type"]).removeprefix("urn:clip-platform:problem:")


def row(server: MigratedServer, video_id: str) -> dict[str, Any]:
    with server.superuser() as connection:
        found = connection.execute(
            "select state, preferences, source_sha256, source_size_bytes, error_class, error_message, source_url "
            "from videos where id = %s",
            (video_id,),
        )
        assert found.description is not None
        values = found.fetchone()
        assert values is not None
        return dict(zip([column.name for column in found.description], values, strict=True))


@pytest.fixture
def editor(as_: As) -> TestClient:
    return as_("acme", "editor")


def test_parts_in_any_order_become_a_verified_video_that_is_charged_once(
    editor: TestClient, services: Services, worker_door: Database, migrated_server: MigratedServer
) -> None:
    terms = begin(editor, TWO_PARTS, sha256=hashlib.sha256(TWO_PARTS).hexdigest(), preferences={"clips": 3})
    video_id = terms["video_id"]
    assert terms["upload"] | {"expires_at": None} == {
        "part_size_bytes": PART_SIZE_BYTES,
        "part_count": 2,
        "expires_at": None,
    }
    send(editor, video_id, TWO_PARTS, [2])
    send(editor, video_id, TWO_PARTS, [1])

    completed = editor.post(f"/v1/videos/{video_id}/complete")
    states = [verify(worker_door, services.object_store, "acme", video_id) for _ in range(2)]

    assert (completed.status_code, completed.json()) == (202, {"video_id": video_id, "state": "verifying"})
    assert states == ["submitted", "submitted"]
    stored = row(migrated_server, video_id)
    assert stored["source_sha256"] == hashlib.sha256(TWO_PARTS).hexdigest()
    assert stored["source_size_bytes"] == len(TWO_PARTS)
    assert stored["preferences"]["clips"] == 3
    with worker_door.tenant_transaction("acme") as connection:
        assert usage.totals(connection).stored_bytes == len(TWO_PARTS)
    assert b"".join(services.object_store.open_stream(f"acme/videos/{video_id}/source/upload")) == TWO_PARTS


def test_listing_parts_tells_what_has_arrived_page_by_page(editor: TestClient) -> None:
    data = bytes(3 * PART_SIZE_BYTES)
    video_id = begin(editor, data)["video_id"]
    send(editor, video_id, data, [3, 1])

    first = editor.get(f"/v1/videos/{video_id}/parts", params={"limit": 1}).json()
    second = editor.get(f"/v1/videos/{video_id}/parts", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [part["part_number"] for part in first["items"] + second["items"]] == [1, 3]
    assert first["items"][0]["md5"] == md5_of(bytes(PART_SIZE_BYTES))
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([(10_001, 12, "")], "part 10001: no such part"),
        ([(0, 12, "")], "part 0: no such part"),
        ([(1, 11, "")], "part 1 is announced with 11 bytes; it has 12"),
        ([(1, 12, ""), (1, 12, "")], "part 1 is announced twice"),
        ([(1, 12, "not base64")], "part 1 has md5 'not base64'"),
    ],
)
def test_a_part_that_is_not_of_the_file_is_refused_by_number(
    editor: TestClient, parts: list[tuple[int, int, str]], words: str
) -> None:
    video_id = begin(editor)["video_id"]
    body = [
        {"part_number": number, "size_bytes": size_bytes, "md5": md5 or md5_of(b"x")}
        for number, size_bytes, md5 in parts
    ]

    answer = editor.post(f"/v1/videos/{video_id}/parts", json={"parts": body})

    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_more_than_a_thousand_parts_in_one_request_are_refused(editor: TestClient) -> None:
    video_id = begin(editor)["video_id"]
    part = {"part_number": 1, "size_bytes": 12, "md5": md5_of(b"x")}

    answer = editor.post(f"/v1/videos/{video_id}/parts", json={"parts": [part] * 1001})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"size_bytes": 0}, "empty-file"),
        ({"size_bytes": 21 * 1024**3}, "limit-exceeded"),
        ({"content_type": "text/html"}, "unsupported-media"),
        ({"preferences": {"colour": "red"}}, "invalid-preference"),
        ({"preferences": {"min_s": 50, "max_s": 20}}, "invalid-preference"),
        ({"size_bytes": None}, "invalid-request"),
        ({"source_url": "https://example.com/film.mp4"}, "invalid-request"),
        ({"name": "film\u202e4pm"}, "invalid-request"),
        ({"name": "film\0"}, "invalid-request"),
        ({"sha256": "abc"}, "invalid-request"),
        ({"colour": "red"}, "invalid-request"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(editor: TestClient, change: dict[str, Any], kind: str) -> None:
    body = {"name": "film.mp4", "content_type": "video/mp4", "size_bytes": 12, **change}

    answer = editor.post("/v1/videos", json=body)

    assert 400 <= answer.status_code < 500
    assert kind_of(answer) == kind


def test_more_than_ten_thousand_parts_are_refused_whatever_the_installation_takes(
    editor: TestClient, services: Services
) -> None:
    object.__setattr__(services, "settings", services.settings.model_copy(update={"max_upload_bytes": 2**50}))

    answer = editor.post("/v1/videos", json={"name": "long.mp4", "size_bytes": 10_000 * PART_SIZE_BYTES + 1})

    assert kind_of(answer) == "limit-exceeded"
    assert "10001 parts" in answer.json()["detail"]


def test_an_upload_over_the_quota_is_refused_and_one_within_it_is_taken(
    editor: TestClient, migrated_server: MigratedServer
) -> None:
    with migrated_server.superuser() as connection:
        connection.execute("update tenants set quota_stored_bytes = 20 where tenant_id = 'acme'")
    begin(editor, b"twelve bytes")

    answer = editor.post("/v1/videos", json={"name": "film.mp4", "size_bytes": 12})

    assert kind_of(answer) == "quota-exceeded"
    begin(editor, b"8 bytes.")


def test_the_tenants_own_defaults_lie_under_the_requests_preferences(
    editor: TestClient, migrated_server: MigratedServer
) -> None:
    with migrated_server.superuser() as connection:
        connection.execute(
            """update tenants set default_preferences = '{"clips": 9, "aspect": "1:1"}' where tenant_id = 'acme'"""
        )

    video_id = begin(editor, preferences={"clips": 2, "keywords": ["growth"]})["video_id"]

    wanted = row(migrated_server, video_id)["preferences"]
    assert (wanted["clips"], wanted["aspect"], wanted["keywords"]) == (2, "1:1", ["growth"])


def test_the_same_idempotency_key_begins_one_upload(editor: TestClient, migrated_server: MigratedServer) -> None:
    body, headers = {"name": "film.mp4", "size_bytes": 12}, {"Idempotency-Key": "once"}

    answers = [editor.post("/v1/videos", json=body, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    with migrated_server.superuser() as connection:
        assert connection.execute("select count(*) from videos").fetchone() == (1,)


def test_a_corrupt_part_is_refused_by_the_store_and_can_be_sent_again(editor: TestClient) -> None:
    data = b"a short film"
    video_id = begin(editor, data)["video_id"]
    signed = editor.post(f"/v1/videos/{video_id}/parts", json=announced(data)).json()["parts"][0]

    corrupt = editor.put(signed["url"], content=b"a shorT film", headers=signed["headers"])

    assert 400 <= corrupt.status_code < 500
    assert editor.get(f"/v1/videos/{video_id}/parts").json()["items"] == []
    send(editor, video_id, data)
    assert editor.post(f"/v1/videos/{video_id}/complete").status_code == 202


def test_completing_names_the_parts_that_are_missing(editor: TestClient) -> None:
    video_id = begin(editor, TWO_PARTS)["video_id"]
    send(editor, video_id, TWO_PARTS, [1])

    answer = editor.post(f"/v1/videos/{video_id}/complete")

    assert (answer.status_code, kind_of(answer)) == (409, "conflict")
    assert "part 2 of 2" in answer.json()["detail"]


def test_two_clients_that_complete_at_once_both_hear_that_it_is_done(
    editor: TestClient, as_: As, migrated_server: MigratedServer
) -> None:
    data = b"a short film"
    video_id = begin(editor, data)["video_id"]
    send(editor, video_id, data)
    clients = [as_("acme", "editor") for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda client: client.post(f"/v1/videos/{video_id}/complete"), clients))

    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(202, "verifying")] * 4
    with migrated_server.superuser() as connection:
        told = "select count(*) from audit_events where action = 'upload.completed'"
        assert connection.execute(told).fetchone() == (1,)


def test_a_wrong_whole_checksum_rejects_the_video_and_keeps_none_of_it(
    editor: TestClient, services: Services, worker_door: Database, migrated_server: MigratedServer
) -> None:
    video_id = uploaded(editor, b"a short film", sha256=hashlib.sha256(b"another film").hexdigest())

    state = verify(worker_door, services.object_store, "acme", video_id)

    assert state == "rejected"
    assert row(migrated_server, video_id)["error_class"] == "ChecksumMismatch"
    assert not services.object_store.exists(f"acme/videos/{video_id}/source/upload")
    with worker_door.tenant_transaction("acme") as connection:
        assert usage.totals(connection).stored_bytes == 0


def test_a_part_with_other_bytes_than_announced_is_named_when_the_store_did_not_notice(
    editor: TestClient, services: Services, worker_door: Database, migrated_server: MigratedServer
) -> None:
    video_id = uploaded(editor, TWO_PARTS)
    with migrated_server.superuser() as connection:
        other = "update upload_parts set md5 = %s where video_id = %s and part_number = 2"
        connection.execute(other, (md5_of(b"other"), video_id))

    state = verify(worker_door, services.object_store, "acme", video_id)

    assert state == "rejected"
    assert "part 2 arrived with other bytes" in row(migrated_server, video_id)["error_message"]


def test_an_upload_that_is_over_takes_nothing_more_and_leaves_nothing(
    editor: TestClient, services: Services, worker_door: Database, migrated_server: MigratedServer
) -> None:
    data = b"a short film"
    video_id = begin(editor, data)["video_id"]
    send(editor, video_id, data)
    with migrated_server.superuser() as connection:
        connection.execute("update upload_sessions set expires_at = now() - interval '1 second'")

    answers = [
        editor.post(f"/v1/videos/{video_id}/complete"),
        editor.post(f"/v1/videos/{video_id}/parts", json=announced(data)),
        editor.get(f"/v1/videos/{video_id}/parts"),
    ]
    ended = [expire(worker_door, services.object_store, services.part_store, "acme", video_id) for _ in range(2)]

    assert [(answer.status_code, kind_of(answer)) for answer in answers] == [(410, "upload-expired")] * 3
    assert ended == [True, False]
    assert row(migrated_server, video_id)["state"] == "expired"
    assert editor.post(f"/v1/videos/{video_id}/complete").status_code == 410
    with worker_door.tenant_transaction("acme") as connection:
        session = uploads.find(connection, video_id)
    with pytest.raises(UploadExpired):
        services.part_store.list_parts(session.object_key, session.store_upload_id)


def test_a_running_upload_is_not_expired(editor: TestClient, services: Services, worker_door: Database) -> None:
    data = b"a short film"
    video_id = begin(editor, data)["video_id"]
    send(editor, video_id, data)

    ended = expire(worker_door, services.object_store, services.part_store, "acme", video_id)

    assert not ended
    assert editor.post(f"/v1/videos/{video_id}/complete").status_code == 202


def test_an_upload_given_up_is_removed_by_the_worker(
    editor: TestClient, services: Services, worker_door: Database, migrated_server: MigratedServer
) -> None:
    data = b"a short film"
    video_id = begin(editor, data)["video_id"]
    send(editor, video_id, data)

    answers = [editor.delete(f"/v1/videos/{video_id}/upload").status_code for _ in range(2)]
    with worker_door.across_tenants() as connection:
        noticed = connection.execute(text("select video_id from uploads_to_expire(10)")).scalars().all()
    expire(worker_door, services.object_store, services.part_store, "acme", video_id)

    assert answers == [204, 204]
    assert noticed == [video_id]
    assert row(migrated_server, video_id)["state"] == "expired"
    assert editor.post(f"/v1/videos/{video_id}/complete").status_code == 410


def test_a_completed_upload_cannot_be_given_up_any_more(editor: TestClient) -> None:
    video_id = uploaded(editor, b"a short film")

    answer = editor.delete(f"/v1/videos/{video_id}/upload")

    assert (answer.status_code, kind_of(answer)) == (409, "conflict")


def test_a_video_to_be_fetched_waits_for_its_run_with_a_sealed_address(
    editor: TestClient, services: Services, migrated_server: MigratedServer
) -> None:
    url = "https://media.example.com/film.mp4?token=secret"

    answer = editor.post("/v1/videos", json={"name": "film.mp4", "source_url": url})

    assert (answer.status_code, answer.json()["state"], answer.json()["upload"]) == (201, "submitted", None)
    video_id = answer.json()["video_id"]
    sealed = bytes(row(migrated_server, video_id)["source_url"])
    assert b"secret" not in sealed
    assert services.columns.open("acme", "videos.source_url", video_id, sealed) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://media.example.com/film.mp4",
        "https://127.0.0.1/film.mp4",
        "https://2130706433/film.mp4",
        "https://[::ffff:10.0.0.1]/film.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://user:word@media.example.com/film.mp4",
        "file:///etc/passwd",
        "ftp://media.example.com/film.mp4",
        "s3://",
    ],
)
def test_an_address_that_is_not_safe_to_fetch_is_refused(editor: TestClient, url: str) -> None:
    answer = editor.post("/v1/videos", json={"name": "film.mp4", "source_url": url})

    assert (answer.status_code, kind_of(answer)) == (422, "unsafe-address")


def test_another_tenants_upload_is_not_there_and_a_viewer_may_not_upload(editor: TestClient, as_: As) -> None:
    video_id = begin(editor)["video_id"]
    stranger, viewer = as_("globex", "owner"), as_("acme", "viewer")

    strangers = [
        stranger.post(f"/v1/videos/{video_id}/parts", json=announced(b"a short film")),
        stranger.get(f"/v1/videos/{video_id}/parts"),
        stranger.post(f"/v1/videos/{video_id}/complete"),
        stranger.delete(f"/v1/videos/{video_id}/upload"),
    ]

    assert [answer.status_code for answer in strangers] == [404] * 4
    assert viewer.post("/v1/videos", json={"name": "film.mp4", "size_bytes": 1}).status_code == 403
    send(editor, video_id, b"a short film")
