"""The engagement model, and who serves: each its own step, since the evidence for a promotion takes weeks."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.failures import as_dagster_failure, as_failures
from clip_platform.assets.learning import GROUP, OWNERS, training_examples
from clip_platform.errors import ClipPlatformError, InvalidInput, TooFewExamples
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.training import judge_challenger, train_and_register

if TYPE_CHECKING:
    from clip_platform.ml.gates import Verdict
    from clip_platform.resources.tracking import Origin

GATES = {
    "digest and parity": "The model is of this code's features, and scores the same once saved and loaded.",
    "data": "It learned from enough clips, and there are explored videos to judge it by.",
    "behaviour": "Numbers for any features, the same twice, and no flaw is rewarded.",
    "offline": "Not worse than who serves on videos that were shown in random order.",
    "shadow": "Better than who serves on videos of which each of the two showed half; looked at weekly.",
    "calibration": "Labels rise with its scores as expected, and four fifths lie within their intervals.",
    "tenants": "No tenant with enough videos is surely worse off.",
}
"""In the order in which they are tried; a check fails where a gate ends a challenger's test, one that waits says so."""


class TrainingConfig(dg.Config):
    """`as_of`: the day to train as of, YYYY-MM-DD, today when empty; only what was mature then is learned from."""

    as_of: str = ""
    seed: int = 1


class JudgementConfig(dg.Config):
    """`today`: the day to judge as of, YYYY-MM-DD, today when empty."""

    today: str = ""

    def day(self) -> date:
        return day_of(self.today)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    deps=[training_examples],
    pool=compute.CPU_POOL,
    op_tags=compute.CPU,
    kinds={"lightgbm", "mlflow"},
    code_version="1",
    check_specs=[dg.AssetCheckSpec("enough_examples", asset="engagement_model")],
    description="LightGBM on the heuristic, trained on all mature examples; a version that serves nobody yet.",
)
def engagement_model(
    context: dg.AssetExecutionContext, config: TrainingConfig, learning: LearningResource, models: ModelsResource
) -> dg.MaterializeResult:
    try:
        trained = train_and_register(
            learning,
            models.tracker(),
            models.registry(),
            as_of=day_of(config.as_of),
            seed=config.seed,
            origin=_origin(context),
        )
    except TooFewExamples as error:
        waits = dg.AssetCheckResult(
            check_name="enough_examples",
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=error.message,
        )
        return dg.MaterializeResult(metadata={"status": error.message}, check_results=[waits])
    except ClipPlatformError as error:
        raise as_dagster_failure(error) from error
    shown = {f"{name.removesuffix('.png')}_plot": pictures.image(data, name) for name, data in trained.figures.items()}
    numbers = {name: float(value) for name, value in {**trained.facts, **trained.metrics}.items()}
    return dg.MaterializeResult(
        metadata={
            "version": trained.version,
            "mlflow_run": dg.MetadataValue.url(trained.url),
            "status": "challenger" if trained.is_challenger else "waits for the challenger's test to end",
            **numbers,
            **shown,
        },
        check_results=[dg.AssetCheckResult(check_name="enough_examples", passed=True)],
        data_version=dg.DataVersion(trained.version),
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    deps=[engagement_model],
    pool=compute.CPU_POOL,
    op_tags=compute.CPU,
    kinds={"mlflow"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(name.replace(" ", "_"), asset="champion", description=said) for name, said in GATES.items()
    ],
    description="Who serves: the challenger is judged by the gates, promoted, dropped, or goes on.",
)
def champion(
    context: dg.AssetExecutionContext, config: JudgementConfig, learning: LearningResource, models: ModelsResource
) -> dg.MaterializeResult:
    by = f"dagster run {context.run.run_id[:8]}"
    with as_failures():
        judged = judge_challenger(learning, models.registry(), today=config.day(), by=by)
    context.log.info("challenger %s: %s", judged.challenger, judged.action)
    return dg.MaterializeResult(
        metadata={
            "champion": judged.champion or "heuristic",
            "challenger": judged.challenger or "none",
            "action": judged.action,
            "reason": judged.verdict.reason if judged.verdict else judged.action,
        },
        check_results=list(gate_checks(judged.verdict)),
        data_version=dg.DataVersion(judged.champion or "heuristic"),
    )


def gate_checks(verdict: "Verdict | None") -> Iterator[dg.AssetCheckResult]:
    """One a gate; those that wait or were not tried say so, and are no warning: a test takes weeks. None is an error:
    a challenger that fails is no fault."""
    found = {result.name: result for result in verdict.results} if verdict else {}
    for name in GATES:
        result = found.get(name)
        outcome = result.outcome if result else "not tried"
        numbers = {key: float(value) for key, value in result.statistics.items()} if result else {}
        yield dg.AssetCheckResult(
            check_name=name.replace(" ", "_"),
            passed=outcome != "failed",
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{outcome}: {result.evidence}" if result else "not tried: no gate before it let it come here",
            metadata={"outcome": outcome, **numbers},
        )


def _origin(context: dg.AssetExecutionContext) -> "Origin":
    from clip_platform.resources.source_commit import source_commit
    from clip_platform.resources.tracking import Origin

    return Origin(commit=source_commit(), dagster_run_id=context.run.run_id)


def day_of(text: str) -> date:
    """Today when empty.

    Raises:
        InvalidInput: it is no day.
    """
    try:
        return date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no day; give one as YYYY-MM-DD, or nothing for today") from error
