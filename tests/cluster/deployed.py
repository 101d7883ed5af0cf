"""The platform on a stand-in of a cluster: `deploy/dagster.yaml`, Dagster's daemon with its code server, a Postgres, a
store for logs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from moto.server import ThreadedMotoServer

from clip_platform.database import clips, results, roles, tenants, video_log, videos
from clip_platform.database.connection import Database
from clip_platform.database.schema import migrate
from clip_platform.database.videos import VideoRow
from clip_platform.delivery.packages import ClipPackages
from clip_platform.embedded.postgres import EmbeddedPostgres, Server
from clip_platform.encryption.opening import keys_at
from clip_platform.identifiers import new_ulid
from clip_platform.storage import artifacts
from clip_platform.storage.objects import ObjectStore, open_store
from clip_platform.upload.preferences import Preferences
from clip_platform.upload.states import VideoState
from tests.peers.kubernetes.api import Api, serving
from tests.peers.kubernetes.cluster import Cluster, Namespace, Pod
from tests.peers.kubernetes.containers import Image
from tests.peers.kubernetes.nodes import Node
from tests.peers.processes import running

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy/dagster.yaml"
PREFERENCES = Preferences(clips=1, min_s=3.0, max_s=8.0)
NAMESPACE, RUN_ACCOUNT, STEP_ACCOUNT, DAEMON_ACCOUNT = (
    "clip-platform",
    "clip-platform-run",
    "clip-platform-step",
    "clip-platform-daemon",
)
PIPELINE_IMAGE, GPU_IMAGE = "registry.example/clip-platform/pipeline:1", "registry.example/clip-platform/gpu:1"
WORKER = Node(
    "worker-1",
    labels={"clip-platform/pool": "worker"},
    taints={"clip-platform/pool": "worker"},
    capacity={"cpu": "16", "memory": "64Gi", "pods": "20"},
)
GPU = Node(
    "gpu-1",
    labels={"clip-platform/pool": "gpu"},
    taints={"clip-platform/pool": "gpu", "nvidia.com/gpu": "present"},
    capacity={"cpu": "16", "memory": "64Gi", "pods": "20", "nvidia.com/gpu": "2"},
)
_LAUNCHES = frozenset({"jobs:create", "jobs:get", "jobs:list", "jobs:delete", "jobs/status:get"})
_LOOKS = frozenset({"pods:get", "pods:list", "pods:delete", "pods/log:get", "events:list"})
ACCOUNTS = {RUN_ACCOUNT: _LAUNCHES | _LOOKS, DAEMON_ACCOUNT: _LAUNCHES | _LOOKS, STEP_ACCOUNT: frozenset[str]()}
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # of the stand-in for S3


def image() -> Image:
    """This environment, and nothing that tests or people have set."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return Image({"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), *_python_path()]), "LC_ALL": "C.UTF-8"}, ROOT)


def _python_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


