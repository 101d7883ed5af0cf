"""A step whose pod does not start says why, once for each reason, and its run holds on to the video meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from dagster._core.execution.context.system import IStepContext
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepHandler

from clip_platform.resources.step_pods import WatchedPods, look_at_pods
from tests.cluster.conftest import NAMESPACE, Seen, job, worker
from tests.peers.kubernetes.cluster import eventually

RUN = "0b5f"
NO_GPU = (
    "step speech waits for its pod: Unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.; "
    "it starts as soon as the cluster can run it"
)


def step(name: str = "speech", container: dict[str, Any] | None = None) -> dict[str, Any]:
    """The Job of a step as `dagster-k8s` labels it."""
    made = job(f"dagster-step-{name}", "sleep", "60", container=container)
    for where in (made, made["spec"]["template"]):
        where["metadata"]["labels"] |= {"dagster/run-id": RUN, "dagster/op": name}
    return made


def for_a_gpu() -> dict[str, Any]:
    return step(container={"resources": {"limits": {"nvidia.com/gpu": "1"}}})


def look() -> tuple[bool, str | None]:
    waiting, problem = look_at_pods(NAMESPACE, RUN, "speech")
    return waiting, problem.message if problem is not None else None


def problem() -> str:
    return eventually(lambda: look()[1], "a reason", 20.0)


@pytest.mark.parametrize(
    ("container", "named"),
    [
        ({"resources": {"limits": {"nvidia.com/gpu": "1"}}}, "Insufficient nvidia.com/gpu"),
        ({"image": "gpu:9"}, 'ImagePullBackOff: Back-off pulling image "gpu:9"'),
        ({"envFrom": [{"secretRef": {"name": "away"}}]}, 'CreateContainerConfigError: secret "away" not found'),
        ({"securityContext": {}}, "FailedCreate: Error creating: pods"),
    ],
)
def test_it_says_why_it_waits(seen: Seen, container: dict[str, Any], named: str) -> None:
    seen.run(step(container=container))

    assert named in problem()
    assert look()[0]


def test_a_quota_that_is_used_up_is_a_reason(seen: Seen) -> None:
    seen.cluster.namespace.most_pods = 0
    seen.run(step())

    assert "exceeded quota" in problem()


def test_a_pod_that_is_just_being_made_needs_no_reason(seen: Seen) -> None:
    seen.cluster.pods_start_after_s = 3600.0
    seen.run(step())
    eventually(lambda: [pod for pod in seen.pods("dagster-step-speech") if pod.spec.node_name], "its node", 20)

    assert look() == (True, None)


def test_a_pod_that_runs_does_not_wait(seen: Seen) -> None:
    seen.run(step())
    seen.running("dagster-step-speech")

    assert look() == (False, None)


def test_another_steps_trouble_is_not_its_own(seen: Seen) -> None:
    seen.run(step("vision", container={"image": "gpu:9"}))
    eventually(lambda: seen.warning("dagster-step-vision"), "its trouble", 20)

    assert look() == (True, None)  # its own Job may be on its way


class Healthy(StepHandler):
    """Steps that are always well."""

    name = "healthy"

    def launch_step(self, step_handler_context: Any) -> Iterator[Any]:
        raise NotImplementedError

    terminate_step = launch_step

    def check_step_health(self, step_handler_context: Any) -> CheckStepHealthResult:  # noqa: ARG002
        return CheckStepHealthResult.healthy()


@dataclass
class Context:
    """What of the executor's context is looked at; what is reported is kept."""

    reported: list[str] = field(default_factory=list)
    dagster_run: Any = field(default_factory=lambda: SimpleNamespace(run_id=RUN))
    execute_step_args: Any = field(default_factory=lambda: SimpleNamespace(step_keys_to_execute=["speech"]))

    @property
    def instance(self) -> Any:
        def report(message: str, *_about: Any, step_key: str) -> None:
            self.reported.append(f"{step_key}: {message}")

        return SimpleNamespace(run_launcher=SimpleNamespace(job_namespace=NAMESPACE), report_engine_event=report)

    def get_step_context(self, step_key: str) -> IStepContext:
        raise NotImplementedError(step_key)


def test_a_reason_is_told_once_and_the_video_is_held_at_every_look(seen: Seen) -> None:
    held: list[str] = []
    watched, context = WatchedPods(Healthy(), lambda run: held.append(run.run_id)), Context()
    seen.run(for_a_gpu())
    problem()

    for _ in range(3):
        assert watched.check_step_health(context).is_healthy  # type: ignore[arg-type]

    assert context.reported == [f"speech: Unplaced: {NO_GPU}"]
    assert held == [RUN] * 3


def test_when_it_starts_nothing_is_held_any_more(seen: Seen) -> None:
    held: list[str] = []
    watched, context = WatchedPods(Healthy(), lambda run: held.append(run.run_id)), Context()
    seen.run(for_a_gpu())
    problem()
    seen.cluster.nodes.append(worker("worker-2", **{"nvidia.com/gpu": "1"}))
    seen.running("dagster-step-speech")

    watched.check_step_health(context)  # type: ignore[arg-type]

    assert (context.reported, held) == ([], [])
