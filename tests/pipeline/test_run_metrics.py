"""Runs and steps that end are counted once each, with how they ended; what runs now is shown."""

import dagster as dg
from prometheus_client import CollectorRegistry

from clip_platform.exporter.checks import CheckMetrics
from clip_platform.exporter.runs import RunMetrics


@dg.op
def speech() -> None:
    """Holds the GPU."""


@dg.op(ins={"start": dg.In(dg.Nothing)})
def delivery(context: dg.OpExecutionContext) -> None:
    if context.run.tags.get("fails"):
        raise dg.Failure("no", allow_retries=False)


@dg.job
def process_video() -> None:
    delivery(start=speech())


def test_each_run_is_counted_once() -> None:
    registry = CollectorRegistry()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"clip_platform_{name}", labels)

    with dg.DagsterInstance.ephemeral() as instance:
        process_video.execute_in_process(instance=instance)
        metrics = RunMetrics(registry, instance, {"speech"})
        process_video.execute_in_process(instance=instance)
        metrics.look()
        first = value("run_seconds_count", dagster_job="process_video", status="success")
        process_video.execute_in_process(instance=instance, tags={"fails": "yes"}, raise_on_error=False)
        metrics.look()
        metrics.look()
        waiting = instance.create_run_for_job(process_video)
        metrics.look()

        assert first is not None
        assert value("run_seconds_count", dagster_job="process_video", status="success") == first
        assert value("run_seconds_count", dagster_job="process_video", status="failure") == 1
        assert value("step_seconds_count", stage="speech", status="success") == first + 1
        assert value("step_seconds_count", stage="delivery", status="failure") == 1
        assert value("gpu_seconds_total", stage="speech") > 0
        assert value("gpu_seconds_total", stage="delivery") is None
        assert value("runs", dagster_job="process_video", status="not_started") == 1
        instance.delete_run(waiting.run_id)
        metrics.look()
        assert value("runs", dagster_job="process_video", status="not_started") is None


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec("input_drift", asset="model_health"),
        dg.AssetCheckSpec("quiet", asset="model_health"),
    ]
)
def model_health(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    drifts = "drifts" in context.run.tags
    return dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name="input_drift", passed=not drifts, severity=dg.AssetCheckSeverity.WARN),
            dg.AssetCheckResult(check_name="quiet", passed=True),
        ]
    )


def test_the_newest_result_of_a_check_is_shown() -> None:
    registry = CollectorRegistry()
    labels = {"asset": "model_health", "check": "input_drift"}
    with dg.DagsterInstance.ephemeral() as instance:
        metrics = CheckMetrics(registry, instance, [spec.key for spec in model_health.check_specs])
        metrics.look()
        assert registry.get_sample_value("clip_platform_check_failed", labels) is None
        for tags, failed in (({"drifts": "yes"}, 1), ({}, 0)):
            dg.materialize([model_health], instance=instance, tags=tags)
            metrics.look()
            assert registry.get_sample_value("clip_platform_check_failed", labels) == failed
        assert registry.get_sample_value("clip_platform_check_failed", {**labels, "check": "quiet"}) == 0