@dataclass
class Platform:
    """What a test sees of it."""

    cluster: Cluster
    api: Api
    instance: dg.DagsterInstance
    database: Database
    store: ObjectStore
    logs: Any
    daemon_log: Path

    def submit(self, tenant_id: str, file: Path) -> VideoRow:
        tenants.ensure(self.database, tenant_id, tenant_id)
        video_id = new_ulid()
        source = self.store.put_file(f"{tenant_id}/videos/{video_id}/source/x", file)
        wanted = {"name": file.name, "preferences": PREFERENCES.as_mapping()}
        return videos.register(self.database, tenant_id, video_id=video_id, source=source, **wanted)

    def row(self, video: VideoRow) -> VideoRow:
        return videos.get(self.database, video.tenant_id, video.video_id)

    def ended(self, video: VideoRow, within_s: float) -> VideoRow:
        """The row once it is complete or dead-lettered."""
        return self.waits(
            lambda: row if (row := self.row(video)).state in (VideoState.COMPLETED, VideoState.DEAD_LETTERED) else None,
            f"the end of video {video.video_id}",
            within_s,
        )

    def step_pod(self, step: str, within_s: float, **labels: str) -> Pod:
        """The pod of a step that is running."""
        pods = self.waits(lambda: self.cluster.running_pods(op=step, **labels), f"a pod of step {step}", within_s)
        return pods[0]

    def run_worker(self, run: dg.DagsterRun) -> Pod:
        """The pod that works on the run."""
        pods = self.cluster.running_pods(run_id=run.run_id)
        return next(pod for pod in pods if pod.labels["app.kubernetes.io/component"] == "run_worker")

    def pod_specs(self, run: dg.DagsterRun) -> dict[str, dict[str, Any]]:
        """Of all pods there were for the run, by step; the run worker's is `run`."""
        specs = {}
        for job in self.cluster.ever_seen:
            if job["metadata"]["labels"]["dagster/run-id"] == run.run_id:
                name = job["metadata"]["labels"].get("dagster/op", "run")
                assert name not in specs, f"{name} was made twice"
                specs[name] = job["spec"]["template"]["spec"]
        return specs

    def log_keys(self, run: dg.DagsterRun) -> list[str]:
        """Of what the run's processes printed."""
        objects = self.logs.list_objects_v2(Bucket="logs", Prefix=f"dagster/storage/{run.run_id}/")
        return [one["Key"] for one in objects.get("Contents", [])]

    def resumed(self, video: VideoRow) -> set[str]:
        """Stages of which something was taken from an earlier attempt."""
        with self.database.tenant_transaction(video.tenant_id) as connection:
            said = video_log.page(connection, video.video_id, 1000)
        return {line.stage for line in said if "taken from an earlier attempt" in line.message}

    def waits(self, there: Any, what: str, within_s: float) -> Any:
        until = time.monotonic() + within_s
        while not (found := there()):
            if time.monotonic() > until:
                raise TimeoutError(f"{what}: not within {within_s:g} s\n{self.story()}")
            time.sleep(0.5)
        return found

    def runs(self, video: VideoRow) -> list[dg.DagsterRun]:
        """Of the video, the oldest first."""
        found = self.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": video.video_id}))
        return list(reversed(list(found)))

    def events(self, run: dg.DagsterRun) -> list[str]:
        """What the run's log says."""
        return [entry.message or entry.user_message for entry in self.instance.all_logs(run.run_id)]

    def published(self, video: VideoRow) -> list[str]:
        """Ids of the clips that the tenant sees."""
        return [clip.clip_id for clip in clips.list_clips(self.database, video.tenant_id, video.video_id)]

    def files(self, video: VideoRow) -> dict[str, str]:
        """Name and SHA-256 of everything that is handed over."""
        result = results.current(self.database, video.tenant_id, video.video_id, "clip_packages")
        assert result is not None
        packages = artifacts.decode(ClipPackages, self.store.get_bytes(result.artifact))
        return {name: stored.sha256 for name, stored in packages.files.items()}

    def story(self) -> str:
        """What there is to know when a test fails."""
        lines = [f"{pod.name} {pod.labels.get('dagster/op', 'run')} {pod.phase}" for pod in self.cluster.pods.values()]
        lines += [f"{event['reason']}: {event['message']}" for event in self.cluster.events[-10:]]
        for run in self.instance.get_runs(limit=3):
            lines += [f"run {run.run_id[:8]} {run.status.value}", *self.events(run)[-15:]]
        return "\n".join([*lines, self.daemon_log.read_text(errors="replace")[-1500:]])


