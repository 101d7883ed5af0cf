"""The stage factory on a small stage of its own: real Postgres, real store, real Dagster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from clip_platform.assets.stage import RECOMPUTE_TAG, Check, Product, Work, build_stage
from clip_platform.database import progress, tenants, videos
from clip_platform.database.videos import VideoRow
from clip_platform.errors import NoSpeech
from clip_platform.identifiers import StoredObject, new_ulid
from clip_platform.partitions import videos as video_partitions
from clip_platform.resources.artifacts import ArtifactIOManager
from clip_platform.resources.engines import (
    ClipWriterResource,
    FaceDetectorResource,
    SentenceEmbedderResource,
    SpeechRecognizerResource,
)
from clip_platform.resources.scorer import ScorerResource
from clip_platform.resources.stage_run import StageRun
from clip_platform.resources.videos import VideosResource
from clip_platform.upload.states import VideoState
from tests.pipeline.conftest import no_models


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Kept:
    files: tuple[StoredObject, ...]


class SmallStage:
    """`first` reads a preference, `second` doubles it; both count how often they are made."""

    def __init__(self, videos_resource: VideosResource, instance: dg.DagsterInstance) -> None:
        self.made: list[str] = []
        self.fails: Exception | None = None
        self.problems: list[str] = []
        self.videos_resource = videos_resource
        self.instance = instance
        self.step = build_stage("small", [self._first(), self._second()], pool="cpu", shape={}, ends_video=True)

    def _first(self) -> Work:
        def first(run: StageRun) -> Number:
            self.made.append("first")
            return Number(run.preferences.clips)

        return Work((self._product("first"),), (), first, lambda run: {"clips": run.preferences.clips})

    def _second(self) -> Work:
        def second(_run: StageRun, one: Number) -> Number:
            self.made.append("second")
            if self.fails:
                raise self.fails
            return Number(one.value * 2)

        return Work((self._product("second"),), ("first",), second)

    def _product(self, name: str) -> Product:
        check = Check("sane", "Sane.", lambda _value, _run: self.problems if name == "second" else [])
        return Product(name, Number, f"{name} number", "1", frozenset({"python"}), lambda _v, _r: {}, (check,))

    def run(self, video: VideoRow, selection: Sequence[str] = ("first", "second"), **tags: str) -> bool:
        self.instance.add_dynamic_partitions(video_partitions.name, [video.video_id])
        result = dg.materialize(
            [self.step],
            instance=self.instance,
            partition_key=video.video_id,
            selection=[dg.AssetKey(name) for name in selection],
            tags=tags,
            raise_on_error=False,
            resources={
                "videos": self.videos_resource,
                "io_manager": ArtifactIOManager(videos=self.videos_resource),
                "speech_recognizer": SpeechRecognizerResource(engine="pocketsphinx"),
                "face_detector": FaceDetectorResource(),
                "sentence_embedder": SentenceEmbedderResource(),
                "scorer": ScorerResource(models=no_models()),
                "clip_writer": ClipWriterResource(),
            },
        )
        return result.success

    def row(self, video: VideoRow) -> VideoRow:
        return videos.get(self.videos_resource.database.get(), video.tenant_id, video.video_id)


@pytest.fixture
def stage(videos_resource: VideosResource, instance: dg.DagsterInstance) -> SmallStage:
    return SmallStage(videos_resource, instance)


@pytest.fixture
def video(videos_resource: VideosResource) -> VideoRow:
    database = videos_resource.database.get()
    tenants.ensure(database, "acme", "Acme")
    video_id = new_ulid()
    source = StoredObject(f"acme/videos/{video_id}/source/x", "ab" * 32, 10)
    return videos.register(
        database, "acme", video_id=video_id, name="talk.mp4", source=source, preferences={"clips": 3}
    )


def test_a_second_run_makes_nothing_again(stage: SmallStage, video: VideoRow) -> None:
    assert stage.run(video)

    assert stage.run(video)

    assert stage.made == ["first", "second"]
    assert stage.row(video).state is VideoState.COMPLETED


def test_the_recompute_tag_makes_everything_again(stage: SmallStage, video: VideoRow) -> None:
    assert stage.run(video)

    assert stage.run(video, **{RECOMPUTE_TAG: "true"})

    assert stage.made == ["first", "second", "first", "second"]


def test_a_setting_that_one_asset_reads_makes_it_and_what_follows_again(stage: SmallStage, video: VideoRow) -> None:
    assert stage.run(video)
    videos.set_preferences(stage.videos_resource.database.get(), "acme", video.video_id, {"clips": 7})

    assert stage.run(video)

    assert stage.made == ["first", "second", "first", "second"]
    assert stage.videos_resource.loaded(video.video_id, "second", Number) == Number(14)


def test_one_asset_alone_takes_its_sibling_from_the_store(stage: SmallStage, video: VideoRow) -> None:
    assert stage.run(video)
    stage.made.clear()

    assert stage.run(video, ["second"], **{RECOMPUTE_TAG: "true"})

    assert stage.made == ["second"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{}")])
def test_a_damaged_checkpoint_is_made_again(
    stage: SmallStage, video: VideoRow, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    assert stage.run(video)
    (stored,) = (tmp_path / "objects").rglob("*-first.json")
    damage(stored)

    assert stage.run(video)

    assert stage.made == ["first", "second", "first"]
    assert stage.videos_resource.loaded(video.video_id, "first", Number) == Number(3)


def test_a_checkpoint_that_names_a_lost_file_is_made_again(stage: SmallStage, video: VideoRow, tmp_path: Path) -> None:
    def keep(run: StageRun) -> Kept:
        stage.made.append("kept")
        return Kept((run.workspace.keep_bytes(b"pixels", "clips", "clip.mp4"),))

    product = Product("kept", Kept, "a file", "1", frozenset({"python"}), lambda _v, _r: {})
    stage.step = build_stage("small", [Work((product,), (), keep)], pool="cpu", shape={}, ends_video=True)
    assert stage.run(video, ["kept"])
    (stored,) = (tmp_path / "objects").rglob("*-clip.mp4")
    stored.write_bytes(b"other!")

    assert stage.run(video, ["kept"])

    assert stage.made == ["kept", "kept"]
    kept = stage.videos_resource.loaded(video.video_id, "kept", Kept)
    assert stage.videos_resource.store().get_bytes(kept.files[0]) == b"pixels"


def test_a_permanent_error_is_recorded_and_not_retried(stage: SmallStage, video: VideoRow) -> None:
    stage.fails = NoSpeech("nobody speaks", detail="evidence")

    assert not stage.run(video)

    row = stage.row(video)
    assert (row.state, row.error_class, row.error_message) == (VideoState.DEAD_LETTERED, "NoSpeech", "nobody speaks")
    assert row.error_detail == "evidence"


def test_a_failed_run_resumes_from_the_last_finished_asset(stage: SmallStage, video: VideoRow) -> None:
    stage.fails = NoSpeech("nobody speaks")
    assert not stage.run(video)
    stage.fails = None

    assert stage.run(video)

    assert stage.made == ["first", "second", "second"]
    said = progress.read(stage.videos_resource.database.get(), "acme", video.video_id)
    assert {report.asset: report.message for report in said} == {"first": "resumed", "second": ""}


def test_a_blocking_check_fails_the_run_with_its_problem(stage: SmallStage, video: VideoRow) -> None:
    stage.problems = ["it is odd"]

    assert not stage.run(video)

    assert stage.row(video).error_class == "CheckFailed"
    assert "it is odd" in (stage.row(video).error_message or "")


def test_a_superseded_attempt_commits_nothing(stage: SmallStage, video: VideoRow) -> None:
    database = stage.videos_resource.database.get()

    def newer_attempt(_run: StageRun) -> Number:
        videos.begin_attempt(database, "acme", video.video_id, "a-newer-run")
        return Number(1)

    stage.step = build_stage("small", [Work((stage._product("first"),), (), newer_attempt)], pool="cpu", shape={})

    assert not stage.run(video, ["first"])

    row = stage.row(video)
    assert (row.state, row.run_id) == (VideoState.PROCESSING, "a-newer-run")
    with pytest.raises(Exception, match="never made"):
        stage.videos_resource.loaded(video.video_id, "first", Number)


def test_every_line_logged_in_a_step_says_what_it_is_about(stage: SmallStage, video: VideoRow, tmp_path: Path) -> None:
    from clip_platform.telemetry import configure_logging

    log = tmp_path / "log.jsonl"
    configure_logging(log)

    assert stage.run(video)

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    ready = [line for line in lines if line["message"] == "asset ready"]
    assert [line["asset"] for line in ready] == ["first", "second"]
    expected = {"video": video.video_id, "tenant": "acme", "stage": "small", "attempt": 1}
    assert all(expected.items() <= line.items() for line in ready)
