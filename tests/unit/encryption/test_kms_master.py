"""A master key in AWS KMS, on a KMS server of the tests' own; wrapped keys in a bucket beside it."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from obstore.exceptions import AlreadyExistsError

from clip_platform.encryption.keys import Keys, TenantKeys
from clip_platform.encryption.master import MasterKey, open_master_key
from clip_platform.encryption.opening import keys_at
from clip_platform.encryption.store import KeyStore
from clip_platform.errors import CorruptArtifact, InvalidSetting, StorageUnavailable

KEY = "acme/videos/v/audio/track.wav"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer("127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(autouse=True)
def aws(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What an operator sets for boto3 and obstore, with this server in AWS's place."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return server


@pytest.fixture
def kms(aws: str) -> Any:  # noqa: ARG001
    return boto3.client("kms")


def new_key(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def arn(kms: Any) -> str:
    return new_key(kms)


@pytest.fixture
def master(arn: str) -> MasterKey:
    return open_master_key(f"aws-kms://{arn}")


@pytest.fixture
def keys_url(aws: str) -> str:  # noqa: ARG001
    bucket = f"wrapped-keys-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return f"s3://{bucket}/installation"


def keys_of(arn: str, keys_url: str) -> Keys:
    return keys_at(f"aws-kms://{arn}", keys_url)


def test_what_kms_wrapped_it_unwraps_by_arn_and_by_alias(kms: Any, arn: str, master: MasterKey):
    kms.create_alias(AliasName="alias/clips", TargetKeyId=arn)

    wrapped = master.aead("tenants/acme").encrypt(b"secret", b"")

    assert b"secret" not in wrapped
    assert master.aead("tenants/acme").decrypt(wrapped, b"") == b"secret"
    assert open_master_key("aws-kms://alias/clips").aead("tenants/acme").decrypt(wrapped, b"") == b"secret"


def test_a_tenants_keyset_does_not_unwrap_as_another_tenants(arn: str, keys_url: str):
    keys_of(arn, keys_url).tenants.stream_cipher("acme")
    store = KeyStore(keys_url)
    store.create("tenants/globex", store.get("tenants/acme") or "")

    with pytest.raises(CorruptArtifact, match="tenants/globex"):
        keys_of(arn, keys_url).tenants.stream_cipher("globex")


def test_a_keyset_does_not_unwrap_with_another_key(kms: Any, arn: str, keys_url: str):
    keys_of(arn, keys_url).tenants.stream_cipher("acme")

    # AWS says IncorrectKeyException, which is a wrapped key that does not fit; moto says AccessDeniedException
    with pytest.raises((CorruptArtifact, InvalidSetting)):
        keys_of(new_key(kms), keys_url).tenants.stream_cipher("acme")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "DisabledException", InvalidSetting),
        (400, "KMSInvalidStateException", InvalidSetting),
        (400, "AccessDeniedException", InvalidSetting),
        (400, "IncorrectKeyException", CorruptArtifact),
        (400, "InvalidCiphertextException", CorruptArtifact),
        (400, "ThrottlingException", StorageUnavailable),
        (500, "KMSInternalException", StorageUnavailable),
    ],
)
def test_what_kms_answers_becomes_an_error_that_says_what_to_do(
    arn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str, expected: type[Exception]
):
    keys_url = tmp_path.as_uri()
    keys_of(arn, keys_url).tenants.stream_cipher("acme")

    with answering(status, code) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(expected) as caught:
            keys_of(arn, keys_url).tenants.stream_cipher("acme")

    assert type(caught.value) is expected


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """Every call gets one error, as the reference of KMS's API writes it; moto uses a disabled key all the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"__type": code, "message": "as told"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_key_that_is_not_there_is_a_setting_to_mend(arn: str):
    missing = arn.rsplit("/", 1)[0] + "/00000000-0000-0000-0000-000000000000"

    with pytest.raises(InvalidSetting, match="NotFoundException"):
        open_master_key(f"aws-kms://{missing}").aead("tenants/acme").encrypt(b"secret", b"")


def test_a_kms_that_does_not_answer_is_asked_again_later(arn: str, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")

    with pytest.raises(StorageUnavailable, match="KMS does not answer"):
        open_master_key(f"aws-kms://{arn}").aead("tenants/acme").encrypt(b"secret", b"")


def test_other_processes_open_what_was_sealed_with_keys_in_a_bucket(arn: str, keys_url: str):
    sealed = keys_of(arn, keys_url).tenants.stream_cipher("acme").seal_part(KEY, 0, 1, b"speech")

    assert _opened(keys_of(arn, keys_url).tenants, sealed) == b"speech"


def test_of_many_processes_that_make_a_tenants_key_in_a_bucket_all_get_the_same(arn: str, keys_url: str):
    processes = [keys_of(arn, keys_url).tenants for _ in range(8)]

    with ThreadPoolExecutor(len(processes)) as pool:
        parts = list(pool.map(lambda keys: keys.stream_cipher("acme").seal_part(KEY, 0, 1, b"speech"), processes))

    for keys in processes:
        assert {_opened(keys, part) for part in parts} == {b"speech"}


def test_a_record_in_a_bucket_is_created_once_and_deleted_twice(keys_url: str):
    store = KeyStore(keys_url)
    store.create("tenants/acme", "first")

    with pytest.raises(AlreadyExistsError):
        store.create("tenants/acme", "second")

    assert store.get("tenants/acme") == "first"
    store.delete("tenants/acme")
    store.delete("tenants/acme")
    assert store.get("tenants/acme") is None


def test_with_its_key_erased_from_the_bucket_a_tenants_bytes_do_not_open(arn: str, keys_url: str):
    keys = keys_of(arn, keys_url)
    sealed = keys.tenants.stream_cipher("acme").seal_part(KEY, 0, 1, b"speech")

    keys.tenants.erase("acme")

    for after in (keys, keys_of(arn, keys_url)):
        with pytest.raises(CorruptArtifact):
            _opened(after.tenants, sealed)


def _opened(keys: TenantKeys, sealed: bytes) -> bytes:
    return keys.stream_cipher("acme").open_part(KEY, 0, 1, sealed)
