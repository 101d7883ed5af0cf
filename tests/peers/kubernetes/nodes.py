"""Nodes, and which of them takes a pod: taints, selectors, and what is still free. The words are the scheduler's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.peers.kubernetes.quantities import amounts


@dataclass(frozen=True)
class Node:
    """`taints` are key and value, all of effect NoSchedule; `capacity` is in Kubernetes' quantities."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, str] = field(default_factory=lambda: {"cpu": "8", "memory": "32Gi", "pods": "20"})


def place(pod: Mapping[str, Any], nodes: Sequence[Node], others: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The name of the first node that takes the pod.

    Args:
        others: by node, the pods that are there and not over.

    Raises:
        LookupError: why none does.
    """
    reasons: Counter[str] = Counter()
    for node in nodes:
        against = _against(pod["spec"], node, others.get(node.name, ()))
        if not against:
            return node.name
        reasons.update(against)
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    raise LookupError(
        f"0/{len(nodes)} nodes are available: {said}." if nodes else "no nodes available to schedule pods"
    )


def _against(spec: Mapping[str, Any], node: Node, others: Sequence[Mapping[str, Any]]) -> list[str]:
    for key, value in node.taints.items():
        if not any(_tolerates(one, key, value) for one in spec.get("tolerations") or ()):
            return [f"node(s) had untolerated taint {{{key}: {value}}}"]
    if any(node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    free = amounts(node.capacity)
    for other in others:
        for name, amount in requests(other["spec"]).items():
            free[name] = free.get(name, Fraction(0)) - amount
    short = [name for name, amount in requests(spec).items() if amount > free.get(name, Fraction(0))]
    return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in short]


def _tolerates(toleration: Mapping[str, str], key: str, value: str) -> bool:
    if toleration.get("effect", "NoSchedule") != "NoSchedule" or toleration.get("key", key) != key:
        return False
    return toleration.get("operator", "Equal") == "Exists" or toleration.get("value", "") == value


def requests(spec: Mapping[str, Any]) -> dict[str, Fraction]:
    """What a pod takes of its node; a limit without a request is one."""
    total = {"pods": Fraction(1)}
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        for name, amount in (amounts(resources.get("limits")) | amounts(resources.get("requests"))).items():
            total[name] = total.get(name, Fraction(0)) + amount
    return total
