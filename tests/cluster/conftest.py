"""A small stand-in of a cluster, seen through the official client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from tests.peers.kubernetes.api import Api, serving
from tests.peers.kubernetes.cluster import Cluster, Namespace, Pod, eventually
from tests.peers.kubernetes.containers import Image
from tests.peers.kubernetes.nodes import Node

NAMESPACE = "there"
EVERYTHING = frozenset(
    f"{kind}:{verb}"
    for kind in ("jobs", "jobs/status", "pods", "pods/log", "pods/eviction", "events")
    for verb in ("create", "get", "list", "delete")
)
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
ON_WORKERS = {
    "nodeSelector": {"pool": "worker"},
    "tolerations": [{"key": "pool", "operator": "Equal", "value": "worker", "effect": "NoSchedule"}],
}


def worker(name: str = "worker-1", **capacity: str) -> Node:
    there = {"cpu": "4", "memory": "8Gi", "pods": "10"} | capacity
    return Node(name, labels={"pool": "worker"}, taints={"pool": "worker"}, capacity=there)


def job(name: str, *command: str, container: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    """A Job of one pod that takes any node of the workers."""
    one = {"name": "one", "image": "image:1", "command": list(command), "securityContext": RESTRICTED}
    spec = {"restartPolicy": "Never", "containers": [one | (container or {})], **ON_WORKERS, **pod}
    template = {"metadata": {"labels": {"of": name}}, "spec": spec}
    about = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": {"of": name}}}
    return {**about, "spec": {"backoffLimit": 0, "template": template}}


@dataclass
class Seen:
    """`batch` and `core` are the client's."""

    cluster: Cluster
    api: Api
    batch: kubernetes.client.BatchV1Api
    core: kubernetes.client.CoreV1Api

    def run(self, wanted: dict[str, Any]) -> None:
        self.batch.create_namespaced_job(NAMESPACE, wanted)

    def status(self, name: str) -> Any:
        return self.batch.read_namespaced_job_status(name, NAMESPACE).status

    def condition(self, name: str, within_s: float = 20.0) -> str:
        """`Complete` or `Failed`, once it is one of them."""
        return eventually(lambda: self.status(name).conditions, f"the end of {name}", within_s)[0].type

    def pods(self, name: str) -> list[Any]:
        return self.core.list_namespaced_pod(NAMESPACE, label_selector=f"job-name={name}").items

    def log(self, name: str) -> str:
        """What the Job's only pod has said."""
        (pod,) = self.pods(name)
        # as bytes: for text the client gives their representation
        said = self.core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE, _preload_content=False)
        return said.data.decode()

    def running(self, name: str) -> Pod:
        def pod() -> Pod | None:
            return next((one for one in self.cluster.running_pods() if one.labels["job-name"] == name), None)

        return eventually(pod, f"a running pod of {name}", 20.0)

    def warning(self, name: str) -> str:
        """The first one about the Job or its pods."""

        def said() -> str | None:
            events = self.core.list_namespaced_event(NAMESPACE).items
            about = [one for one in events if one.involved_object.name.startswith(name) and one.type == "Warning"]
            return f"{about[0].reason}: {about[0].message}" if about else None

        return eventually(said, f"a warning about {name}", 20.0)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """One worker; the account `all` may do everything."""
    accounts = {"all": EVERYTHING, "default": frozenset[str]()}
    namespace = Namespace(NAMESPACE, {"image:1": Image({"PATH": "/usr/bin:/bin"}, tmp_path)}, accounts)
    cluster = Cluster(namespace, [worker()], tmp_path)
    with serving(cluster) as api:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "all.kubeconfig"))
        kubernetes.config.load_kube_config(str(tmp_path / "all.kubeconfig"))
        yield Seen(cluster, api, kubernetes.client.BatchV1Api(), kubernetes.client.CoreV1Api())
