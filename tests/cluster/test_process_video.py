"""A whole run in pods, whatever happens to them: the clips are those of one machine, once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest

from clip_platform.database.videos import VideoRow
from clip_platform.evaluation.sample_talk import make_sample_talk
from clip_platform.evaluation.script import LINES
from clip_platform.upload.states import VideoState
from tests.cluster.deployed import (
    GPU,
    GPU_IMAGE,
    PIPELINE_IMAGE,
    STEP_ACCOUNT,
    WORKER,
    Platform,
    deployed,
    embedded_files,
)
from tests.peers.kubernetes.cluster import Cluster, Pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
PATIENCE_S = 1500.0


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera and a slide, about 14 s, 640x360."""
    return make_sample_talk(tmp_path_factory.mktemp("talk"), size=(640, 360), lines=(LINES[0], LINES[2])).video


@pytest.fixture(scope="module")
def of_one_machine(talk: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Name and SHA-256 of every file that the command makes."""
    folder = embedded_files(talk, tmp_path_factory.mktemp("embedded"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with deployed(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def finished(platform: Platform, talk: Path) -> VideoRow:
    """A video that nothing happened to; its run is over."""
    video = platform.submit("acme", talk)
    ended = platform.ended(video, PATIENCE_S)
    platform.waits(lambda: platform.runs(video)[0].is_success, "the run's end", 120.0)
    return ended


def test_a_video_becomes_the_same_clips_as_on_one_machine(
    platform: Platform, finished: VideoRow, of_one_machine: Mapping[str, str]
) -> None:
    assert (finished.state, finished.attempt) == (VideoState.COMPLETED, 1)
    assert platform.files(finished) == of_one_machine
    assert len(platform.published(finished)) == 1


def test_its_run_and_each_of_its_steps_has_had_one_pod(platform: Platform, finished: VideoRow) -> None:
    (run,) = platform.runs(finished)

    assert sorted(platform.pod_specs(run)) == ["clips", "delivery", "media", "rendering", "run", "speech", "vision"]


def test_steps_for_a_gpu_have_its_image_and_its_nodes_and_no_other_has(platform: Platform, finished: VideoRow) -> None:
    specs = platform.pod_specs(platform.runs(finished)[0])

    images = {name for name, spec in specs.items() if spec["containers"][0]["image"] == GPU_IMAGE}
    nodes = {name for name, spec in specs.items() if spec["nodeSelector"] == {"clip-platform/pool": "gpu"}}
    assert images == nodes == {"speech", "vision"}
    assert {spec["containers"][0]["image"] for spec in specs.values()} == {GPU_IMAGE, PIPELINE_IMAGE}


def test_only_the_run_worker_may_ask_the_api_and_asks_for_nothing_it_may_not(
    platform: Platform, finished: VideoRow
) -> None:
    specs = platform.pod_specs(platform.runs(finished)[0])

    assert {name for name, spec in specs.items() if spec["automountServiceAccountToken"]} == {"run"}
    assert {name for name, spec in specs.items() if spec["serviceAccountName"] == STEP_ACCOUNT} == {*specs} - {"run"}
    assert platform.api.refused == []


def test_what_steps_said_is_in_the_store_for_logs(platform: Platform, finished: VideoRow) -> None:
    (run,) = platform.runs(finished)

    assert len(platform.log_keys(run)) >= len(platform.pod_specs(run)) - 1


@pytest.mark.parametrize(("step", "fault"), [("speech", Cluster.kill), ("rendering", Cluster.evict)])
def test_a_step_that_loses_its_pod_is_made_again_and_nothing_else(
    platform: Platform,
    talk: Path,
    of_one_machine: Mapping[str, str],
    step: str,
    fault: Callable[[Cluster, Pod], None],
) -> None:
    video = platform.submit(f"{step}-lost", talk)

    fault(platform.cluster, platform.step_pod(step, PATIENCE_S))
    ended = platform.ended(video, PATIENCE_S)

    assert ended.state is VideoState.COMPLETED
    assert ended.attempt == 2
    assert platform.files(video) == of_one_machine
    assert len(platform.published(video)) == 1
    assert platform.runs(video)[0].status is dg.DagsterRunStatus.FAILURE
    assert "media" in platform.resumed(video)


def test_a_lost_run_worker_is_noticed_and_its_video_finished_by_another(
    platform: Platform, talk: Path, of_one_machine: Mapping[str, str]
) -> None:
    video = platform.submit("worker-lost", talk)
    platform.step_pod("media", PATIENCE_S)
    (run,) = platform.runs(video)

    platform.cluster.lose_job(platform.run_worker(run).labels["job-name"])
    ended = platform.ended(video, PATIENCE_S)

    assert ended.state is VideoState.COMPLETED
    assert platform.files(video) == of_one_machine
    assert len(platform.published(video)) == 1
    assert any("could not be found" in said for said in platform.events(run))


def test_a_step_for_a_gpu_waits_for_one_and_is_not_lost(
    platform: Platform, talk: Path, of_one_machine: Mapping[str, str]
) -> None:
    platform.cluster.nodes = [WORKER]
    video = platform.submit("without-gpu", talk)
    run = platform.waits(lambda: platform.runs(video), "its run", PATIENCE_S)[0]

    def reasons() -> list[str]:
        return [said for said in platform.events(run) if said.startswith("Unplaced: step speech waits for its pod")]

    (reason,) = platform.waits(reasons, "a reason", PATIENCE_S)
    waiting = platform.row(video)
    platform.cluster.nodes = [WORKER, GPU]
    ended = platform.ended(video, PATIENCE_S)

    assert "Unschedulable: 0/1 nodes are available" in reason
    assert waiting.state is VideoState.PROCESSING
    assert (ended.state, ended.attempt) == (VideoState.COMPLETED, 1)
    assert platform.files(video) == of_one_machine
