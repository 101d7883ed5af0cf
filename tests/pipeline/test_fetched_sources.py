"""A video that its tenant named by an address: fetched by the first asset, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable

import dagster as dg
import pytest
from sqlalchemy import text

from clip_platform.assets.media import media
from clip_platform.database import tenants, usage, videos
from clip_platform.database.videos import VideoRow
from clip_platform.encryption.opening import keys_at
from clip_platform.identifiers import new_ulid
from clip_platform.partitions import videos as video_partitions
from clip_platform.resources.artifacts import ArtifactIOManager
from clip_platform.resources.engines import (
    ClipWriterResource,
    FaceDetectorResource,
    SentenceEmbedderResource,
    SpeechRecognizerResource,
)
from clip_platform.resources.fetching import SOURCE_URL_COLUMN
from clip_platform.resources.scorer import ScorerResource
from clip_platform.resources.videos import VideosResource
from clip_platform.upload.states import VideoState
from tests.conftest import MigratedServer
from tests.pipeline.conftest import no_models
from tests.unit.network.servers import says, serving

Fetch = Callable[..., VideoRow]


@pytest.fixture
def fetch(videos_resource: VideosResource, empty_database: MigratedServer, instance: dg.DagsterInstance) -> Fetch:
    """`fetch(url)` registers a video by its address and materialises its first asset; the row afterwards."""

    def fetch(url: str, **settings: object) -> VideoRow:
        resource = VideosResource(
            database=videos_resource.database,
            object_store=videos_resource.object_store,
            scratch=videos_resource.scratch,
            **{"outbound_allow": "127.0.0.0/8", **settings},
        )
        database, store, video_id = resource.database.get(), resource.object_store, new_ulid()
        tenants.ensure(database, "acme", "Acme")
        columns = keys_at(store.master_key, store.keys_url, make=True).columns
        sealed = columns.seal("acme", SOURCE_URL_COLUMN, video_id, url)
        with empty_database.superuser() as connection:
            connection.execute(
                "insert into videos (id, tenant_id, name, source_url, preferences, state) "
                "values (%s, 'acme', 'talk.mp4', %s, %s, 'submitted')",
                [video_id, sealed, json.dumps({})],
            )
        instance.add_dynamic_partitions(video_partitions.name, [video_id])
        resources = {
            "videos": resource,
            "io_manager": ArtifactIOManager(videos=resource),
            "speech_recognizer": SpeechRecognizerResource(engine="pocketsphinx"),
            "face_detector": FaceDetectorResource(),
            "sentence_embedder": SentenceEmbedderResource(),
            "scorer": ScorerResource(models=no_models()),
            "clip_writer": ClipWriterResource(),
        }
        first = [dg.AssetKey("uploaded_video")]
        dg.materialize(
            [media],
            instance=instance,
            partition_key=video_id,
            selection=first,
            resources=resources,
            raise_on_error=False,
        )
        return videos.get(database, "acme", video_id)

    return fetch


def stored_bytes(videos_resource: VideosResource) -> int:
    with videos_resource.database.get().tenant_transaction("acme") as connection:
        return usage.totals(connection).stored_bytes


def test_its_bytes_become_the_source_and_are_charged_once(fetch: Fetch, videos_resource: VideosResource) -> None:
    film = b"\0\0\0 ftypisom" + bytes(range(256)) * 4000
    with serving(says(200, film, content_type="video/mp4")) as peer:
        row = fetch(peer.url("/talk.mp4?signature=secret"))

    assert row.source.size_bytes == len(film)
    assert videos_resource.store().get_bytes(row.source) == film
    assert row.source.key.startswith(f"acme/videos/{row.video_id}/source/")
    assert stored_bytes(videos_resource) == len(film)
    with videos_resource.database.get().tenant_transaction("acme") as connection:
        said = " ".join(connection.execute(text("select message from video_log order by id")).scalars())
    assert "uploaded_video: ready" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("answer", "settings", "error_class"),
    [
        (says(404), {}, "SourceUnavailable"),
        (says(200, b"x" * 2000), {"max_upload_bytes": 1000}, "LimitExceeded"),
        (says(200, b"x" * 20), {"outbound_allow": ""}, "UnsafeAddress"),
    ],
)
def test_what_cannot_be_fetched_is_refused_by_name_and_nothing_is_charged(
    fetch: Fetch, videos_resource: VideosResource, answer: object, settings: dict[str, object], error_class: str
) -> None:
    with serving(answer) as peer:  # type: ignore[arg-type]
        row = fetch(peer.url("/talk.mp4"), **settings)

    assert (row.state, row.error_class, row.stored_source) == (VideoState.DEAD_LETTERED, error_class, None)
    assert stored_bytes(videos_resource) == 0
