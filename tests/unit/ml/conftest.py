"""One small world and one model of it for all tests here; nothing changes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from clip_platform.ml.examples import Examples
from clip_platform.ml.model import EngagementModel, train
from clip_platform.ml.recipe import Recipe
from clip_platform.ml.simulate import START, Clips, World, examples_of, make_clips, make_world, show
from clip_platform.resources.mlflow_server import MlflowServer
from clip_platform.resources.model_registry import NAME, ModelRegistry
from clip_platform.resources.tracking import Origin, Tracker

FIGURES = {"gain.png": b"\x89PNG a picture"}
AS_OF = START + np.timedelta64(120, "D")


@dataclass(frozen=True)
class Learned:
    """A world, what was learned from 150 days of it, and clips of the month after."""

    world: World
    examples: Examples
    model: EngagementModel
    fresh: Clips
    fresh_examples: Examples


@pytest.fixture(scope="session")
def learned() -> Learned:
    world = make_world(1)
    clips = make_clips(world, 300, 11, days=(0, 110))
    examples = examples_of(clips, show(world, clips, 11), as_of=120)
    fresh = make_clips(world, 150, 12, days=(120, 150))
    later = examples_of(fresh, show(world, fresh, 12), as_of=160)
    return Learned(world, examples, train(examples, as_of=AS_OF, seed=1, version="1"), fresh, later)


@pytest.fixture(scope="session")
def client(mlflow_peer):
    with MlflowServer(mlflow_peer.uri).asked() as found:
        return found


@pytest.fixture(scope="session")
def versions(mlflow_peer, learned, tmp_path_factory):
    """Three tracked runs with a version each, told apart by the heuristic's slope: 0.1, 0.2, 0.3."""
    registry = ModelRegistry(mlflow_peer.uri, tmp_path_factory.mktemp("cache"))
    tracker = Tracker(mlflow_peer.uri, registry)
    return [
        tracker.track_training(
            replace(learned.model, heads=replace(learned.model.heads, slope=slope)),
            recipe=Recipe(),
            metrics={"tau": slope},
            figures=FIGURES,
            origin=Origin("abc123", "run-1", "http://127.0.0.1:3000/runs/run-1"),
        )
        for slope in (0.1, 0.2, 0.3)
    ]


@pytest.fixture
def registry(mlflow_peer, client, versions, tmp_path):
    """The three versions, and nothing that anybody has done with them."""
    registered = client.get_registered_model(NAME)
    for alias in registered.aliases:
        client.delete_registered_model_alias(NAME, alias)
    for tag in registered.tags:
        client.delete_registered_model_tag(NAME, tag)
    for run in versions:
        for tag in set(client.get_model_version(NAME, run.version).tags) & {"promoted", "verdict"}:
            client.delete_model_version_tag(NAME, run.version, tag)
    return ModelRegistry(mlflow_peer.uri, tmp_path / "cache")


@pytest.fixture
def numbers(versions):
    return [run.version for run in versions]
