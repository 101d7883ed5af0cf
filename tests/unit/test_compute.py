"""Every step of a cluster is a pod whose shape has a name; what it may do is little."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from clip_platform import compute
from clip_platform.compute import SHAPE_TAG, SHAPES, step_config
from clip_platform.definitions import build_definitions
from clip_platform.errors import InvalidSetting
from clip_platform.jobs import LEARNING, STEPS
from clip_platform.settings import Settings

TAGS: Mapping[str, Mapping[str, Any]] = {"cpu": compute.CPU, "gpu": compute.GPU, "encode": compute.ENCODE}
CLUSTER = Settings(scratch_storage_class="encrypted", gpu_image="registry/gpu:1")


@pytest.mark.parametrize("step", [*STEPS, *LEARNING], ids=lambda step: step.op.name)
def test_every_step_has_a_shape_and_a_pool(step: Any) -> None:
    assert step.op.tags[SHAPE_TAG] in SHAPES
    assert step.op.pool in {compute.CPU_POOL, compute.GPU_POOL, compute.ENCODE_POOL}


@pytest.mark.parametrize("name", SHAPES)
def test_a_steps_memory_is_limited_to_what_it_asks_for(name: str) -> None:
    resources = TAGS[name]["dagster-k8s/config"]["container_config"]["resources"]

    assert resources["limits"]["memory"] == resources["requests"]["memory"]
    assert ("nvidia.com/gpu" in resources["limits"]) == (name == "gpu")


def test_only_steps_for_a_gpu_go_where_gpus_are() -> None:
    pools = {name: tags["dagster-k8s/config"]["pod_spec_config"]["node_selector"] for name, tags in TAGS.items()}

    assert pools["gpu"] == {compute.NODE_POOL_LABEL: "gpu"}
    assert pools["cpu"] == pools["encode"] == {compute.NODE_POOL_LABEL: "worker"}


def test_only_steps_for_a_gpu_have_the_gpu_image() -> None:
    images = {name: step_config(shape, CLUSTER)["container_config"].get("image") for name, shape in SHAPES.items()}

    assert images == {"cpu": None, "gpu": "registry/gpu:1", "encode": None}


@pytest.mark.parametrize("name", SHAPES)
def test_scratch_is_a_volume_of_its_own_in_the_class_that_is_set(name: str) -> None:
    (volume,) = step_config(SHAPES[name], CLUSTER)["pod_spec_config"]["volumes"]

    claim = volume["ephemeral"]["volume_claim_template"]["spec"]
    assert claim["storage_class_name"] == "encrypted"
    assert claim["resources"]["requests"]["storage"] == SHAPES[name].scratch


def test_without_a_class_of_encrypted_volumes_a_cluster_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIP_PLATFORM_EXECUTOR", "kubernetes")

    with pytest.raises(InvalidSetting, match="CLIP_PLATFORM_SCRATCH_STORAGE_CLASS is not set; name a storage class"):
        build_definitions()


def test_a_setting_says_where_steps_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    here = build_definitions().resolve_job_def("process_video").executor_def
    monkeypatch.setenv("CLIP_PLATFORM_EXECUTOR", "kubernetes")
    monkeypatch.setenv("CLIP_PLATFORM_SCRATCH_STORAGE_CLASS", "encrypted")
    there = build_definitions()

    assert here.name == "in_process"
    assert there.resolve_job_def("process_video").executor_def.name == "k8s"
    assert there.resolve_job_def("requeue_video").executor_def.name == "in_process"


def test_the_code_location_loads_where_nothing_of_a_gpu_is_installed() -> None:
    absent = ["torch", "nemo", "insightface", "onnxruntime", "cv2"]
    code = f"""
import os, sys
for name in {absent}:
    sys.modules[name] = None  # an import of it fails
from clip_platform.definitions import build_definitions
jobs = build_definitions().get_repository_def().job_names
assert "process_video" in jobs, jobs
"""
    cluster = {"CLIP_PLATFORM_EXECUTOR": "kubernetes", "CLIP_PLATFORM_SCRATCH_STORAGE_CLASS": "encrypted"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=cluster, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
