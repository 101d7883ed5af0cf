"""The executor of a cluster: a pod for each step, and a word about the pods that wait.

Loaded only where the settings ask for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import dagster as dg
import kubernetes.client
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster_k8s import K8sRunLauncher, k8s_job_executor
from dagster_k8s.utils import sanitize_k8s_label

from clip_platform import compute
from clip_platform.errors import Unplaced
from clip_platform.settings import Settings

_LEASE_WHILE_WAITING_S = 600.0
_NOT_STARTED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")
_log = logging.getLogger(__name__)


def pod_executor(settings: Settings, shape_of_step: Mapping[str, str]) -> dg.ExecutorDefinition:
    """`k8s_job_executor` with each step in the pod that its shape says.

    A step that fails fails the run: the backlog in Postgres decides about another attempt, which finds what was done.

    Raises:
        InvalidSetting: a setting of the cluster is missing.
    """
    shapes = {name: compute.step_config(shape, settings) for name, shape in compute.SHAPES.items()}
    config = {
        "service_account_name": compute.STEP_SERVICE_ACCOUNT,
        "per_step_k8s_config": {step: dict(shapes[shape]) for step, shape in shape_of_step.items()},
        "retries": {"disabled": {}},
    }

    def create(context: dg.InitExecutorContext) -> StepDelegatingExecutor:
        make = k8s_job_executor.executor_creation_fn
        assert make is not None  # noqa: S101
        executor = cast(StepDelegatingExecutor, make(context))
        executor._step_handler = WatchedPods(executor._step_handler, lambda run: _keep_lease(settings, run))
        return executor

    definition = dg.ExecutorDefinition(
        name=k8s_job_executor.name,
        config_schema=cast(Any, k8s_job_executor.config_schema),
        requirements=k8s_job_executor.get_requirements,
        executor_creation_fn=create,
        description="Each step in a pod of its own.",
    )
    return definition.configured(config, name=k8s_job_executor.name, config_schema={})


class WatchedPods(StepHandler):
    """Does as `steps` does. Says, once for each reason, why the pod of a step does not start, and lets `keep` hold what
    must not lapse while it waits: a GPU node may take longer to come than a dead step is waited for."""

    def __init__(self, steps: StepHandler, keep: Callable[[dg.DagsterRun], None]) -> None:
        self._steps, self._keep = steps, keep
        self._said: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self._steps.name

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        return self._steps.launch_step(step_handler_context)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        return self._steps.terminate_step(step_handler_context)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        health = self._steps.check_step_health(step_handler_context)
        if health.is_healthy:
            self._look(step_handler_context)
        return health

    def _look(self, context: StepHandlerContext) -> None:
        (step,) = context.execute_step_args.step_keys_to_execute or ()
        launcher = cast(K8sRunLauncher, context.instance.run_launcher)
        waiting, problem = look_at_pods(launcher.job_namespace, context.dagster_run.run_id, step)
        if waiting:
            self._keep(context.dagster_run)
        if problem is not None and self._said.get(step) != problem.message:
            _log.warning("step waits", extra={"error_class": problem.error_class, "error": problem.message})
            context.instance.report_engine_event(
                f"{problem.error_class}: {problem.message}",
                context.dagster_run,
                EngineEventData(metadata={"error_class": dg.MetadataValue.text(problem.error_class)}),
                step_key=step,
            )
        self._said[step] = problem.message if problem is not None else ""


def look_at_pods(namespace: str, run_id: str, step: str) -> tuple[bool, Unplaced | None]:
    """Whether the step's pod waits to run, and why if it is not just about to."""
    labels = f"dagster/run-id={run_id},dagster/op={sanitize_k8s_label(step)}"
    core = kubernetes.client.CoreV1Api()
    pods = core.list_namespaced_pod(namespace, label_selector=labels).items
    if not pods:
        jobs = kubernetes.client.BatchV1Api().list_namespaced_job(namespace, label_selector=labels).items
        refused = [reason for job in jobs for reason in _warnings(core, namespace, job.metadata.name)]
        return True, _unplaced(step, refused[-1] if refused else None)
    pending = [pod for pod in pods if pod.status.phase == "Pending"]
    return bool(pending), _unplaced(step, next(filter(None, map(_why_pending, pending)), None))


def _warnings(core: Any, namespace: str, name: str) -> list[str]:
    events = core.list_namespaced_event(namespace, field_selector=f"involvedObject.name={name}").items
    return [f"{event.reason}: {event.message}" for event in events if event.type == "Warning"]


def _why_pending(pod: Any) -> str | None:
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason}: {condition.message}"
    for container in pod.status.container_statuses or ():
        if container.state.waiting is not None and container.state.waiting.reason in _NOT_STARTED:
            return f"{container.state.waiting.reason}: {container.state.waiting.message}"
    return None


def _unplaced(step: str, reason: str | None) -> Unplaced | None:
    if reason is None:
        return None
    return Unplaced(f"step {step} waits for its pod: {reason}; it starts as soon as the cluster can run it")


def _keep_lease(settings: Settings, run: dg.DagsterRun) -> None:
    """The run's hold on its video; a run of no video has none."""
    from clip_platform.database import leases, videos
    from clip_platform.resources.connections import database_at

    url, video_id = settings.database_url("pipeline"), run.tags.get("dagster/partition")
    if url is None or video_id is None:
        return
    database = database_at(url)
    tenant_id = videos.tenant_of(database, video_id)
    if tenant_id is not None:
        leases.renew(database, tenant_id, video_id, run.run_id, _LEASE_WHILE_WAITING_S)
