"""MLflow as assets and sensors see it: one registry and one tracker per process and address."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from clip_platform.resources.model_registry import ModelRegistry
    from clip_platform.resources.tracking import Tracker


class ModelsResource(dg.ConfigurableResource):
    """`mlflow_uri` is the server's; `cache` the folder where models that served are kept for when it is away."""

    mlflow_uri: str
    cache: str

    def registry(self) -> ModelRegistry:
        return registry_at(self.mlflow_uri, self.cache)

    def tracker(self) -> Tracker:
        return tracker_at(self.mlflow_uri, self.cache)


@cache
def registry_at(mlflow_uri: str, cache_folder: str) -> ModelRegistry:
    from clip_platform.resources.model_registry import ModelRegistry

    return ModelRegistry(mlflow_uri, Path(cache_folder))


@cache
def tracker_at(mlflow_uri: str, cache_folder: str) -> Tracker:
    from clip_platform.resources.tracking import Tracker

    return Tracker(mlflow_uri, registry_at(mlflow_uri, cache_folder))
