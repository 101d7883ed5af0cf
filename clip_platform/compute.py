"""Named pod shapes and pools. Assets name one of these; nothing else spells a node selector or a memory limit.

The tags are data for `dagster-k8s`; on one machine nothing reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GPU_POOL = "gpu"
ENCODE_POOL = "encode"
CPU_POOL = "cpu"

_SCRATCH_MOUNT = "/scratch"


def _shape(*, cpu: str, memory: str, scratch: str, node_pool: str, gpu: int = 0) -> Mapping[str, Any]:
    """Op tags of one pod shape. `cpu`, `memory` and `scratch` are Kubernetes quantities; limits equal requests for
    memory, so that a step is never evicted for another's greed."""
    limits: dict[str, Any] = {"memory": memory}
    if gpu:
        limits["nvidia.com/gpu"] = gpu
    tolerations = [{"key": "clip-platform/pool", "operator": "Equal", "value": node_pool, "effect": "NoSchedule"}]
    return {
        "dagster-k8s/config": {
            "container_config": {
                "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": limits},
                "volume_mounts": [{"name": "scratch", "mount_path": _SCRATCH_MOUNT}],
            },
            "pod_spec_config": {
                "node_selector": {"clip-platform/pool": node_pool},
                "tolerations": tolerations,
                "volumes": [{"name": "scratch", "empty_dir": {"size_limit": scratch}}],
            },
        }
    }


CPU = _shape(cpu="1", memory="4Gi", scratch="40Gi", node_pool="worker")
GPU = _shape(cpu="4", memory="16Gi", scratch="40Gi", node_pool="gpu", gpu=1)
ENCODE = _shape(cpu="4", memory="8Gi", scratch="60Gi", node_pool="worker")