@contextmanager
def deployed(folder: Path) -> Iterator[Platform]:
    """Everything runs, and nothing is submitted."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(folder / "machine").running())
        migrate(server.url(roles.OWNER, roles.APPLICATION_DATABASE))
        logs = ThreadedMotoServer(port=0, verbose=False)
        logs.start()
        stack.callback(logs.stop)
        host, port = logs.get_host_and_port()
        settings, secrets = _settings(folder, server, f"http://{host}:{port}"), _secrets(server)
        bucket = _make_bucket(settings)
        namespace = Namespace(
            NAMESPACE,
            images={PIPELINE_IMAGE: image(), GPU_IMAGE: image()},
            accounts=ACCOUNTS,
            config_maps={"clip-platform-settings": settings},
            secrets=secrets,
            storage_classes={"clip-platform-scratch": {"encrypted": "true"}},
        )
        cluster = Cluster(namespace, [WORKER, GPU], folder)
        api = stack.enter_context(serving(cluster))
        home = _dagster_home(folder)
        variables = settings | secrets["clip-platform-dagster"] | secrets["clip-platform-pipeline"]
        stack.enter_context(_environment(variables))
        store = open_store(settings["CLIP_PLATFORM_OBJECT_STORE_URL"], _keys(settings).tenants)
        instance = stack.enter_context(dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))))
        database = Database(server.url(roles.PIPELINE, roles.APPLICATION_DATABASE))
        stack.callback(database.close)
        daemon = _daemon(home, server, folder / f"{DAEMON_ACCOUNT}.kubeconfig")
        log = folder / "daemon.log"
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "clip_platform.definitions"]
        stack.enter_context(running(command, log, daemon))
        yield Platform(cluster, api, instance, database, store, bucket, log)


def _settings(folder: Path, server: Server, logs: str) -> dict[str, str]:
    return {
        "CLIP_PLATFORM_EXECUTOR": "kubernetes",
        "CLIP_PLATFORM_GPU_IMAGE": GPU_IMAGE,
        "CLIP_PLATFORM_SCRATCH_STORAGE_CLASS": "clip-platform-scratch",
        "CLIP_PLATFORM_DATABASE_HOST": server.host,
        "CLIP_PLATFORM_DATABASE_PORT": str(server.port),
        "CLIP_PLATFORM_DATABASE_NAME": roles.APPLICATION_DATABASE,
        "CLIP_PLATFORM_OBJECT_STORE_URL": (folder / "objects").as_uri(),
        "CLIP_PLATFORM_MASTER_KEY": (folder / "master.json").as_uri(),
        "CLIP_PLATFORM_KEYS_URL": (folder / "keys").as_uri(),
        "CLIP_PLATFORM_SPEECH_ENGINE": "pocketsphinx",
        "DAGSTER_NAMESPACE": NAMESPACE,
        "DAGSTER_LOG_BUCKET": "logs",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_S3": logs,
    }


def _secrets(server: Server) -> dict[str, Mapping[str, str]]:
    url = server.url(roles.DAGSTER, "dagster", driver="postgresql+psycopg2")
    opened = {"PIPELINE": roles.PIPELINE, "LEARNER": roles.LEARNER, "RESCORER": roles.RESCORER}
    passwords = {f"CLIP_PLATFORM_DATABASE_{name}_PASSWORD": server.password(role) for name, role in opened.items()}
    return {"clip-platform-dagster": {"DAGSTER_POSTGRES_URL": url, **_CREDENTIALS}, "clip-platform-pipeline": passwords}


def _dagster_home(folder: Path) -> Path:
    """`deploy/dagster.yaml` but for what is of this machine, and for how often things are looked at."""
    content = yaml.safe_load(DEPLOYED.read_text())
    content["run_launcher"]["config"] |= {"load_incluster_config": False}  # KUBECONFIG is where the API is
    content["compute_logs"]["config"]["local_dir"] = str(folder / "logs")
    content["run_monitoring"]["poll_interval_seconds"] = 3
    content["code_servers"] = {"local_startup_timeout": 900}  # this machine may be busy
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(content))
    return home


def _daemon(home: Path, server: Server, kubeconfig: Path) -> Mapping[str, str]:
    """Its environment; its code server alone has the sensors' password."""
    return {
        **image().environment,
        "DAGSTER_HOME": str(home),
        "DAGSTER_CURRENT_IMAGE": PIPELINE_IMAGE,
        "KUBECONFIG": str(kubeconfig),
        "CLIP_PLATFORM_DATABASE_SENSORS_PASSWORD": server.password(roles.SENSORS),
    }


def _keys(settings: Mapping[str, str]) -> Any:
    return keys_at(settings["CLIP_PLATFORM_MASTER_KEY"], settings["CLIP_PLATFORM_KEYS_URL"], make=True)


def _make_bucket(settings: Mapping[str, str]) -> Any:
    """The client that made it."""
    client = boto3.client(
        "s3",
        endpoint_url=settings["AWS_ENDPOINT_URL_S3"],
        region_name=settings["AWS_DEFAULT_REGION"],
        aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    place = {"LocationConstraint": settings["AWS_DEFAULT_REGION"]}
    client.create_bucket(Bucket=settings["DAGSTER_LOG_BUCKET"], CreateBucketConfiguration=place)
    return client


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def embedded_files(file: Path, folder: Path) -> Path:
    """The folder of what the command makes of the file on one machine."""
    options = ["--clips", str(PREFERENCES.clips), "--min-s", str(PREFERENCES.min_s), "--max-s", str(PREFERENCES.max_s)]
    own = {"CLIP_PLATFORM_HOME": str(folder / "home"), "CLIP_PLATFORM_SPEECH_ENGINE": "pocketsphinx"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLIP_PLATFORM_", "DAGSTER_"))}
    command = [sys.executable, "-m", "clip_platform", "process", str(file), *options, "--out", str(folder / "out")]
    subprocess.run(command, env={**kept, **own}, check=True, capture_output=True, text=True)
    return folder / "out"
