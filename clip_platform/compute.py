"""Named pod shapes and pools. Assets name one of these; nothing else spells a node selector or a memory limit.

A shape is a set of op tags for `dagster-k8s`; on one machine nothing reads them. What an installation decides, the
image of GPU steps and the class of scratch volumes, is added by `step_config` when the executor is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clip_platform.errors import InvalidSetting
from clip_platform.settings import PREFIX, Settings

GPU_POOL = "gpu"
ENCODE_POOL = "encode"
CPU_POOL = "cpu"

SHAPE_TAG = "clip-platform/shape"
NODE_POOL_LABEL = "clip-platform/pool"
"""Label of nodes, and key of the taint that keeps other pods off them; `worker` or `gpu`."""
STEP_SERVICE_ACCOUNT = "clip-platform-step"
"""Of steps: the store and the database, and nothing of Kubernetes. The run worker has one that may make Jobs."""

_USER_ID = 10001
_SCRATCH, _SCRATCH_MOUNT = "scratch", "/scratch"
_RUNTIME_DEFAULT = {"type": "RuntimeDefault"}


@dataclass(frozen=True, slots=True)
class Shape:
    """One size of pod. `cpu`, `memory` and `scratch` are Kubernetes quantities."""

    name: str
    cpu: str
    memory: str
    scratch: str
    node_pool: str
    gpus: int = 0


SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("cpu", cpu="1", memory="4Gi", scratch="40Gi", node_pool="worker"),
        Shape("gpu", cpu="4", memory="16Gi", scratch="40Gi", node_pool="gpu", gpus=1),
        Shape("encode", cpu="4", memory="8Gi", scratch="60Gi", node_pool="worker"),
    )
}


def _tags(shape: Shape) -> Mapping[str, Any]:
    return {
        SHAPE_TAG: shape.name,
        "dagster-k8s/config": {
            "container_config": {
                "resources": _resources(shape),
                "volume_mounts": [{"name": _SCRATCH, "mount_path": _SCRATCH_MOUNT}],
                # the root is read-only: whatever looks for a home, a cache or a temporary folder finds scratch
                "env": [{"name": name, "value": _SCRATCH_MOUNT} for name in (f"{PREFIX}SCRATCH", "HOME", "TMPDIR")],
                "security_context": {
                    "allow_privilege_escalation": False,
                    "read_only_root_filesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            },
            "pod_template_spec_metadata": {
                "labels": {SHAPE_TAG: shape.name},
                # a step lost to tidying up of nodes is made again
                "annotations": {
                    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                    "karpenter.sh/do-not-disrupt": "true",
                },
            },
            "pod_spec_config": {
                "automount_service_account_token": False,
                "node_selector": {NODE_POOL_LABEL: shape.node_pool},
                "tolerations": _tolerations(shape),
                "security_context": {
                    "run_as_non_root": True,
                    "run_as_user": _USER_ID,
                    "run_as_group": _USER_ID,
                    "fs_group": _USER_ID,
                    "seccomp_profile": _RUNTIME_DEFAULT,
                },
            },
        },
    }


def _resources(shape: Shape) -> Mapping[str, Any]:
    """Memory's limit is its request, so that no step is evicted for another's greed."""
    limits = {"memory": shape.memory}
    if shape.gpus:
        limits["nvidia.com/gpu"] = str(shape.gpus)
    return {"requests": {"cpu": shape.cpu, "memory": shape.memory}, "limits": limits}


def _tolerations(shape: Shape) -> list[Mapping[str, str]]:
    own = {"key": NODE_POOL_LABEL, "operator": "Equal", "value": shape.node_pool, "effect": "NoSchedule"}
    return [own, {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if shape.gpus else [own]


CPU = _tags(SHAPES["cpu"])
GPU = _tags(SHAPES["gpu"])
ENCODE = _tags(SHAPES["encode"])


def step_config(shape: Shape, settings: Settings) -> Mapping[str, Any]:
    """What an installation adds to the tags of a step of this shape.

    Raises:
        InvalidSetting: no class of encrypted volumes is named; scratch holds tenants' videos as they are.
    """
    if settings.scratch_storage_class is None:
        raise InvalidSetting(
            f"{PREFIX}EXECUTOR is kubernetes, but {PREFIX}SCRATCH_STORAGE_CLASS is not set; name a storage class whose "
            "volumes are encrypted"
        )
    claim = {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": settings.scratch_storage_class,
        "resources": {"requests": {"storage": shape.scratch}},
    }
    volume = {"name": _SCRATCH, "ephemeral": {"volume_claim_template": {"spec": claim}}}
    own_image = {"image": settings.gpu_image} if shape.gpus and settings.gpu_image else {}
    return {"container_config": own_image, "pod_spec_config": {"volumes": [volume]}}
