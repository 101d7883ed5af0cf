"""A whole run in pods, whatever happens to them: the clips are those of one machine, once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from clip_platform.evaluation.sample_talk import make_sample_talk
from clip_platform.evaluation.script import LINES
from clip_platform.upload.states import VideoState
from tests.cluster.deployed import Platform, deployed, embedded_files

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]
PATIENCE_S = 600.0


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


def test_a_video_becomes_the_same_clips_as_on_one_machine(
    platform: Platform, talk: Path, of_one_machine: Mapping[str, str]
) -> None:
    video = platform.submit("acme", talk)

    ended = platform.ended(video, PATIENCE_S)

    assert ended.state is VideoState.COMPLETED
    assert platform.files(video) == of_one_machine
    assert len(platform.published(video)) == 1
    (run,) = platform.runs(video)
    assert platform.waits(lambda: platform.instance.get_run_by_id(run.run_id).is_success, "the run's end", 60)
