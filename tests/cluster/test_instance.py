"""`deploy/dagster.yaml` is an instance that Dagster accepts, on a real Postgres, and means what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from clip_platform import compute
from clip_platform.database import roles
from clip_platform.embedded.postgres import Server
from clip_platform.sensors.uploads import TENANT_TAG
from clip_platform.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy/dagster.yaml"
EMBEDDED = ROOT / "clip_platform/embedded/dagster.yaml"
VENV = Path(sys.executable).parent
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
"""
OF_ONE_MACHINE = {"run_retries", "run_monitoring", "concurrency", "run_coordinator"}


def variables(server: Server) -> dict[str, str]:
    return {
        "DAGSTER_POSTGRES_URL": server.url(roles.DAGSTER, "dagster", driver="postgresql+psycopg2"),
        "DAGSTER_NAMESPACE": "clip-platform",
        "DAGSTER_LOG_BUCKET": "logs",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }


@pytest.fixture
def home(embedded_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in variables(embedded_postgres).items():
        monkeypatch.setenv(name, value)
    write(tmp_path, read(DEPLOYED))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, content: dict[str, Any]) -> None:
    """But for where the API is: no pod of a cluster runs this."""
    (home / "kubeconfig").write_text(KUBECONFIG)
    here = {"load_incluster_config": False, "kubeconfig_file": str(home / "kubeconfig")}
    content["run_launcher"]["config"] |= here
    (home / "dagster.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as loaded:
        yield loaded


def load(home: Path) -> None:
    """All of it: Dagster reads most of it when it is first used."""
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as one:
        assert one.run_storage
        assert one.compute_log_manager
        assert one.run_launcher


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def test_no_tenant_fills_the_cluster(instance: dg.DagsterInstance) -> None:
    queue = instance.get_concurrency_config().run_queue_config

    assert queue is not None
    assert queue.tag_concurrency_limits == [
        {"key": TENANT_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 12}
    ]
    assert queue.max_concurrent_runs > Settings().concurrent_videos


def test_lost_run_workers_are_noticed(instance: dg.DagsterInstance) -> None:
    assert instance.run_monitoring_enabled
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_step_without_a_token_for_the_api_can_load_it(home: Path) -> None:
    (home / "dagster.yaml").write_text(DEPLOYED.read_text())

    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as one:
        assert one.get_runs(limit=1) == []


def test_what_steps_say_goes_to_s3(instance: dg.DagsterInstance) -> None:
    logs = instance.compute_log_manager

    assert isinstance(logs, S3ComputeLogManager)
    assert logs.upload_interval == 30  # a killed step's words are there, but for the last ones


def test_pools_are_set_by_one_command(instance: dg.DagsterInstance) -> None:
    slots = {"GPU_SLOTS": "2", "ENCODE_SLOTS": "7", "PATH": f"{VENV}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / "deploy/set-pools"], env={**os.environ, **slots}, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert limits[compute.GPU_POOL] == 2
    assert limits[compute.ENCODE_POOL] == 7


@pytest.mark.parametrize("missing", sorted(set(re.findall(r"env: (\w+)", DEPLOYED.read_text()))))
def test_a_variable_that_is_not_set_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)

    with pytest.raises(dg.DagsterInvalidConfigError, match=missing):
        load(home)


@pytest.mark.parametrize("wrong", ["run_launcher: {module: dagster_k8s, class: K8sRunLauncher, config: {image: x}}"])
def test_a_key_that_dagster_does_not_know_is_refused(home: Path, wrong: str) -> None:
    write(home, read(DEPLOYED) | yaml.safe_load(wrong))

    with pytest.raises(dg.DagsterInvalidConfigError, match="image"):
        load(home)


def test_it_says_the_same_as_the_one_of_one_machine_where_there_is_no_reason_not_to() -> None:
    here, there = read(EMBEDDED), read(DEPLOYED)

    assert set(here) <= set(there)
    assert {key: there[key] for key in here if key not in OF_ONE_MACHINE and key != "retention"} == {
        key: here[key] for key in here if key not in OF_ONE_MACHINE and key != "retention"
    }
    assert there["retention"]["sensor"] == here["retention"]["sensor"]
    assert there["run_coordinator"]["class"] == here["run_coordinator"]["class"]
    assert there["concurrency"]["pools"]["granularity"] == here["concurrency"]["pools"]["granularity"]
