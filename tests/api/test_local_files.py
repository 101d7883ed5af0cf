"""Signed addresses of a local store: parts go in exactly as announced, files come out whole or by range."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from clip_platform.api import local_files
from clip_platform.api.services import Services
from clip_platform.encryption.streams import PART_BYTES
from clip_platform.errors import ChecksumMismatch, Conflict, LimitExceeded, UploadExpired
from clip_platform.storage.parts.local import LocalPartStore
from clip_platform.storage.parts.protocol import Part, SignedPart

KEY = "acme/videos/v/source/upload"
WHOLE = random.Random(0).randbytes(PART_BYTES + 1000)  # the same in every process that collects tests
CUT = (WHOLE[:PART_BYTES], WHOLE[PART_BYTES:])


def part(number: int, data: bytes) -> Part:
    return Part(number, len(data), base64.b64encode(hashlib.md5(data).digest()).decode())


PARTS = [part(number, data) for number, data in enumerate(CUT, 1)]


@pytest.fixture
def store(services: Services) -> LocalPartStore:
    assert isinstance(services.part_store, LocalPartStore)
    return services.part_store


@pytest.fixture
def upload_id(store: LocalPartStore) -> str:
    return store.begin(KEY, "video/mp4", len(WHOLE), 2)


@pytest.fixture
def uploads_folder(services: Services) -> Path:
    return Path(urlsplit(services.settings.store_url).path) / "_uploads"


def put(client: TestClient, signed: SignedPart, data: bytes, **headers: str) -> httpx.Response:
    return client.put(signed.url, content=data, headers={**signed.headers, **headers})


def send_all(client: TestClient, store: LocalPartStore, upload_id: str) -> None:
    for signed, data in zip(store.sign_parts(KEY, upload_id, PARTS, 60), CUT, strict=True):
        assert put(client, signed, data).status_code == 200


@pytest.fixture
def stored(client: TestClient, store: LocalPartStore, upload_id: str) -> str:
    send_all(client, store, upload_id)
    store.complete(KEY, upload_id, PARTS)
    return KEY


def test_parts_in_any_order_and_at_once_become_the_object_sealed(
    client: TestClient, store: LocalPartStore, services: Services, upload_id: str, uploads_folder: Path
):
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pair: put(client, *pair), [(signed[1], CUT[1]), (signed[0], CUT[0])]))
    listed = store.list_parts(KEY, upload_id)
    store.complete(KEY, upload_id, PARTS)
    store.complete(KEY, upload_id, PARTS)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [(one.number, one.size_bytes, one.md5) for one in listed] == [(p.number, p.size_bytes, p.md5) for p in PARTS]
    assert b"".join(services.object_store.open_stream(KEY)) == WHOLE
    assert CUT[1][:64] not in (uploads_folder.parent / KEY).read_bytes()
    assert list(uploads_folder.iterdir()) == []


def test_a_corrupt_part_is_refused_and_leaves_nothing(client: TestClient, store: LocalPartStore, upload_id: str):
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)[1]

    answer = put(client, signed, b"x" * len(CUT[1]))

    assert answer.status_code in (400, 422)
    assert "MD5" in answer.json()["detail"]
    assert store.list_parts(KEY, upload_id) == []


@pytest.mark.parametrize(
    "change",
    [
        {"md5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"size": "5"},
        {"expires": "99999999999"},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": "\u0661" * 64},
    ],
)
def test_a_changed_address_takes_nothing(
    client: TestClient, store: LocalPartStore, upload_id: str, change: dict[str, str]
):
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)[1]
    url = httpx.URL(signed.url).copy_merge_params(change)

    answer = client.put(str(url), content=CUT[1], headers=dict(signed.headers))

    assert answer.status_code == 403
    assert store.list_parts(KEY, upload_id) == []


def test_an_address_is_for_its_part_its_upload_and_its_method_only(
    client: TestClient, store: LocalPartStore, upload_id: str
):
    other = store.begin("globex/videos/w/source/upload", "video/mp4", len(WHOLE), 2)
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)[1]
    elsewhere = [
        signed.url.replace(f"{upload_id}/2", f"{upload_id}/1"),
        signed.url.replace(upload_id, other),
        signed.url.replace(f"uploads/{upload_id}/2", f"files/{KEY}"),
    ]

    answers = [client.put(url, content=CUT[1], headers=dict(signed.headers)).status_code for url in elsewhere]

    assert answers == [403, 403, 405]
    assert client.get(signed.url).status_code == 405


def test_headers_other_than_those_signed_are_refused(client: TestClient, store: LocalPartStore, upload_id: str):
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)[1]

    assert client.put(signed.url, content=CUT[1]).status_code == 403
    assert put(client, signed, CUT[1][:-1], **{"Content-Length": str(len(CUT[1]) - 1)}).status_code == 403


def test_an_address_that_is_over_takes_and_gives_nothing(client: TestClient, store: LocalPartStore, stored: str):
    late = store.begin("acme/videos/x/source/upload", "video/mp4", len(WHOLE), 2)

    signed = store.sign_parts("acme/videos/x/source/upload", late, PARTS, -1)[1]

    assert put(client, signed, CUT[1]).status_code == 403
    assert client.get(store.sign_download(stored, "a.mp4", "video/mp4", -1)).status_code == 403
    assert client.get(store.sign_download(stored, "a.mp4", "video/mp4", 60)).status_code == 200


def test_a_part_sent_again_replaces_the_first_one(client: TestClient, store: LocalPartStore, upload_id: str):
    other = os.urandom(len(CUT[1]))
    send_all(client, store, upload_id)

    put(client, store.sign_parts(KEY, upload_id, [part(2, other)], 60)[0], other)

    with pytest.raises(ChecksumMismatch, match="part 2 is not what was announced last"):
        store.complete(KEY, upload_id, PARTS)
    store.complete(KEY, upload_id, [PARTS[0], part(2, other)])


def test_a_completion_killed_before_it_tidied_up_is_completed_again_and_takes_no_more_parts(
    client: TestClient, services: Services, store: LocalPartStore, upload_id: str, uploads_folder: Path
):
    send_all(client, store, upload_id)
    object_file = uploads_folder.parent / KEY
    object_file.parent.mkdir(parents=True)
    (uploads_folder / upload_id / "data").rename(object_file)

    late = put(client, store.sign_parts(KEY, upload_id, PARTS, 60)[1], CUT[1])
    store.complete(KEY, upload_id, PARTS)

    assert late.status_code == 410
    assert b"".join(services.object_store.open_stream(KEY)) == WHOLE
    assert list(uploads_folder.iterdir()) == []


def test_two_clients_completing_at_once_make_one_object(
    client: TestClient, services: Services, store: LocalPartStore, upload_id: str
):
    send_all(client, store, upload_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.complete(KEY, upload_id, PARTS), range(8)))

    assert b"".join(services.object_store.open_stream(KEY)) == WHOLE


def test_missing_parts_are_named(client: TestClient, store: LocalPartStore, upload_id: str):
    put(client, store.sign_parts(KEY, upload_id, PARTS, 60)[1], CUT[1])

    with pytest.raises(Conflict, match="parts 1 are missing"):
        store.complete(KEY, upload_id, PARTS)


def test_an_aborted_upload_is_over_and_leaves_no_file(
    client: TestClient, store: LocalPartStore, upload_id: str, uploads_folder: Path
):
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)
    put(client, signed[0], CUT[0])

    store.abort(KEY, upload_id)
    store.abort(KEY, upload_id)

    assert put(client, signed[1], CUT[1]).status_code == 410
    assert list(uploads_folder.iterdir()) == []
    with pytest.raises(UploadExpired):
        store.complete(KEY, upload_id, PARTS)


def test_more_parts_than_any_store_takes_are_refused(store: LocalPartStore):
    with pytest.raises(LimitExceeded, match="10001 parts"):
        store.begin(KEY, "video/mp4", 10_001 * PART_BYTES, 10_001)


@pytest.mark.parametrize(
    ("asked", "status", "wanted", "content_range"),
    [
        (None, 200, WHOLE, None),
        ("bytes=0-9", 206, WHOLE[:10], f"bytes 0-9/{len(WHOLE)}"),
        (f"bytes={PART_BYTES - 5}-{PART_BYTES + 4}", 206, WHOLE[PART_BYTES - 5 : PART_BYTES + 5], None),
        ("bytes=-7", 206, WHOLE[-7:], None),
        (f"bytes={len(WHOLE) - 1}-", 206, WHOLE[-1:], None),
        (f"bytes={len(WHOLE)}-", 416, None, f"bytes */{len(WHOLE)}"),
        ("bytes=5-2", 200, WHOLE, None),
        ("lines=1-2", 200, WHOLE, None),
        ("bytes=0-1,5-6", 200, WHOLE, None),
        ("bytes=-", 200, WHOLE, None),
    ],
)
def test_files_are_served_whole_and_by_range(
    client: TestClient,
    store: LocalPartStore,
    stored: str,
    asked: str | None,
    status: int,
    wanted: bytes | None,
    content_range: str | None,
):
    url = store.sign_download(stored, "talk.mp4", "video/mp4", 60)

    answer = client.get(url, headers={"Range": asked} if asked else {})

    assert answer.status_code == status
    assert wanted is None or answer.content == wanted
    assert content_range is None or answer.headers["content-range"] == content_range


@pytest.mark.parametrize(
    "name", ['a".mp4', "a\r\nSet-Cookie: x.mp4", "приве́т.mp4", "../../etc/passwd", "a;b.mp4", "\u202egpj.exe"]
)
def test_a_files_name_cannot_change_the_answers_headers(
    client: TestClient, store: LocalPartStore, stored: str, name: str
):
    answer = client.head(store.sign_download(stored, name, "video/mp4", 60))

    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert answer.headers["content-disposition"].isascii()
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-length"] == str(len(WHOLE))


def test_a_file_that_is_gone_is_not_found(client: TestClient, store: LocalPartStore):
    assert client.get(store.sign_download("acme/videos/v/clips/gone", "a", "video/mp4", 60)).status_code == 404


def test_parts_that_trickle_are_cut_off_and_the_next_one_is_taken(
    app: FastAPI, store: LocalPartStore, upload_id: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local_files, "_SHORTEST_DEADLINE_S", 0.5)
    monkeypatch.setattr(local_files, "SLOWEST_BODY_BYTES_A_S", 10 * PART_BYTES)
    signed = store.sign_parts(KEY, upload_id, PARTS, 60)[1]

    async def trickle() -> AsyncIterator[bytes]:
        for byte in CUT[1]:
            yield bytes([byte])
            await asyncio.sleep(0.3)

    async def send() -> tuple[list[int], int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as sender:
            slow = [sender.put(signed.url, content=trickle(), headers=dict(signed.headers)) for _ in range(8)]
            cut_off = [answer.status_code for answer in await asyncio.gather(*slow)]
            return cut_off, (await sender.put(signed.url, content=CUT[1], headers=dict(signed.headers))).status_code

    assert asyncio.run(send()) == ([408] * 8, 200)
