"""The whole way of a video through the API, on each of the stores: only the daemon that ticks sensors is left out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from standardwebhooks import Webhook

from clip_platform.api.app import build_app
from clip_platform.api.opening import open_services
from clip_platform.api.services import Services
from clip_platform.client import Client
from clip_platform.client.watching import News
from clip_platform.database import roles
from clip_platform.database.connection import Database
from clip_platform.definitions import build_definitions
from clip_platform.encryption.opening import ensure_master
from clip_platform.media.inspect import inspect_clip
from clip_platform.partitions import videos as video_partitions
from clip_platform.sensors.edits import edited_clips
from clip_platform.sensors.retention import expired_videos
from clip_platform.sensors.uploads import finished_uploads
from clip_platform.settings import PREFIX, Settings, read_settings
from clip_platform.upload.parts import PART_SIZE_BYTES
from clip_platform.worker.app import open_worker
from tests.api.conftest import TokenMaker, tokens
from tests.client.conftest import on_peer
from tests.conftest import MigratedServer
from tests.peers.processes import free_ports
from tests.peers.serving import serving_app
from tests.unit.network.servers import Peer, says, serving
from tests.worker.conftest import wait_until, working

__all__ = ["tokens"]

STORES = ("folder", "s3", "azure")
PREFERENCES = {"clips": 1, "min_s": 3, "max_s": 8, "aspect": "1:1"}
LONGER_BY_S = 2.0


@dataclass
class Platform:
    """All of it on one store. `client` and `http` are a tenant's; `tick` and `run` are what Dagster does."""

    services: Services
    client: Client
    http: httpx.Client
    instance: dg.DagsterInstance
    server: MigratedServer
    told: list[News] = field(default_factory=list)

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def tick(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        """What the sensor asks for; its partitions are there afterwards."""
        definitions = build_definitions()
        needed = {name: (definitions.resources or {})[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(instance=self.instance, definitions=definitions, resources=needed) as context:
            answer = sensor(context)
        if not isinstance(answer, dg.SensorResult):
            return []
        for request in answer.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(video_partitions.name, list(request.partition_keys))
        return list(answer.run_requests or [])

    def run(self, job: str, request: dg.RunRequest, only: list[dg.AssetKey] | None = None) -> None:
        ended = (
            build_definitions()
            .resolve_job_def(job)
            .execute_in_process(
                instance=self.instance, partition_key=request.partition_key, tags=request.tags, asset_selection=only
            )
        )
        assert ended.success

    def watching(self, video_id: str) -> threading.Thread:
        """Until the video is done; what it was told is in `told`."""
        thread = threading.Thread(target=lambda: self.told.extend(self.client.watch(video_id)), daemon=True)
        thread.start()
        return thread

    def rows(self, table: str, column: str, video_id: str) -> int:
        with self.server.superuser() as connection:
            found = connection.execute(f"select count(*) from {table} where {column} = %s", [video_id]).fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture
def settings(
    request: pytest.FixtureRequest,
    migrated_server: MigratedServer,
    database: Database,  # noqa: ARG001  its tenants
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """The environment of every process of an installation on the store that the test is about."""
    home, server, [port] = tmp_path / "home", migrated_server.server, free_ports(1)
    home.mkdir()
    ensure_master(Settings(home=home))
    peer = {} if request.param == "folder" else on_peer(request.param, request, monkeypatch)
    given = {
        "home": home,
        "database_host": server.host,
        "database_port": server.port,
        "database_name": roles.APPLICATION_DATABASE,
        **{f"database_{role}_password": server.password(f"clip_platform_{role}") for role in _ROLES},
        "api_url": f"http://127.0.0.1:{port}",
        "api_port": port,
        "outbound_allow": "127.0.0.0/8",
        "speech_engine": "pocketsphinx",
        **peer,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", str(value))
    return read_settings()


_ROLES = ("pipeline", "sensors", "api", "worker")


@pytest.fixture
def platform(
    settings: Settings,
    migrated_server: MigratedServer,
    instance: dg.DagsterInstance,
    tokens: TokenMaker,
    tmp_path: Path,
) -> Iterator[Platform]:
    """API and worker run, for a tenant `acme`."""
    with migrated_server.superuser() as connection:
        connection.execute("delete from jobs.procrastinate_jobs; delete from jobs.procrastinate_workers")
    token, url = tokens("acme", "editor"), settings.public_api_url
    with (
        open_services(settings) as services,
        serving_app(build_app(services), settings.api_port),
        open_worker(settings) as worker,
        working(worker),
        Client(url, token, notes_folder=tmp_path / "notes") as client,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
    ):
        yield Platform(services, client, http, instance, migrated_server)


@pytest.fixture(scope="module")
def talk_in_parts(short_talk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short talk with so much free space in its file that it is sent in two parts."""
    free_bytes = PART_SIZE_BYTES
    path = tmp_path_factory.mktemp("long") / "talk.mp4"
    path.write_bytes(short_talk.read_bytes() + free_bytes.to_bytes(4) + b"free" + bytes(free_bytes - 8))
    return path


@pytest.mark.parametrize("settings", STORES, indirect=True)
def test_a_talk_is_uploaded_watched_downloaded_cut_longer_and_judged(
    platform: Platform, talk_in_parts: Path, tmp_path: Path
) -> None:
    with serving(says(204)) as receiver:
        secret = _endpoint(platform, receiver)
        video_id = platform.client.upload(talk_in_parts, PREFERENCES)
        watcher = platform.watching(video_id)
        (request,) = platform.tick(finished_uploads)
        platform.run("process_video", request)
        watcher.join(20)
        wait_until(lambda: "video.completed" in _types(receiver))

    assert [news.kind for news in platform.told][-1] == "end"
    assert {"state", "progress"} <= {news.kind for news in platform.told}
    assert _genuine(receiver, secret) == _types(receiver)

    (clip,) = platform.client.clips(video_id)
    longer = _made_longer(platform, clip, tmp_path)
    _expect_traces(platform, video_id, longer)


def _endpoint(platform: Platform, receiver: Peer) -> str:
    """Registers the receiver; the secret it was given."""
    answer = platform.http.post("/v1/webhook-endpoints", json={"url": receiver.url("/news")}, headers=_once("endpoint"))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


def _once(key: str) -> Mapping[str, str]:
    return {"Idempotency-Key": key}


def _types(receiver: Peer) -> list[str]:
    return [json.loads(body)["type"] for _, _, _, body in list(receiver.seen)]


def _genuine(receiver: Peer, secret: str) -> list[str]:
    """Types of the messages, in the words of the reference library, which raises for a signature that does not fit."""
    return [Webhook(secret).verify(body, headers)["type"] for _, _, headers, body in list(receiver.seen)]


def _made_longer(platform: Platform, clip: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The clip as it is after a tenant has looked at it and wanted more of it; its file is compared."""
    before = inspect_clip(_downloaded(platform, clip, folder / "before"))
    path = f"/v1/clips/{clip['clip_id']}"
    tag = platform.http.get(path).headers["etag"]
    changed = platform.http.patch(path, json=_longer(platform, clip), headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.json()["state"] == "rendering"
    assert platform.http.patch(path, json={"title": "Late"}, headers={"If-Match": tag}).status_code == 412

    (request,) = platform.tick(edited_clips)
    platform.run("rerender_clips", request)

    shown: Mapping[str, Any] = platform.get(path)
    after = inspect_clip(_downloaded(platform, shown, folder / "after"))
    assert shown["state"] == "ready"
    assert float(after.duration_s - before.duration_s) == pytest.approx(LONGER_BY_S, abs=0.1)
    return shown


def _longer(platform: Platform, clip: Mapping[str, Any]) -> Mapping[str, float]:
    """On the side where the video has room."""
    if clip["start_s"] >= LONGER_BY_S:
        return {"start_s": clip["start_s"] - LONGER_BY_S}
    assert clip["end_s"] + LONGER_BY_S <= platform.get(f"/v1/videos/{clip['video_id']}")["duration_s"]
    return {"end_s": clip["end_s"] + LONGER_BY_S}


def _downloaded(platform: Platform, clip: Mapping[str, Any], folder: Path) -> Path:
    files = platform.client.download(clip["clip_id"], folder)
    (video,) = [file for file in files if file.suffix == ".mp4"]
    assert video.read_bytes()[4:8] == b"ftyp"
    return video


def _expect_traces(platform: Platform, video_id: str, clip: Mapping[str, Any]) -> None:
    path = f"/v1/clips/{clip['clip_id']}"
    judged = platform.http.post(f"{path}/feedback", json={"decision": "accepted"}, headers=_once("feedback"))
    lineage = platform.get(f"{path}/lineage")
    words = [word["text"] for word in platform.get(f"/v1/videos/{video_id}/transcript")["words"]]

    assert judged.status_code == 201, judged.text
    assert lineage["source"]["size_bytes"] == platform.get(f"/v1/videos/{video_id}")["size_bytes"]
    assert {"rendered_clips", "transcript"} <= {made["asset"] for made in lineage["assets"]}
    assert len(lineage["attempts"]) == 2
    assert words


@pytest.mark.parametrize("settings", STORES, indirect=True)
def test_a_deleted_video_leaves_no_object_row_or_partition(platform: Platform, talk_in_parts: Path) -> None:
    video_id = platform.client.upload(talk_in_parts, PREFERENCES)
    (request,) = platform.tick(finished_uploads)
    platform.run("process_video", request, only=[dg.AssetKey("uploaded_video"), dg.AssetKey("media_info")])
    there = _left(platform, video_id)
    assert platform.http.delete(f"/v1/videos/{video_id}").status_code == 202
    out_of_sight = platform.http.get(f"/v1/videos/{video_id}").status_code

    platform.tick(expired_videos)

    assert all(there), there
    assert out_of_sight == 404
    assert _left(platform, video_id) == (0, 0, 0, 0, 0)


def _left(platform: Platform, video_id: str) -> tuple[int, ...]:
    """Objects, partitions, and rows of three tables."""
    return (
        len(platform.services.object_store.list_keys(f"acme/videos/{video_id}")),
        int(platform.instance.has_dynamic_partition(str(video_partitions.name), video_id)),
        platform.rows("videos", "id", video_id),
        platform.rows("asset_results", "video_id", video_id),
        platform.rows("video_log", "video_id", video_id),
    )
