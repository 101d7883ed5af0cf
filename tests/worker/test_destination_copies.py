"""Finished clips in the tenants' own buckets: Ceph's S3 and Azurite, from the event to the object."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from clip_platform.database import destinations, outbox
from clip_platform.database.connection import Database
from clip_platform.database.destinations import DestinationRow
from clip_platform.identifiers import StoredObject, new_ulid
from clip_platform.worker.destinations import ATTEMPTS, Copier
from clip_platform.worker.relay import Relay
from clip_platform.worker.tasks import WorkerServices
from tests.conftest import MigratedServer
from tests.peers.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.peers.ceph import Rgw
from tests.worker.conftest import Clock, wait_until, working

VIDEO = bytes(range(256)) * 40_000  # more than one part
AWAY = "http://127.0.0.1:9"


@dataclass
class Copying:
    """Clips and destinations of `acme`, and a copier whose clock the test moves."""

    services: WorkerServices
    api_door: Database
    server: MigratedServer
    clock: Clock
    rgw: Rgw

    @property
    def copier(self) -> Copier:
        known, listed = self.services, frozenset({self.rgw.endpoint, AWAY})
        return Copier(known.database, known.object_store, known.copier.columns, listed, self.clock)

    def bucket(self, endpoint: str | None = None) -> tuple[str, str]:
        """A destination's id and its bucket's name."""
        name = self.rgw.bucket()
        keys = {"access_key_id": self.rgw.access_key, "secret_access_key": self.rgw.secret_key}
        place = {"bucket": name, "prefix": "own", "region": "us-east-1", "endpoint": endpoint or self.rgw.endpoint}
        return self.add("s3", place, keys).destination_id, name

    def add(self, kind: str, location: dict[str, Any], credentials: dict[str, str]) -> DestinationRow:
        with self.api_door.tenant_transaction("acme") as connection:
            columns, names = self.services.copier.columns, {"name": "x", "kind": kind}
            return destinations.add(connection, "acme", columns, **names, location=location, credentials=credentials)

    def clip(self, content: bytes = VIDEO) -> tuple[str, str]:
        """A rendered clip, and its event; the name that its objects have in a bucket."""
        video_id, clip_id = new_ulid(), "c1"
        folder = f"acme/videos/{video_id}/clips"
        files = {
            "video": self.services.object_store.put_bytes(f"{folder}/a.mp4", content),
            "srt": self.services.object_store.put_bytes(f"{folder}/a.srt", b"1\n"),
        }
        with self.server.superuser() as connection:
            connection.execute(_VIDEO, {"video_id": video_id})
            connection.execute(_CLIP, {"video_id": video_id, "clip_id": clip_id, "files": _plain(files)})
        self.rendered(video_id, clip_id)
        return video_id, f"own/{video_id}/{clip_id}"

    def rendered(self, video_id: str, clip_id: str = "c1") -> None:
        payload = json.dumps({"clip_id": f"{video_id}.{clip_id}", "edit_revision": 0})
        with self.server.superuser() as connection:
            connection.execute(_EVENT, {"id": f"evt_{new_ulid()}", "video_id": video_id, "payload": payload})
        with self.services.database.tenant_transaction("acme") as connection:
            outbox.dispatch(connection, self.clock(), 1000)
        # the plan's own time is the database's, which may have come some way since the clock was set
        self.clock.now = max(self.clock.now, datetime.now(UTC)) + timedelta(seconds=1)

    def states(self) -> list[tuple[str, int]]:
        with self.server.superuser() as connection:
            return connection.execute("select state, attempts from destination_copies order by video_id").fetchall()

    def shown(self, destination_id: str) -> DestinationRow:
        with self.api_door.tenant_transaction("acme") as connection:
            return destinations.get(connection, destination_id)


_VIDEO = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
    values (%(video_id)s, 'acme', 'talk.mp4', 'acme/x', '', 1, '{}', 'completed')"""
_CLIP = """
insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model)
    values (%(video_id)s, 'acme', %(clip_id)s, 1, 1, 20, 50, 'A title', '[]', %(files)s, '[]', 'heuristic')"""
_EVENT = """
insert into events (event_id, tenant_id, video_id, type, payload)
    values (%(id)s, 'acme', %(video_id)s, 'clip.rendered', %(payload)s)"""


def _plain(files: dict[str, StoredObject]) -> str:
    return json.dumps({kind: asdict(stored) for kind, stored in files.items()})


@pytest.fixture
def copying(services: WorkerServices, api_door: Database, migrated_server: MigratedServer, rgw: Rgw) -> Copying:
    return Copying(services, api_door, migrated_server, Clock(), rgw)


@pytest.fixture
def read(rgw: Rgw) -> Callable[[str, str], bytes]:
    return lambda bucket, key: rgw.client().get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_rendered_clip_is_copied_with_all_its_files(copying: Copying, read: Callable[[str, str], bytes]):
    destination_id, bucket = copying.bucket()
    _, folder = copying.clip()

    assert copying.copier.copy_due("acme") == 1

    assert read(bucket, f"{folder}/clip.mp4") == VIDEO
    assert read(bucket, f"{folder}/clip.srt") == b"1\n"
    assert copying.states() == [("written", 1)]
    assert copying.shown(destination_id).last_written_at is not None
    assert copying.copier.copy_due("acme") == 0


