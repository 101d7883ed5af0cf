"""A cluster of Jobs, pods and nodes: what controllers, scheduler and kubelets of a real one do, in one thread.

Tests reach into it to break things.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import string
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.peers.kubernetes.containers import Container, Image, mounted
from tests.peers.kubernetes.nodes import Node, place
from tests.peers.kubernetes.objects import Refused, check_job, check_restricted
from tests.peers.kubernetes.quantities import amount

_TICK_S = 0.1
_LOOKS_AT_MEMORY_S = 1.0
_OVER = ("Succeeded", "Failed")


@dataclass
class Namespace:
    """What is there before the first Job. Images by name, storage classes by name with their parameters, service
    accounts with what they may do (`jobs:create`); `most_pods` is a quota."""

    name: str
    images: Mapping[str, Image]
    accounts: Mapping[str, frozenset[str]]
    config_maps: dict[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: dict[str, Mapping[str, str]] = field(default_factory=dict)
    storage_classes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    most_pods: int | None = None


@dataclass
class Pod:
    """`content` is the object as the API shows it."""

    content: dict[str, Any]
    container: Container | None = None
    starts_at: float | None = None
    kill_at: float | None = None

    @property
    def name(self) -> str:
        return str(self.content["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.content["metadata"]["labels"]
        return labels

    @property
    def phase(self) -> str:
        return str(self.content["status"]["phase"])

    @property
    def node(self) -> str | None:
        return self.content["spec"].get("nodeName")

    @property
    def is_over(self) -> bool:
        return self.phase in _OVER


class Cluster:
    """`folder` takes logs, volumes and kubeconfigs; `nodes` may be changed at any time."""

    def __init__(self, namespace: Namespace, nodes: Sequence[Node], folder: Path) -> None:
        self.namespace, self.nodes, self.folder = namespace, list(nodes), folder
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, Pod] = {}
        self.events: list[dict[str, Any]] = []
        self.ever_seen: list[dict[str, Any]] = []
        """Every Job that was ever taken, as it was posted."""
        self.pods_start_after_s = 0.0
        self.lock = threading.RLock()
        self._versions = itertools.count(1)
        self._stop = threading.Event()
        self._looked_at_memory = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="kubernetes", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            with self.lock:
                for job in list(self.jobs.values()):
                    self._sync_job(job)
                for pod in list(self.pods.values()):
                    self._sync_pod(pod)
        with self.lock:
            for pod in self.pods.values():
                self._end(pod)

    # what clients ask for

    def create_job(self, job: dict[str, Any]) -> dict[str, Any]:
        check_job(job)
        name = job["metadata"]["name"]
        with self.lock:
            if name in self.jobs:
                raise Refused(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
            self.ever_seen.append(job)
            template = job["spec"]["template"]
            own = {"job-name": name, "batch.kubernetes.io/job-name": name}
            template.setdefault("metadata", {}).setdefault("labels", {}).update(own)
            self.jobs[name] = {**job, "metadata": self._metadata(job["metadata"]), "status": {}}
            return self.jobs[name]

    def delete_job(self, name: str, *, with_pods: bool) -> dict[str, Any]:
        with self.lock:
            if name not in self.jobs:
                raise Refused(404, "NotFound", f'jobs.batch "{name}" not found')
            if with_pods:
                for pod in self._pods_of(name):
                    self.delete_pod(pod.name)
            return self.jobs.pop(name)

    def delete_pod(self, name: str) -> dict[str, Any]:
        """SIGTERM now, SIGKILL when its grace is over; gone when its container is."""
        with self.lock:
            pod = self.pods.get(name)
            if pod is None:
                raise Refused(404, "NotFound", f'pods "{name}" not found')
            if pod.kill_at is None:
                grace_s = pod.content["spec"].get("terminationGracePeriodSeconds", 30)
                pod.content["metadata"]["deletionTimestamp"] = _now()
                pod.kill_at = time.monotonic() + grace_s
                if pod.container is not None:
                    pod.container.send(signal.SIGTERM)
            return pod.content

    # what happens to clusters

    def kill(self, pod: Pod) -> None:
        """The container is ended at once, by nobody's decision."""
        with self.lock:
            assert pod.container is not None
            pod.container.send(signal.SIGKILL)

    def evict(self, pod: Pod, message: str = "The node was low on resource: memory.") -> None:
        """By the kubelet, without grace; the pod's object stays."""
        with self.lock:
            self._end(pod)
            pod.content["status"] |= {"phase": "Failed", "reason": "Evicted", "message": message}
            self._tell("Warning", "Evicted", message, pod.content)

    def lose_node(self, name: str) -> None:
        """The machine is off: its pods are gone, and so are their objects."""
        with self.lock:
            self.nodes = [node for node in self.nodes if node.name != name]
            for pod in [pod for pod in self.pods.values() if pod.node == name]:
                self._end(pod)
                self._remove(pod)

    def lose_job(self, name: str) -> None:
        """A Job and its pods, as if they had never been."""
        with self.lock:
            for pod in self._pods_of(name):
                self._end(pod)
                del self.pods[pod.name]
            del self.jobs[name]

    # how a test sees it

    def running_pods(self, **labels: str) -> list[Pod]:
        """With all these labels; `_` stands for the `/` of `dagster/…`."""
        wanted = {f"dagster/{key}".replace("_", "-"): value for key, value in labels.items()}
        with self.lock:
            return [
                pod
                for pod in self.pods.values()
                if pod.phase == "Running" and wanted.items() <= pod.labels.items() and pod.kill_at is None
            ]

    # controllers

    def _sync_job(self, job: dict[str, Any]) -> None:
        name, spec, status = job["metadata"]["name"], job["spec"], job["status"]
        pods = self._pods_of(name)
        active = [pod for pod in pods if not pod.is_over]
        status["succeeded"] = sum(pod.phase == "Succeeded" for pod in pods) + job.get("ended", 0)
        status["failed"] = sum(pod.phase == "Failed" for pod in pods) + job.get("lost", 0)
        status["active"] = len(active)
        if "conditions" in status:
            if active:
                return
            if time.monotonic() > job["over_at"] + spec.get("ttlSecondsAfterFinished", 10**9):
                for pod in pods:
                    self._end(pod)
                    del self.pods[pod.name]
                del self.jobs[name]
        elif status["succeeded"]:
            self._finish(job, "Complete", "CompletionsReached")
        elif status["failed"] > spec.get("backoffLimit", 6):
            self._finish(job, "Failed", "BackoffLimitExceeded")
        elif not active:
            self._create_pod(job)

    def _finish(self, job: dict[str, Any], kind: str, reason: str) -> None:
        job["over_at"] = time.monotonic()
        condition = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": _now()}
        job["status"]["conditions"] = [condition]
        if kind == "Complete":
            job["status"]["completionTime"] = _now()

    def _create_pod(self, job: dict[str, Any]) -> None:
        template = job["spec"]["template"]
        name = f"{job['metadata']['name']}-{''.join(random.choices(string.ascii_lowercase, k=5))}"
        metadata = self._metadata({**template["metadata"], "name": name})
        content = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template["spec"])}
        try:
            check_restricted(content)
            self._admit(content)
        except Refused as refused:
            self._tell("Warning", "FailedCreate", f"Error creating: {refused.message}", job)
            return
        content["status"] = {"phase": "Pending", "conditions": []}
        job["status"].setdefault("startTime", _now())
        self.pods[name] = Pod(content)

    def _admit(self, pod: Mapping[str, Any]) -> None:
        name, space = pod["metadata"]["name"], self.namespace
        account = pod["spec"].get("serviceAccountName", "default")
        if account not in space.accounts:
            raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: serviceaccount "{account}" not found')
        there = sum(not other.is_over for other in self.pods.values())
        if space.most_pods is not None and there >= space.most_pods:
            used = f"requested: pods=1, used: pods={there}, limited: pods={space.most_pods}"
            raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: exceeded quota: pods, {used}')

    def _sync_pod(self, pod: Pod) -> None:
        if pod.container is not None and not pod.is_over:
            self._watch(pod, pod.container)
        if pod.kill_at is not None:
            self._let_go(pod)
        elif pod.phase == "Pending":
            if pod.node is None:
                self._schedule(pod)
            elif pod.starts_at is not None and time.monotonic() >= pod.starts_at:
                self._start(pod)

    def _schedule(self, pod: Pod) -> None:
        others: dict[str, list[Mapping[str, Any]]] = {}
        for other in self.pods.values():
            if other.node is not None and not other.is_over:
                others.setdefault(other.node, []).append(other.content)
        try:
            self._bind_volumes(pod)
            pod.content["spec"]["nodeName"] = place(pod.content, self.nodes, others)
        except LookupError as nowhere:
            said = str(nowhere.args[0])
            self._condition(pod, "PodScheduled", "False", "Unschedulable", said)
            self._tell("Warning", "FailedScheduling", said, pod.content)
        else:
            self._condition(pod, "PodScheduled", "True", None, None)
            pod.starts_at = time.monotonic() + self.pods_start_after_s
            self._container_state(pod, {"waiting": {"reason": "ContainerCreating"}})

    def _bind_volumes(self, pod: Pod) -> None:
        for volume in pod.content["spec"].get("volumes") or ():
            claim = volume.get("ephemeral", {}).get("volumeClaimTemplate", {}).get("spec")
            if claim is not None and claim.get("storageClassName") not in self.namespace.storage_classes:
                missing = f'storageclass.storage.k8s.io "{claim.get("storageClassName")}" not found'
                raise LookupError(f"pod has unbound immediate PersistentVolumeClaims: {missing}.")

    def _start(self, pod: Pod) -> None:
        container = pod.content["spec"]["containers"][0]
        image = self.namespace.images.get(container["image"])
        if image is None:
            said = f'Back-off pulling image "{container["image"]}": not found'
            self._container_state(pod, {"waiting": {"reason": "ImagePullBackOff", "message": said}})
            self._tell("Warning", "Failed", said, pod.content)
            return
        try:
            environment = self._environment(container)
        except LookupError as missing:
            said = str(missing.args[0])
            self._container_state(pod, {"waiting": {"reason": "CreateContainerConfigError", "message": said}})
            self._tell("Warning", "Failed", f"Error: {said}", pod.content)
            return
        mounts = {}
        for mount in container.get("volumeMounts") or ():
            mounts[mount["mountPath"]] = self.folder / "volumes" / pod.name / mount["name"]
            mounts[mount["mountPath"]].mkdir(parents=True)
        command = [*(container.get("command") or ()), *(container.get("args") or ())]
        variables = mounted(environment, mounts) | self._token(pod) | {"HOSTNAME": pod.name}
        pod.container = Container(command, image, variables, self.folder / f"{pod.name}.log")
        pod.content["status"]["phase"] = "Running"
        self._container_state(pod, {"running": {"startedAt": _now()}})

    def _environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        space = self.namespace
        variables: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            kind, reference = next(iter(source.items()))
            there = {"configMapRef": space.config_maps, "secretRef": space.secrets}[kind]
            if reference["name"] not in there:
                raise LookupError(f'{kind.removesuffix("Ref").lower()} "{reference["name"]}" not found')
            variables |= there[reference["name"]]
        for variable in container.get("env") or ():
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                if reference["name"] not in space.secrets:
                    raise LookupError(f'secret "{reference["name"]}" not found')
                variables[variable["name"]] = space.secrets[reference["name"]][reference["key"]]
            else:
                variables[variable["name"]] = variable.get("value", "")
        return variables

    def _token(self, pod: Pod) -> dict[str, str]:
        """The way to the API, where a pod has one; in a real one that is a folder in its container."""
        spec = pod.content["spec"]
        account = spec.get("serviceAccountName", "default")
        is_there = spec.get("automountServiceAccountToken", True)
        return {"KUBECONFIG": str(self.folder / f"{account}.kubeconfig")} if is_there else {}

    def _watch(self, pod: Pod, container: Container) -> None:
        limit = (pod.content["spec"]["containers"][0].get("resources") or {}).get("limits", {}).get("memory")
        if limit is not None and time.monotonic() > self._looked_at_memory + _LOOKS_AT_MEMORY_S:
            self._looked_at_memory = time.monotonic()
            if container.resident_bytes() > amount(limit):
                container.send(signal.SIGKILL, "OOMKilled")
        code = container.exit_code
        if code is None:
            return
        container.bury()
        pod.content["status"]["phase"] = "Failed" if code else "Succeeded"
        reason = container.ended_by or ("Error" if code else "Completed")
        self._container_state(pod, {"terminated": {"exitCode": code, "reason": reason, "finishedAt": _now()}})

    def _let_go(self, pod: Pod) -> None:
        assert pod.kill_at is not None
        if pod.container is not None and not pod.is_over:
            if time.monotonic() >= pod.kill_at:
                pod.container.send(signal.SIGKILL)
            return
        self._remove(pod)

    def _remove(self, pod: Pod) -> None:
        """Its end still counts; a pod that goes before it has ended counts as one that failed."""
        job = self.jobs.get(pod.labels["job-name"])
        if job is not None:
            counted = "ended" if pod.phase == "Succeeded" else "lost"
            job[counted] = job.get(counted, 0) + 1
        del self.pods[pod.name]

    def _end(self, pod: Pod) -> None:
        if pod.container is not None and not pod.is_over:
            pod.container.send(signal.SIGKILL)
            pod.container.bury()

    def _pods_of(self, job: str) -> list[Pod]:
        return [pod for pod in self.pods.values() if pod.labels["job-name"] == job]

    def _condition(self, pod: Pod, kind: str, status: str, reason: str | None, message: str | None) -> None:
        told = {"type": kind, "status": status, "reason": reason, "message": message}
        kept = [one for one in pod.content["status"]["conditions"] if one["type"] != kind]
        pod.content["status"]["conditions"] = [*kept, {key: value for key, value in told.items() if value is not None}]

    def _container_state(self, pod: Pod, state: Mapping[str, Any]) -> None:
        container = pod.content["spec"]["containers"][0]
        about = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        pod.content["status"]["containerStatuses"] = [{**about, "ready": "running" in state, "state": dict(state)}]

    def _tell(self, kind: str, reason: str, message: str, of: Mapping[str, Any]) -> None:
        about = {"kind": of["kind"], "name": of["metadata"]["name"], "namespace": self.namespace.name}
        for event in self.events:
            if (event["involvedObject"], event["reason"], event["message"]) == (about, reason, message):
                event["count"] += 1
                return
        told = {"type": kind, "reason": reason, "message": message, "count": 1}
        metadata = self._metadata({"name": f"{about['name']}.{len(self.events):x}"})
        self.events.append({"metadata": metadata, "involvedObject": about, **told})

    def _metadata(self, given: Mapping[str, Any]) -> dict[str, Any]:
        own = {"namespace": self.namespace.name, "uid": os.urandom(8).hex(), "creationTimestamp": _now()}
        return {**given, **own, "resourceVersion": str(next(self._versions))}


def eventually(there: Callable[[], Any], what: str, within_s: float) -> Any:
    """What `there` gives as soon as it gives something.

    Raises:
        TimeoutError.
    """
    until = time.monotonic() + within_s
    while not (found := there()):
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {within_s:g} s")
        time.sleep(0.1)
    return found


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
