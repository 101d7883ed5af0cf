"""Every store that takes uploads in parts, held to the same contract: a folder, Ceph's S3, Azurite."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from clip_platform.api import local_files, problems
from clip_platform.encryption.keys import Keys
from clip_platform.encryption.opening import keys_at
from clip_platform.encryption.streams import PART_BYTES
from clip_platform.errors import ChecksumMismatch, Conflict, CorruptArtifact, LimitExceeded, UploadExpired
from clip_platform.identifiers import StoredObject, new_ulid
from clip_platform.settings import Settings
from clip_platform.storage.objects import ObjectStore, open_store
from clip_platform.storage.parts.opening import open_part_store
from clip_platform.storage.parts.protocol import Part, PartStore, SignedPart
from tests.peers.azurite import Azurite
from tests.peers.ceph import Rgw
from tests.peers.processes import free_ports
from tests.peers.serving import serving_app

KINDS = ("folder", "s3", "s3 with a key per tenant", "azure")
WHOLE = os.urandom(PART_BYTES + 5000)
CUT = (WHOLE[:PART_BYTES], WHOLE[PART_BYTES:])


@dataclass
class Stores:
    kind: str
    parts: PartStore
    objects: ObjectStore
    keys: Keys

    @property
    def checks_parts(self) -> bool:
        """Whether the store itself holds a part to the announced number and length."""
        return self.kind != "azure"


def part(number: int, data: bytes) -> Part:
    return Part(number, len(data), base64.b64encode(hashlib.md5(data).digest()).decode())


PARTS = [part(number, data) for number, data in enumerate(CUT, 1)]


def opened(kind: str, settings: Settings) -> Stores:
    keys = keys_at(settings.master_key_address, settings.key_store_url, make=True)
    return Stores(
        kind,
        open_part_store(settings, keys),
        open_store(settings.store_url, keys.tenants, kms_key=settings.s3_kms_key),
        keys,
    )


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    kind: str = request.param
    [port] = free_ports(1)
    settings = Settings(home=tmp_path, api_url=f"http://127.0.0.1:{port}")
    if kind == "folder":
        found = opened(kind, settings)
        with _served(found, port):
            yield found
        return
    peer: Rgw | Azurite = request.getfixturevalue("azurite" if kind == "azure" else "rgw")
    for name, value in peer.environment.items():
        monkeypatch.setenv(name, value)
    url = f"az://{peer.container()}/pre/fix" if isinstance(peer, Azurite) else f"s3://{peer.bucket()}/pre/fix"
    kms = "alias/clips-{tenant}" if "tenant" in kind else None
    yield opened(kind, settings.model_copy(update={"object_store_url": url, "s3_kms_key": kms}))


def _served(stores: Stores, port: int) -> AbstractContextManager[None]:
    app = FastAPI()
    app.state.services = type("Services", (), {"part_store": stores.parts, "object_store": stores.objects})
    app.include_router(local_files.router)
    problems.install(app)
    return serving_app(app, port)


@pytest.fixture
def key() -> str:
    return f"acme/videos/{new_ulid()}/source/upload"


@pytest.fixture
def upload_id(stores: Stores, key: str) -> str:
    return stores.parts.begin(key, "video/mp4", len(WHOLE), 2)


def put(signed: SignedPart, data: bytes, **headers: str) -> httpx.Response:
    return httpx.put(signed.url, content=data, headers={**signed.headers, **headers}, timeout=60)


@pytest.fixture
def send(stores: Stores, key: str, upload_id: str) -> Callable[..., int]:
    """`send(1)` sends a part as announced; the status."""

    def one(number: int) -> int:
        [signed] = stores.parts.sign_parts(key, upload_id, [PARTS[number - 1]], 60)
        return put(signed, CUT[number - 1]).status_code

    return one


def test_parts_sent_at_once_and_in_any_order_become_the_object(
    stores: Stores, key: str, upload_id: str, send: Callable[..., int]
):
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(send, (2, 1)))
    listed = stores.parts.list_parts(key, upload_id)
    stores.parts.complete(key, upload_id, PARTS)

    assert all(200 <= status < 300 for status in statuses)
    assert [(one.number, one.size_bytes) for one in listed] == [(1, PART_BYTES), (2, 5000)]
    assert all(one.md5 in (None, wanted.md5) for one, wanted in zip(listed, PARTS, strict=True))
    assert b"".join(stores.objects.open_stream(key)) == WHOLE
    assert stores.objects.size_of(key) == len(WHOLE)


def test_completing_twice_is_completing_once(stores: Stores, key: str, upload_id: str, send: Callable[..., int]):
    send(1), send(2)

    for _ in range(2):
        stores.parts.complete(key, upload_id, PARTS)
    stores.parts.abort(key, upload_id)

    assert stores.objects.size_of(key) == len(WHOLE)


def test_a_corrupt_part_is_refused_by_the_store(stores: Stores, key: str, upload_id: str):
    signed = stores.parts.sign_parts(key, upload_id, PARTS, 60)[1]
    flipped = bytes([CUT[1][0] ^ 1]) + CUT[1][1:]

    assert put(signed, flipped).status_code in (400, 422)

    assert stores.parts.list_parts(key, upload_id) == []


def test_an_address_takes_what_it_was_signed_for_only(stores: Stores, key: str, upload_id: str):
    signed = stores.parts.sign_parts(key, upload_id, PARTS, 60)[1]
    other = os.urandom(len(CUT[1]))
    answers = {
        "changed": httpx.put(signed.url[:-6] + "AAAAAA", content=CUT[1], headers=dict(signed.headers)).status_code,
        "another key": put(
            SignedPart(2, signed.url.replace("acme/", "globex/").replace(upload_id, "0" * 32), signed.headers,
                signed.expires_at), CUT[1],
        ).status_code,
    }  # fmt: skip
    if stores.checks_parts:
        answers["another MD5"] = put(signed, other, **{"Content-MD5": part(2, other).md5}).status_code
        answers["no MD5"] = httpx.put(signed.url, content=CUT[1]).status_code
        answers["another length"] = put(
            signed, CUT[1][:-1], **{"Content-Length": str(len(CUT[1]) - 1), "Content-MD5": part(2, CUT[1][:-1]).md5}
        ).status_code

    assert all(status in (400, 403, 404, 410) for status in answers.values()), answers
    assert stores.parts.list_parts(key, upload_id) == []


def test_an_address_that_is_over_takes_nothing(stores: Stores, key: str, upload_id: str):
    import time

    [signed] = stores.parts.sign_parts(key, upload_id, [PARTS[1]], 1)
    time.sleep(2.1)  # the store's own clock tells

    assert put(signed, CUT[1]).status_code == 403


def test_a_part_is_sent_again_and_the_last_one_counts(
    stores: Stores, key: str, upload_id: str, send: Callable[..., int]
):
    other = os.urandom(len(CUT[1]))
    send(1)
    put(stores.parts.sign_parts(key, upload_id, [part(2, other)], 60)[0], other)

    send(2)
    stores.parts.complete(key, upload_id, PARTS)

    assert b"".join(stores.objects.open_stream(key)) == WHOLE


def test_a_missing_part_is_named_and_can_still_come(stores: Stores, key: str, upload_id: str, send: Callable[..., int]):
    send(2)

    with pytest.raises(Conflict, match="parts 1 are missing"):
        stores.parts.complete(key, upload_id, PARTS)
    send(1)
    stores.parts.complete(key, upload_id, PARTS)

    assert stores.objects.size_of(key) == len(WHOLE)


def test_a_part_of_another_length_than_announced_is_not_joined(
    stores: Stores, key: str, upload_id: str, send: Callable[..., int]
):
    send(1), send(2)

    with pytest.raises(ChecksumMismatch, match="part 2"):
        stores.parts.complete(key, upload_id, [PARTS[0], Part(2, 4999, PARTS[1].md5)])


def test_an_aborted_upload_leaves_nothing(stores: Stores, key: str, upload_id: str, send: Callable[..., int]):
    send(1)

    for _ in range(2):
        stores.parts.abort(key, upload_id)

    assert not stores.objects.exists(key)
    with pytest.raises((UploadExpired, Conflict)):
        stores.parts.complete(key, upload_id, PARTS)


def test_all_uploads_of_one_tenant_are_aborted_and_no_others(
    stores: Stores, key: str, upload_id: str, send: Callable[..., int]
):
    send(1)
    theirs = f"globex/videos/{new_ulid()}/source/upload"
    other_id = stores.parts.begin(theirs, "video/mp4", len(WHOLE), 2)
    [signed] = stores.parts.sign_parts(theirs, other_id, PARTS[:1], 600)
    put(signed, CUT[0])

    aborted = [stores.parts.abort_all("acme"), stores.parts.abort_all("acme")]

    assert aborted == [1, 0]
    assert [found.number for found in stores.parts.list_parts(theirs, other_id)] == [1]
    assert stores.kind == "azure" or is_over(stores, key, upload_id)


def is_over(stores: Stores, key: str, upload_id: str) -> bool:
    try:
        return stores.parts.list_parts(key, upload_id) == []
    except UploadExpired:
        return True


def test_versions_that_a_bucket_keeps_are_deleted_with_their_objects(rgw: Rgw, monkeypatch, tmp_path: Path):
    for name, value in rgw.environment.items():
        monkeypatch.setenv(name, value)
    bucket, client = rgw.bucket(), rgw.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    stores = opened("s3", Settings(home=tmp_path, object_store_url=f"s3://{bucket}/pre"))
    for tenant_id in ("acme", "acme", "globex"):
        stores.objects.put_bytes(f"{tenant_id}/videos/x", b"secret")
    stores.objects.delete_prefix("acme")

    deleted = stores.parts.delete_versions("acme")

    left = client.list_object_versions(Bucket=bucket)
    assert deleted == 3  # two versions and the mark that hid them
    assert [one["Key"] for one in left["Versions"]] == ["pre/globex/videos/x"]
    assert "DeleteMarkers" not in left


def test_more_parts_than_any_store_takes_are_refused(stores: Stores, key: str):
    with pytest.raises(LimitExceeded, match="10001 parts"):
        stores.parts.begin(key, "video/mp4", 10_001 * PART_BYTES, 10_001)


@pytest.mark.parametrize("name", ['a".mp4', "a\r\nSet-Cookie: x.mp4", "\u202eприве́т;.mp4"])
def test_a_download_saves_under_any_name_and_gives_ranges(stores: Stores, key: str, name: str):
    key = key.replace("source/upload", "clips/a.mp4")
    stores.objects.put_bytes(key, WHOLE)
    url = stores.parts.sign_download(key, name, "video/mp4", 60)

    answer = httpx.get(url, headers={"Range": "bytes=10-19"})

    assert (answer.status_code, answer.content) == (206, WHOLE[10:20])
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert "set-cookie" not in answer.headers
    assert httpx.get(url[:-6] + "AAAAAA").status_code == 403


def test_an_object_store_keeps_what_it_is_given(stores: Stores, tmp_path: Path):
    (tmp_path / "file").write_bytes(WHOLE)
    intermediate = f"acme/videos/{new_ulid()}/assets/x.json"

    stored = stores.objects.put_file(intermediate, tmp_path / "file")

    assert stored == StoredObject(intermediate, hashlib.sha256(WHOLE).hexdigest(), len(WHOLE))
    assert stores.objects.get_bytes(stored) == WHOLE
    assert stores.objects.fetch(stored, tmp_path / "copy").read_bytes() == WHOLE
    assert b"".join(stores.objects.open_stream(intermediate, PART_BYTES - 5, 10)) == WHOLE[PART_BYTES - 5 :][:10]
    assert stores.objects.holds(stored)
    assert stores.objects.list_keys(intermediate.rsplit("/", 1)[0]) == [intermediate]
    assert stores.objects.delete_prefix(intermediate.rsplit("/", 2)[0]) == 1
    assert not stores.objects.holds(stored)


def test_intermediates_are_sealed_wherever_they_lie(stores: Stores):
    key = f"acme/videos/{new_ulid()}/assets/x.json"
    stores.objects.put_bytes(key, b"words that nobody else reads")
    unsealed = ObjectStore(stores.objects._backend)

    assert b"words" not in b"".join(unsealed.open_stream(key))
    stores.keys.tenants.erase("acme")
    with pytest.raises(CorruptArtifact):
        list(stores.objects.open_stream(key))


@pytest.mark.parametrize("stores", ["s3 with a key per tenant"], indirect=True)
def test_s3_encrypts_what_clients_fetch_with_their_tenants_key(stores: Stores, rgw: Rgw, send: Callable[..., int]):
    assert send(1) == send(2) == 200
    made = {tenant: f"{tenant}/videos/{new_ulid()}/clips/a.mp4" for tenant in ("acme", "globex")}
    for key in made.values():
        stores.objects.put_bytes(key, WHOLE)

    buckets = [found["Name"] for found in rgw.client().list_buckets()["Buckets"]]
    bucket = max(buckets, key=lambda name: int(name.rpartition("-")[2]))  # this test's own: the last one made
    found = {
        tenant: rgw.client().head_object(Bucket=bucket, Key=f"pre/fix/{key}").get("SSEKMSKeyId")
        for tenant, key in made.items()
    }

    assert found == {"acme": "alias/clips-acme", "globex": "alias/clips-globex"}
