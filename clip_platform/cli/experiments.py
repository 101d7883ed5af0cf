"""`experiment`: recipes tried on stored or simulated examples, each a run in MLflow that can be done again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from clip_platform.cli.models import print_comparison
from clip_platform.errors import CheckFailed, FeatureMismatch, InvalidInput
from clip_platform.settings import read_settings

if TYPE_CHECKING:
    from clip_platform.ml.backtest import Backtest
    from clip_platform.ml.examples import Examples
    from clip_platform.ml.experiment import Experiment, Source
    from clip_platform.ml.recipe import Recipe
    from clip_platform.resources.tracking import TrackedRun, Tracker

_ID_CHARACTERS = 12
_COLUMNS = (("tau", "τ"), ("heuristic_tau", "heur. τ"), ("coverage", "coverage"), ("calibration_error", "ECE"),
            ("seconds", "s"))  # fmt: skip
_LISTED = _COLUMNS[:2]


@dataclass(frozen=True)
class Options:
    """What the command line asks for; lists as `ml.experiment.recipes` takes them."""

    examples: Path | None
    simulated: int | None
    seed: int
    grid: Sequence[str]
    labels: Sequence[str]
    drop: Sequence[str]
    accept_head: bool
    tenant_parts: bool
    figures: bool


def run_experiments(options: Options) -> int:
    """
    Raises:
        InvalidInput: what to try, or on what, is not given or not known.
        TooFewExamples: there is too little to learn from.
    """
    from clip_platform.ml.experiment import Experiment, recipes

    source = _source(options)
    chosen = recipes(
        grid=options.grid,
        labels=options.labels,
        drop=options.drop,
        accept_head=options.accept_head,
        tenant_parts=options.tenant_parts,
    )
    experiments = [Experiment(source, recipe, options.seed) for recipe in chosen]
    tracker = _answering_tracker()
    rows = []
    with _progress(len(experiments)) as advance:
        examples = source.read()
        for experiment in experiments:
            advance(experiment.name, 0)
            tested, run = _tried(tracker, examples, experiment, with_figures=options.figures)
            rows.append((run.run_id, experiment.name, tested))
            advance(experiment.name, 1)
    _print_table(rows)
    Console().print(f"figures and records: {run.url}", highlight=False, soft_wrap=True)
    return 0


def run_again(run_id: str, *, figures: bool) -> int:
    """Does a run over by its record.

    Raises:
        NotFound, InvalidInput: no such run, or no record.
        FeatureMismatch: the code's features have changed since.
        CheckFailed: the data are others, or a figure is not the same to the digit.
    """
    tracker = _answering_tracker()
    before, experiment = tracker.experiment_run(run_id), tracker.record_of(run_id)
    _expect_same_features(before.feature_digest, before.run_id)
    with _progress(1) as advance:
        advance(experiment.name, 0)
        examples = experiment.source.read()
        metrics, run = _tried(tracker, examples, experiment, with_figures=figures, again=before.run_id)
        advance(experiment.name, 1)
    _print_table([(before.run_id, f"{before.name} (before)", before.metrics), (run.run_id, experiment.name, metrics)])
    after = tracker.experiment_run(run.run_id)
    if after.data_digest != before.data_digest:
        raise CheckFailed(
            f"{experiment.source.name} holds other examples than when {before.run_id} ran ({after.data_digest}, was "
            f"{before.data_digest}); restore them to repeat it"
        )
    different = _different(before.metrics, after.metrics)
    if different:
        raise CheckFailed(
            f"{', '.join(different)} of {run.run_id} differ from {before.run_id}'s though data and recipe are the "
            "same; the code or LightGBM has changed: compare the runs' commits"
        )
    Console().print("the same to the digit")
    return 0


def list_experiments(limit: int) -> int:
    runs = _answering_tracker().experiments(limit)
    table = Table()
    table.add_column("run", no_wrap=True, min_width=_ID_CHARACTERS)
    for heading in ("when (UTC)", "recipe"):
        table.add_column(heading, overflow="fold")
    for _, heading in _LISTED:
        table.add_column(heading, justify="right")
    for run in runs:
        when = datetime.fromtimestamp(run.started_ms / 1000, UTC)
        cells = [_figure(name, run.metrics[name]) if name in run.metrics else "" for name, _ in _LISTED]
        table.add_row(run.run_id[:_ID_CHARACTERS], f"{when:%Y-%m-%d %H:%M}", escape(run.name), *cells)
    Console().print(table)
    return 0


def compare_experiments(one: str, other: str) -> int:
    tracker = _answering_tracker()
    runs = [tracker.experiment_run(run_id) for run_id in (one, other)]
    headings = [f"{run.run_id[:_ID_CHARACTERS]} {run.name}" for run in runs]
    print_comparison(headings, [run.metrics for run in runs], [run.parameters for run in runs])
    return 0


def _tried(
    tracker: Tracker, examples: Examples, experiment: Experiment, *, with_figures: bool, again: str | None = None
) -> tuple[Mapping[str, float], TrackedRun]:
    from clip_platform.ml.backtest import backtest
    from clip_platform.resources.source_commit import source_commit
    from clip_platform.resources.tracking import SECONDS, Origin

    begun = time.perf_counter()
    test = backtest(examples, seed=experiment.seed, recipe=experiment.recipe)
    seconds = time.perf_counter() - begun
    figures = _drawn(test, examples, experiment.seed, experiment.recipe) if with_figures else {}
    origin = Origin(commit=source_commit())
    run = tracker.track_experiment(experiment, test, seconds=seconds, figures=figures, origin=origin, again=again)
    return {**test.metrics, SECONDS: seconds}, run


def _drawn(test: Backtest, examples: Examples, seed: int, recipe: Recipe) -> Mapping[str, bytes]:
    from clip_platform.ml.backtest import learning_curve
    from clip_platform.ml.figures import training_figures

    return training_figures(test, learning_curve(examples, seed=seed, recipe=recipe))


def _source(options: Options) -> Source:
    from clip_platform.ml.experiment import Source

    if (options.examples is None) == (options.simulated is None):
        raise InvalidInput("give either a file or folder of training examples, or --simulated CLIPS")
    path = None if options.examples is None else str(options.examples.absolute())
    return Source(path, options.simulated, options.seed)


def _answering_tracker() -> Tracker:
    """Before minutes of work: whether it can be recorded."""
    from clip_platform.resources.mlflow_server import MlflowServer
    from clip_platform.resources.model_registry import ModelRegistry
    from clip_platform.resources.tracking import Tracker

    settings = read_settings()
    MlflowServer(settings.mlflow_address).expect_answer()
    return Tracker(settings.mlflow_address, ModelRegistry(settings.mlflow_address, settings.model_cache))


def _expect_same_features(digest: str, run_id: str) -> None:
    from clip_platform.scoring.features import feature_digest

    if digest != feature_digest():
        raise FeatureMismatch(
            f"run {run_id} had features {digest}, this code computes {feature_digest()}; check out its commit to repeat"
        )


def _different(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    from clip_platform.resources.tracking import SECONDS

    names = (set(before) | set(after)) - {SECONDS}
    return sorted(name for name in names if before.get(name) != after.get(name))


class _Advance:
    """Says what is being tried, and moves the bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def __call__(self, name: str, done: int) -> None:
        self._progress.update(self._task, description=escape(name[:60]), advance=done)


@contextmanager
def _progress(total: int) -> Iterator[_Advance]:
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield _Advance(progress, total)


def _print_table(rows: Sequence[tuple[str, str, Mapping[str, float]]]) -> None:
    """The best τ of them stands out."""
    table = Table()
    table.add_column("run", no_wrap=True, min_width=_ID_CHARACTERS)
    table.add_column("recipe", overflow="fold")
    for _, heading in _COLUMNS:
        table.add_column(heading, justify="right")
    best = max(metrics["tau"] for *_, metrics in rows)
    for run_id, name, metrics in rows:
        cells = [_figure(column, metrics[column]) for column, _ in _COLUMNS]
        style = "bold" if metrics["tau"] == best and len(rows) > 1 else None
        table.add_row(run_id[:_ID_CHARACTERS], escape(name), *cells, style=style)
    Console().print(table)


def _figure(name: str, value: float) -> str:
    if name == "coverage":
        return f"{value:.1%}"
    return f"{value:.1f}" if name == "seconds" else f"{value:.3f}"