def test_a_clip_goes_to_an_azure_container(copying: Copying, azurite: Azurite):
    name = azurite.container()
    place = {"account": ACCOUNT, "bucket": name, "prefix": "own", "endpoint": azurite.endpoint}
    copying.add("azure", place, {"account_key": ACCOUNT_KEY})
    _, folder = copying.clip()
    listed = frozenset({azurite.endpoint})
    known = copying.copier

    assert Copier(known.database, known.object_store, known.columns, listed, copying.clock).copy_due("acme") == 1

    container = ContainerClient(azurite.endpoint, name, credential=ACCOUNT_KEY)
    assert container.download_blob(f"{folder}/clip.mp4").readall() == VIDEO
    assert container.get_blob_client(f"{folder}/clip.mp4").get_blob_properties().content_settings.content_type == (
        "video/mp4"
    )


def test_a_clip_rendered_again_takes_the_place_of_the_first(copying: Copying, read: Callable[[str, str], bytes]):
    _, bucket = copying.bucket()
    video_id, folder = copying.clip(b"first")
    copying.copier.copy_due("acme")
    with copying.server.superuser() as connection:
        stored = copying.services.object_store.put_bytes(f"acme/videos/{video_id}/clips/b.mp4", b"second")
        connection.execute("update clips set files = %s", [_plain({"video": stored})])

    copying.rendered(video_id)
    copying.copier.copy_due("acme")

    assert read(bucket, f"{folder}/clip.mp4") == b"second"


def test_a_destination_that_fails_is_tried_later_and_harms_nobody_else(
    copying: Copying, read: Callable[[str, str], bytes]
):
    away, _ = copying.bucket(AWAY)
    _, bucket = copying.bucket()
    _, folder = copying.clip()

    assert copying.copier.copy_due("acme") == 1
    assert read(bucket, f"{folder}/clip.mp4") == VIDEO
    assert "cannot be reached" in str(copying.shown(away).last_error)
    assert copying.copier.copy_due("acme") == 0  # not due yet
    copying.clock.move(timedelta(seconds=31))
    copying.copier.copy_due("acme")

    assert sorted(copying.states()) == [("pending", 2), ("written", 1)]
    with copying.server.superuser() as connection:
        assert connection.execute("select distinct state from videos").fetchall() == [("completed",)]


def test_one_clip_a_round_tries_out_a_destination_that_fails(copying: Copying):
    copying.bucket(AWAY)
    for _ in range(3):
        copying.clip()

    copying.copier.copy_due("acme")

    assert sorted(copying.states()) == [("pending", 0), ("pending", 0), ("pending", 1)]
    assert copying.copier.copy_due("acme") == 0


def test_a_copy_that_never_works_is_given_up(copying: Copying):
    copying.bucket(AWAY)
    copying.clip()
    with copying.server.superuser() as connection:
        connection.execute("update destination_copies set attempts = %s", [ATTEMPTS - 1])

    copying.copier.copy_due("acme")

    assert copying.states() == [("failed", ATTEMPTS)]


def test_a_damaged_file_is_not_passed_off_as_a_clip(copying: Copying, rgw: Rgw):
    destination_id, bucket = copying.bucket()
    copying.clip()
    with copying.server.superuser() as connection:
        connection.execute("update clips set files = jsonb_set(files, '{video,sha256}', to_jsonb(repeat('0', 64)))")

    assert copying.copier.copy_due("acme") == 0

    names = [each["Key"] for each in rgw.client().list_objects_v2(Bucket=bucket).get("Contents", ())]
    assert not any(name.endswith(".mp4") for name in names)
    assert copying.states() == [("pending", 1)]
    assert copying.shown(destination_id).last_error is None


def test_a_paused_destination_gets_nothing(copying: Copying):
    destination_id, _ = copying.bucket()
    with copying.server.superuser() as connection:
        connection.execute("update destinations set enabled = false where destination_id = %s", [destination_id])

    copying.clip()

    assert copying.states() == []


def test_a_worker_copies_by_itself(copying: Copying, read: Callable[[str, str], bytes]):
    _, bucket = copying.bucket()
    _, folder = copying.clip()
    object.__setattr__(copying.services.copier, "listed", frozenset({copying.rgw.endpoint}))

    with working(copying.services):
        wait_until(lambda: copying.states() == [("written", 1)])

    assert read(bucket, f"{folder}/clip.mp4") == VIDEO


def test_waiting_copies_become_one_job_a_tenant(copying: Copying):
    copying.bucket()
    copying.clip(), copying.clip()
    relay = Relay(copying.services.database, exports_audit=False)

    relay.turn(), relay.turn()

    with copying.server.superuser() as connection:
        jobs = connection.execute("select queue_name, args from jobs.procrastinate_jobs").fetchall()
    assert jobs == [("copies", {"tenant_id": "acme"})]
