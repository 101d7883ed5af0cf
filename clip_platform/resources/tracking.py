"""Runs in MLflow: what a model or an experiment was made of, how it did, its figures and its files.

A run is whole or failed: one that breaks off is marked so, and no version is registered of it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_platform.errors import InvalidInput, NotFound
from clip_platform.ml import saved
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.resources.mlflow_server import MlflowServer
from clip_platform.resources.model_registry import FOLDER, ModelRegistry

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from clip_platform.ml.backtest import Backtest
    from clip_platform.ml.experiment import Experiment
    from clip_platform.ml.model import EngagementModel
    from clip_platform.ml.recipe import Recipe

TRAINING, EXPERIMENTS = "engagement-training", "engagement-experiments"
RECORD = "experiment.json"
SECONDS = "seconds"
"""The one metric that is not the same again."""
_LEAST_PREFIX = 6
_SHOWN_SEPARATELY = ("objective", "seed")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run comes from, as far as known: the commit of the code, and the Dagster run with its page."""

    commit: str | None = None
    dagster_run_id: str | None = None
    dagster_url: str | None = None
    data_source: str = "training_examples"

    def tags(self) -> dict[str, str]:
        found = {
            "mlflow.source.name": "clip_platform",
            "mlflow.source.git.commit": self.commit,
            "dagster.run_id": self.dagster_run_id,
            "dagster.url": self.dagster_url,
            "mlflow.note.content": f"[Dagster run]({self.dagster_url})" if self.dagster_url else None,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """`url` is its page in MLflow's UI; `version` the registered one, None for an experiment."""

    run_id: str
    url: str
    version: str | None


@dataclass(frozen=True, slots=True)
class ExperimentRun:
    """What the record of a run says; `experiment` is what to do again."""

    run_id: str
    url: str
    name: str
    started_ms: int
    data_digest: str
    feature_digest: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


class Tracker:
    """Writes and reads runs; versions go into `registry`."""

    def __init__(self, uri: str, registry: ModelRegistry) -> None:
        self._server = MlflowServer(uri)
        self._registry = registry

    def track_training(
        self,
        model: EngagementModel,
        *,
        recipe: Recipe,
        metrics: Mapping[str, float],
        figures: Mapping[str, bytes],
        origin: Origin,
    ) -> TrackedRun:
        """A run with everything about the model, and a new version of the registered model with its files.

        Args:
            metrics: of a backtest, by name; the model's own facts are added.
            figures: PNG by file name.

        Raises:
            StorageUnavailable: MLflow is away.
        """
        with (
            self._run(TRAINING, f"engagement {model.data_digest[:8]}", origin) as (client, run),
            tempfile.TemporaryDirectory() as scratch,
        ):
            self._log(client, run, _parameters(model, recipe), {**_facts(model), **metrics}, figures)
            self._log_data(client, run, model.data_digest, origin.data_source)
            client.set_tag(run.info.run_id, "feature_digest", model.feature_digest)
            folder = Path(scratch) / FOLDER
            saved.save(model, folder)
            _write_signature(folder, run.info.run_id)
            client.log_artifacts(run.info.run_id, str(folder), FOLDER)
            version = self._registry.register(run.info.run_id, f"{run.info.artifact_uri}/{FOLDER}", folder)
        return TrackedRun(run.info.run_id, self._url(run), version)

    def track_experiment(
        self,
        experiment: Experiment,
        test: Backtest,
        *,
        seconds: float,
        figures: Mapping[str, bytes],
        origin: Origin,
        again: str | None = None,
    ) -> TrackedRun:
        """A run whose record is enough to do it again; `again` is the run that it repeats."""
        with self._run(EXPERIMENTS, experiment.name, origin) as (client, run):
            metrics = {**test.metrics, SECONDS: seconds}
            self._log(client, run, _parameters(test.model, experiment.recipe), metrics, figures)
            self._log_data(client, run, test.model.data_digest, experiment.source.name)
            client.set_tag(run.info.run_id, "feature_digest", test.model.feature_digest)
            if again is not None:
                client.set_tag(run.info.run_id, "again", again)
            client.log_dict(run.info.run_id, experiment.as_document(), RECORD)
        return TrackedRun(run.info.run_id, self._url(run), None)

    def experiments(self, limit: int) -> list[ExperimentRun]:
        """Finished ones, newest first."""
        with self._server.asked() as client:
            found = client.get_experiment_by_name(EXPERIMENTS)
            if found is None:
                return []
            runs = client.search_runs(
                [found.experiment_id], "attributes.status = 'FINISHED'", max_results=limit,
                order_by=["attributes.start_time DESC"],
            )  # fmt: skip
        return [self._shown(run) for run in runs]

    def experiment_run(self, run_id: str) -> ExperimentRun:
        """
        Args:
            run_id: whole, or its first characters, six at least.

        Raises:
            NotFound, InvalidInput: no such run, or several.
        """
        with self._server.asked() as client:
            return self._shown(_run_named(client, run_id))

    def record_of(self, run_id: str) -> Experiment:
        """What was done in that run.

        Raises:
            NotFound, InvalidInput: no such run, or it has no record that can be read.
        """
        from mlflow.exceptions import MlflowException

        from clip_platform.ml.experiment import read_experiment

        with self._server.asked() as client, tempfile.TemporaryDirectory() as scratch:
            run = _run_named(client, run_id)
            try:
                path = client.download_artifacts(run.info.run_id, RECORD, scratch)
                return read_experiment(json.loads(Path(path).read_text(encoding="utf-8")))
            except (MlflowException, OSError, ValueError) as error:
                raise InvalidInput(f"run {run.info.run_id} has no {RECORD} that can be read; run it anew") from error

    @contextmanager
    def _run(self, experiment: str, name: str, origin: Origin) -> Iterator[tuple[MlflowClient, Run]]:
        with self._server.asked() as client:
            run = client.create_run(_experiment_id(client, experiment), tags=origin.tags(), run_name=name)
            try:
                yield client, run
            except BaseException:
                client.set_terminated(run.info.run_id, "FAILED")
                raise
            client.set_terminated(run.info.run_id)

    def _log(
        self,
        client: MlflowClient,
        run: Run,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        figures: Mapping[str, bytes],
    ) -> None:
        from mlflow.entities import Metric, Param

        started = run.info.start_time
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, float(value), started, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in parameters.items()],
        )
        if not figures:
            return
        with tempfile.TemporaryDirectory() as scratch:
            for name, picture in figures.items():
                (Path(scratch) / name).write_bytes(picture)
            client.log_artifacts(run.info.run_id, scratch, "figures")

    def _log_data(self, client: MlflowClient, run: Run, digest: str, source: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset("training_examples", digest, "clip_platform", json.dumps({"name": source}))
        client.log_inputs(run.info.run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        client.set_tag(run.info.run_id, "data_digest", digest)

    def _url(self, run: Run) -> str:
        return self._server.run_url(run.info.experiment_id, run.info.run_id)

    def _shown(self, run: Run) -> ExperimentRun:
        return ExperimentRun(
            run_id=run.info.run_id,
            url=self._url(run),
            name=run.info.run_name or "",
            started_ms=run.info.start_time,
            data_digest=run.data.tags.get("data_digest", ""),
            feature_digest=run.data.tags.get("feature_digest", ""),
            metrics=dict(run.data.metrics),
            parameters=dict(run.data.params),
        )


def _experiment_id(client: MlflowClient, name: str) -> str:
    """Made when it is missing, by two at once too."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        found = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return str(found.experiment_id)


def _run_named(client: MlflowClient, run_id: str) -> Run:
    if len(run_id) >= 32:
        return client.get_run(run_id)
    if len(run_id) < _LEAST_PREFIX:
        raise InvalidInput(f"run {run_id!r} is too short; give its first {_LEAST_PREFIX} characters at least")
    experiment = client.get_experiment_by_name(EXPERIMENTS)
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id], max_results=10_000)
    found = [run for run in runs if run.info.run_id.startswith(run_id)]
    if not found:
        raise NotFound(f"no experiment's run begins with {run_id}; `clip-platform experiment list` shows them")
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} runs begin with {run_id}; give more of it")
    return found[0]


def _facts(model: EngagementModel) -> dict[str, float]:
    return {f"model/{name}": value for name, value in model.facts.items()}


def _parameters(model: EngagementModel, recipe: Recipe) -> dict[str, Any]:
    """What was chosen, and what LightGBM was given for each head."""
    left_out = [name for name in FEATURE_NAMES if name not in recipe.features]
    heads = {"label": model.heads.label, "accept": model.heads.accept}
    of_heads = {
        f"{head}.{name}": value
        for head, booster in heads.items()
        if booster is not None
        for name, value in booster.params.items()
        if name not in _SHOWN_SEPARATELY
    }
    return {
        "seed": model.seed,
        "label": recipe.label,
        "features": len(recipe.features),
        "features_left_out": ", ".join(left_out) or "none",
        "accept_head": recipe.accept_head,
        "tenant_parts": recipe.tenant_parts,
        "heuristic": model.heuristic,
        **of_heads,
    }


def _write_signature(folder: Path, run_id: str) -> None:
    """MLflow's own description beside our files: columns in and out. No flavour of MLflow can load it, on purpose."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    columns_in = Schema([*(ColSpec("float", name) for name in FEATURE_NAMES), ColSpec("string", "tenant_id")])
    columns_out = Schema([ColSpec("double", name) for name in ("value", "low", "high", "top_chance")])
    description = Model(artifact_path=FOLDER, run_id=run_id, signature=ModelSignature(columns_in, columns_out))
    description.add_flavor("clip_platform", format=saved.FORMAT, document=saved.DOCUMENT)
    description.save(str(folder / "MLmodel"))
