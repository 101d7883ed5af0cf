"""The stand-in of a cluster does what a cluster would, as far as the platform can tell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes
import psutil
import pytest
from kubernetes.client.rest import ApiException

from tests.cluster.conftest import NAMESPACE, RESTRICTED, Seen, job, worker
from tests.peers.kubernetes.cluster import eventually
from tests.peers.kubernetes.nodes import Node

SLEEP = ("sleep", "60")


def test_a_job_runs_its_command_to_its_end(seen: Seen) -> None:
    seen.run(job("greeting", "echo", "good morning"))

    assert seen.condition("greeting") == "Complete"
    (pod,) = seen.pods("greeting")
    assert (pod.status.phase, pod.status.container_statuses[0].state.terminated.exit_code) == ("Succeeded", 0)
    assert seen.log("greeting") == "good morning"


def test_a_command_that_fails_is_tried_as_often_as_the_job_says(seen: Seen) -> None:
    wanted = job("failing", "sh", "-c", "exit 3")
    wanted["spec"]["backoffLimit"] = 1
    seen.run(wanted)

    assert seen.condition("failing") == "Failed"
    codes = [pod.status.container_statuses[0].state.terminated.exit_code for pod in seen.pods("failing")]
    assert codes == [3, 3]


def test_a_finished_job_is_gone_after_its_time(seen: Seen) -> None:
    wanted = job("brief", "true")
    wanted["spec"]["ttlSecondsAfterFinished"] = 0
    seen.run(wanted)

    eventually(lambda: not seen.batch.list_namespaced_job(NAMESPACE).items, "its end", 20)

    assert seen.pods("brief") == []


def _misspelt(wanted: dict[str, Any]) -> None:
    wanted["spec"]["template"]["spec"]["nodeSelektor"] = {}


def _typed_wrong(wanted: dict[str, Any]) -> None:
    wanted["spec"]["backoffLimit"] = "none"


def _always(wanted: dict[str, Any]) -> None:
    wanted["spec"]["template"]["spec"]["restartPolicy"] = "Always"


def _mount_of_nothing(wanted: dict[str, Any]) -> None:
    wanted["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "away", "mountPath": "/x"}]


def _two_of_a_name(wanted: dict[str, Any]) -> None:
    wanted["spec"]["template"]["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}] * 2


def _more_than_its_limit(wanted: dict[str, Any]) -> None:
    resources = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = resources


def _half_a_gpu(wanted: dict[str, Any]) -> None:
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"nvidia.com/gpu": "1"}}


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_misspelt, "nodeSelektor"),
        (_typed_wrong, "backoffLimit"),
        (_always, "restartPolicy"),
        (_mount_of_nothing, 'Not found: "away"'),
        (_two_of_a_name, "Duplicate value: 'tmp'"),
        (_more_than_its_limit, "less than or equal to memory limit"),
        (_half_a_gpu, "nvidia.com/gpu"),
    ],
)
def test_a_job_that_is_not_as_it_should_be_is_refused(
    seen: Seen, spoil: Callable[[dict[str, Any]], None], named: str
) -> None:
    wanted = job("spoilt", *SLEEP)
    spoil(wanted)

    with pytest.raises(ApiException) as refused:
        seen.run(wanted)

    assert refused.value.status == 422
    assert named in refused.value.body.replace('\\"', '"')
    assert seen.batch.list_namespaced_job(NAMESPACE).items == []


def test_the_same_name_twice_is_a_conflict(seen: Seen) -> None:
    seen.run(job("one", *SLEEP))

    with pytest.raises(ApiException) as refused:
        seen.run(job("one", *SLEEP))

    assert refused.value.status == 409


@pytest.mark.parametrize(
    ("container", "pod", "named"),
    [
        ({"securityContext": RESTRICTED | {"allowPrivilegeEscalation": True}}, {}, "allowPrivilegeEscalation"),
        ({"securityContext": RESTRICTED | {"capabilities": {}}}, {}, "capabilities"),
        ({"securityContext": RESTRICTED | {"runAsNonRoot": False}}, {}, "runAsNonRoot"),
        ({"securityContext": RESTRICTED | {"runAsUser": 0}}, {}, "runAsUser=0"),
        ({"securityContext": RESTRICTED | {"seccompProfile": {"type": "Unconfined"}}}, {}, "seccompProfile"),
        ({}, {"hostNetwork": True}, "hostNetwork"),
        ({}, {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "hostPath"),
        ({}, {"serviceAccountName": "nobody"}, 'serviceaccount "nobody" not found'),
    ],
)
def test_a_pod_that_could_do_too_much_is_never_made(
    seen: Seen, container: dict[str, Any], pod: dict[str, Any], named: str
) -> None:
    seen.run(job("bold", *SLEEP, container=container, **pod))

    assert named in seen.warning("bold")
    assert seen.pods("bold") == []


@pytest.mark.parametrize(
    ("pod", "named"),
    [
        ({"nodeSelector": {"pool": "gpu"}}, "1 node(s) didn't match Pod's node affinity/selector"),
        ({"tolerations": []}, "1 node(s) had untolerated taint {pool: worker}"),
    ],
)
def test_a_pod_that_no_node_takes_waits_and_says_why(seen: Seen, pod: dict[str, Any], named: str) -> None:
    seen.run(job("waiting", *SLEEP, **pod))

    assert seen.warning("waiting") == f"FailedScheduling: 0/1 nodes are available: {named}."
    (waiting,) = seen.pods("waiting")
    assert waiting.status.phase == "Pending"
    assert waiting.status.conditions[0].reason == "Unschedulable"


def test_it_starts_when_a_node_comes(seen: Seen) -> None:
    seen.run(job("patient", "true", nodeSelector={"pool": "late"}, tolerations=[]))
    seen.warning("patient")

    seen.cluster.nodes.append(Node("late-1", labels={"pool": "late"}))

    assert seen.condition("patient") == "Complete"


@pytest.mark.parametrize(
    ("capacity", "asked", "named"),
    [
        ({"nvidia.com/gpu": "1"}, {"limits": {"nvidia.com/gpu": "1"}}, "Insufficient nvidia.com/gpu"),
        ({"cpu": "1500m"}, {"requests": {"cpu": "1"}}, "Insufficient cpu"),
        ({"pods": "1"}, {}, "Too many pods"),
    ],
)
def test_what_is_taken_is_free_again_when_its_pod_is_over(
    seen: Seen, capacity: dict[str, str], asked: dict[str, Any], named: str
) -> None:
    seen.cluster.nodes = [worker(**capacity)]
    seen.run(job("first", *SLEEP, container={"resources": asked}))
    first = seen.running("first")

    seen.run(job("second", "true", container={"resources": asked}))
    waited = seen.warning("second")
    seen.cluster.kill(first)

    assert named in waited
    assert seen.condition("second") == "Complete"


def test_a_quota_of_pods_holds_a_job_back_until_there_is_room(seen: Seen) -> None:
    seen.cluster.namespace.most_pods = 1
    seen.run(job("first", *SLEEP))
    first = seen.running("first")

    seen.run(job("second", "true"))
    waited = seen.warning("second")
    seen.cluster.kill(first)

    assert "exceeded quota" in waited
    assert seen.condition("second") == "Complete"


def test_a_container_that_takes_more_memory_than_its_limit_is_killed(seen: Seen) -> None:
    greedy = "import time; data = bytearray(200 * 2**20); time.sleep(60)"
    limits = {"resources": {"limits": {"memory": "100Mi"}}}
    seen.run(job("greedy", sys.executable, "-S", "-c", greedy, container=limits))

    assert seen.condition("greedy") == "Failed"
    (pod,) = seen.pods("greedy")
    ended = pod.status.container_statuses[0].state.terminated
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)


def test_a_killed_container_takes_its_children_along(seen: Seen, tmp_path: Path) -> None:
    seen.run(job("parent", "sh", "-c", "sleep 61 & echo $! > child; wait"))
    pod = seen.running("parent")
    child = int(eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text(), "a child", 20))

    seen.cluster.kill(pod)

    assert seen.condition("parent") == "Failed"
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_an_evicted_pod_says_so(seen: Seen) -> None:
    seen.run(job("evicted", *SLEEP))

    seen.cluster.evict(seen.running("evicted"))

    assert seen.condition("evicted") == "Failed"
    assert seen.pods("evicted")[0].status.reason == "Evicted"


def test_a_lost_node_takes_its_pods_along_and_their_jobs_have_failed(seen: Seen) -> None:
    seen.run(job("unlucky", *SLEEP))
    seen.running("unlucky")

    seen.cluster.lose_node("worker-1")

    assert seen.condition("unlucky") == "Failed"
    assert seen.pods("unlucky") == []


def test_a_lost_job_has_never_been(seen: Seen) -> None:
    seen.run(job("lost", *SLEEP))
    process = seen.running("lost").container

    seen.cluster.lose_job("lost")

    with pytest.raises(ApiException) as missing:
        seen.status("lost")
    assert missing.value.status == 404
    assert process is not None
    assert process.exit_code == 137


def test_a_deleted_pod_may_say_good_bye(seen: Seen, tmp_path: Path) -> None:
    seen.run(job("polite", "sh", "-c", "trap 'echo bye > said; exit 0' TERM; echo ready; while :; do sleep 0.05; done"))
    pod = seen.running("polite")
    eventually(lambda: "ready" in seen.log("polite"), "its trap", 20)

    seen.core.delete_namespaced_pod(pod.name, NAMESPACE)

    eventually(lambda: not seen.pods("polite"), "its end", 20)
    assert (tmp_path / "said").read_text() == "bye\n"


def test_deleting_a_job_leaves_its_pods_unless_told_otherwise(seen: Seen) -> None:
    for name in ("left", "taken"):
        seen.run(job(name, *SLEEP, terminationGracePeriodSeconds=0))
        seen.running(name)

    seen.batch.delete_namespaced_job("left", NAMESPACE)
    seen.batch.delete_namespaced_job("taken", NAMESPACE, propagation_policy="Background")

    eventually(lambda: not seen.pods("taken"), "its end", 20)
    assert seen.pods("left")[0].status.phase == "Running"


@pytest.mark.parametrize(
    ("container", "pod", "named"),
    [
        ({"image": "image:2"}, {}, 'Failed: Back-off pulling image "image:2": not found'),
        ({"envFrom": [{"secretRef": {"name": "away"}}]}, {}, 'Failed: Error: secret "away" not found'),
        ({"envFrom": [{"configMapRef": {"name": "away"}}]}, {}, 'Failed: Error: configmap "away" not found'),
    ],
)
def test_a_container_that_lacks_something_waits_for_it(
    seen: Seen, container: dict[str, Any], pod: dict[str, Any], named: str
) -> None:
    seen.run(job("lacking", *SLEEP, container=container, **pod))

    assert seen.warning("lacking") == named
    assert seen.pods("lacking")[0].status.phase == "Pending"


def test_a_volume_needs_a_class_that_is_there(seen: Seen) -> None:
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "away",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    volume = {"name": "disk", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}

    seen.run(job("homeless", *SLEEP, volumes=[volume]))

    assert 'storageclass.storage.k8s.io "away" not found' in seen.warning("homeless")


def test_settings_secrets_and_volumes_reach_the_container(seen: Seen) -> None:
    seen.cluster.namespace.config_maps["settings"] = {"COLOUR": "green", "SIZE": "small"}
    seen.cluster.namespace.secrets["secrets"] = {"PASSWORD": "opensesame"}
    container = {
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "secrets"}}],
        "env": [{"name": "SIZE", "value": "large"}, {"name": "SCRATCH", "value": "/scratch/x"}],
        "volumeMounts": [{"name": "disk", "mountPath": "/scratch"}],
    }
    say = 'mkdir "$SCRATCH" && echo "$COLOUR $SIZE $PASSWORD"'
    seen.run(job("told", "sh", "-c", say, container=container, volumes=[{"name": "disk", "emptyDir": {}}]))

    assert seen.condition("told") == "Complete"
    assert seen.log("told") == "green large opensesame"


@pytest.mark.parametrize(("token", "code"), [("default", 403), ("stranger", 401)])
def test_an_account_may_do_what_it_was_given(seen: Seen, tmp_path: Path, token: str, code: int) -> None:
    config = (tmp_path / "all.kubeconfig").read_text().replace('token: "all"', f'token: "{token}"')
    (tmp_path / "other.kubeconfig").write_text(config)
    client = kubernetes.config.new_client_from_config(str(tmp_path / "other.kubeconfig"))

    with pytest.raises(ApiException) as refused:
        kubernetes.client.BatchV1Api(client).create_namespaced_job(NAMESPACE, job("mine", *SLEEP))

    assert refused.value.status == code
    assert seen.cluster.jobs == {}


def test_a_pod_without_a_token_has_no_way_to_the_api(seen: Seen) -> None:
    for name, mounted in (("with", True), ("without", False)):
        seen.run(job(name, "sh", "-c", "echo ${KUBECONFIG:-none}", automountServiceAccountToken=mounted))
        seen.condition(name)

    assert seen.log("with").endswith("default.kubeconfig")
    assert seen.log("without") == "none"


def test_the_api_may_be_away_for_some_requests(seen: Seen) -> None:
    seen.api.fail(2)

    for _ in range(2):
        with pytest.raises(ApiException) as away:
            seen.batch.list_namespaced_job(NAMESPACE)
        assert away.value.status == 503
    assert seen.batch.list_namespaced_job(NAMESPACE).items == []


def test_pods_may_start_late(seen: Seen) -> None:
    seen.cluster.pods_start_after_s = 3600.0
    seen.run(job("late", "true"))

    eventually(lambda: [pod for pod in seen.pods("late") if pod.spec.node_name], "its node", 20)

    assert seen.pods("late")[0].status.container_statuses[0].state.waiting.reason == "ContainerCreating"


def test_it_knows_nothing_of_the_platform() -> None:
    code = (
        "import sys, tests.peers.kubernetes.api; assert not [m for m in sys.modules if m.startswith('clip_platform')]"
    )
    folder = Path(__file__).parents[2]

    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_what_the_client_sends_is_what_was_checked(seen: Seen) -> None:
    container = kubernetes.client.V1Container(
        name="one",
        image="image:1",
        command=["true"],
        security_context=kubernetes.client.V1SecurityContext(run_as_user=0),
    )
    spec = kubernetes.client.V1PodSpec(restart_policy="Never", containers=[container])
    template = kubernetes.client.V1PodTemplateSpec(spec=spec)
    about = kubernetes.client.V1ObjectMeta(name="typed")
    body = kubernetes.client.V1Job(
        api_version="batch/v1", kind="Job", metadata=about, spec=kubernetes.client.V1JobSpec(template=template)
    )

    seen.batch.create_namespaced_job(NAMESPACE, body)

    assert "runAsUser=0" in seen.warning("typed")
