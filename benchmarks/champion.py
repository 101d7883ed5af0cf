"""Loading the model that serves from a real MLflow: by a process that never saw it, and by one that knows it."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import Ratio
from benchmarks.rescoring import MOST_LOAD_S, trained_model
from clip_platform.evaluation.simulated_platform import fresh_platform
from clip_platform.ml.recipe import Recipe
from clip_platform.ml.simulate import make_world
from clip_platform.resources.model_registry import ModelRegistry
from clip_platform.resources.tracking import Origin


def measure() -> list[Ratio]:
    with fresh_platform(make_world(1, 1), weeks=1) as platform, TemporaryDirectory() as cache:
        tracker, registry = platform.models.tracker(), platform.models.registry()
        run = tracker.track_training(trained_model(), recipe=Recipe(), metrics={}, figures={}, origin=Origin())
        registry.promote(str(run.version), reason="to be loaded", by="benchmark", force=True)
        fresh = ModelRegistry(platform.models.mlflow_uri, Path(cache))
        first_s, again_s = _load_s(fresh), _load_s(fresh)
    return [
        Ratio(f"the champion from MLflow, {how}", f"{MOST_LOAD_S} s", spent / MOST_LOAD_S, 1.0, {"s": round(spent, 3)})
        for how, spent in (("downloaded", first_s), ("known", again_s))
    ]


def _load_s(registry: ModelRegistry) -> float:
    started = time.perf_counter()
    found = registry.load_champion()
    spent = time.perf_counter() - started
    if found is None or found.note:
        raise RuntimeError(f"no champion was loaded: {found}")
    return spent
