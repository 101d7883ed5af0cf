"""The audit trail in a bucket with object lock, on Ceph's S3: written once, checked from its file, not erasable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from clip_platform.cli.auditing import verify_file
from clip_platform.database import audit
from clip_platform.database.connection import Database
from clip_platform.errors import CorruptArtifact, InvalidSetting, StorageUnavailable
from clip_platform.worker import audit_export
from clip_platform.worker.audit_export import LockedBucket
from tests.conftest import MigratedServer
from tests.peers.ceph import Rgw
from tests.peers.processes import free_ports


def append(database: Database, count: int, tenant_id: str = "acme") -> None:
    for number in range(count):
        with database.tenant_transaction(tenant_id) as connection:
            audit.append(
                connection,
                tenant_id,
                "token:tok_1",
                f"deed {number}",
                "video:1",
                {"ü": '"\u202e', "n": [1.50, 2**60]},
                "req_1",
            )


@pytest.fixture
def s3(rgw: Rgw, monkeypatch: pytest.MonkeyPatch) -> Rgw:
    for name, value in rgw.environment.items():
        monkeypatch.setenv(name, value)
    return rgw


def objects(s3: Rgw, bucket: str) -> dict[str, bytes]:
    client = s3.client()
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_events_are_exported_once_and_the_file_alone_can_be_checked(
    s3: Rgw, database: Database, worker_door: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    name = s3.bucket(locked=True)
    bucket = LockedBucket(f"s3://{name}/trail", 30)
    append(database, 3)
    append(database, 1, "globex")

    exported = [audit_export.export(worker_door, bucket, "acme") for _ in range(2)]
    append(database, 2)
    exported.append(audit_export.export(worker_door, bucket, "acme"))

    assert exported == [3, 0, 2]
    found = objects(s3, name)
    assert list(found) == [
        f"trail/acme/{part}.jsonl" for part in ("000000000001-000000000003", "000000000004-000000000005")
    ]
    for number, content in enumerate(found.values()):
        (tmp_path / f"{number}.jsonl").write_bytes(content)
        verify_file(tmp_path / f"{number}.jsonl")
    assert "unbroken up to event 5" in capsys.readouterr().out


def test_a_changed_line_of_an_exported_file_is_named(
    s3: Rgw, database: Database, worker_door: Database, tmp_path: Path
):
    name = s3.bucket(locked=True)
    append(database, 3)
    audit_export.export(worker_door, LockedBucket(f"s3://{name}", 30), "acme")
    (content,) = objects(s3, name).values()
    path = tmp_path / "segment.jsonl"

    for changed, where in (
        (content.replace(b"deed 1", b"deed 9"), "event 2"),
        (b"".join(content.splitlines(keepends=True)[::2]), "event 2"),
    ):
        path.write_bytes(changed)
        with pytest.raises(CorruptArtifact, match=where):
            verify_file(path)
    path.write_bytes(content)
    assert verify_file(path) == 0


def test_what_people_read_in_an_exported_line_is_what_was_hashed(
    s3: Rgw, database: Database, worker_door: Database, tmp_path: Path
):
    name = s3.bucket(locked=True)
    append(database, 1)
    audit_export.export(worker_door, LockedBucket(f"s3://{name}", 30), "acme")
    (content,) = objects(s3, name).values()
    path = tmp_path / "segment.jsonl"

    for shown, changed in (
        (b'"action": "deed 0"', b'"action": "nothing"'),
        (b'"actor": "token:tok_1"', b'"actor": "token:tok_9"'),
        (b'"at": "20', b'"at": "19'),
        (b'"request_id": "req_1"', b'"request_id": null'),
    ):
        assert content.count(shown) == 1
        path.write_bytes(content.replace(shown, changed))
        with pytest.raises(CorruptArtifact, match="event 1"):
            verify_file(path)


def test_an_exported_segment_cannot_be_erased_before_its_time(s3: Rgw, database: Database, worker_door: Database):
    name = s3.bucket(locked=True)
    append(database, 1)
    audit_export.export(worker_door, LockedBucket(f"s3://{name}", 30), "acme")
    client = s3.client()
    (version,) = client.list_object_versions(Bucket=name)["Versions"]
    which = {"Bucket": name, "Key": version["Key"], "VersionId": version["VersionId"]}

    kept = client.get_object_retention(**which)["Retention"]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(**which, BypassGovernanceRetention=True)

    assert kept["Mode"] == "COMPLIANCE"
    assert timedelta(days=29) < kept["RetainUntilDate"] - datetime.now(UTC) < timedelta(days=31)
    assert len(client.get_object(**which)["Body"].read()) > 100


def test_a_bucket_that_locks_nothing_is_refused_and_nothing_counts_as_exported(
    s3: Rgw, database: Database, worker_door: Database
):
    append(database, 2)
    unlocked, locked = s3.bucket(), s3.bucket(locked=True)

    with pytest.raises(InvalidSetting, match="object lock"):
        audit_export.export(worker_door, LockedBucket(f"s3://{unlocked}/trail", 30), "acme")

    assert objects(s3, unlocked) == {}
    assert audit_export.export(worker_door, LockedBucket(f"s3://{locked}/trail", 30), "acme") == 2


@pytest.mark.parametrize("url", ["file:///tmp/x", "az://container", "s3://", "bucket"])
def test_an_address_that_can_lock_nothing_is_refused(url: str):
    with pytest.raises(InvalidSetting, match="s3://bucket/prefix"):
        LockedBucket(url, 30)


def test_a_store_that_is_away_is_tried_again_later(
    s3: Rgw, database: Database, worker_door: Database, monkeypatch: pytest.MonkeyPatch
):
    append(database, 1)
    name = s3.bucket(locked=True)
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
        with pytest.raises(StorageUnavailable):
            audit_export.export(worker_door, LockedBucket(f"s3://{name}", 30), "acme")

    assert audit_export.export(worker_door, LockedBucket(f"s3://{name}", 30), "acme") == 1


def test_a_broken_trail_is_not_exported(
    s3: Rgw, database: Database, worker_door: Database, empty_database: MigratedServer
):
    append(database, 3)
    with empty_database.superuser() as connection:
        connection.execute("update audit_events set action = 'nothing' where sequence = 2")
    name = s3.bucket(locked=True)

    with pytest.raises(CorruptArtifact, match="event 2"):
        audit_export.export(worker_door, LockedBucket(f"s3://{name}", 30), "acme")

    assert objects(s3, name) == {}
