"""One run of `process_video` in this process: the child that `process` watches. Its output is a log."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from clip_platform import telemetry, tracing
from clip_platform.database import leases, recovery
from clip_platform.database import videos as video_rows
from clip_platform.database.connection import Database
from clip_platform.definitions import build_definitions
from clip_platform.errors import ClipPlatformError, InvalidInput
from clip_platform.jobs import process_video
from clip_platform.partitions import videos
from clip_platform.resources.heartbeat import keep_lease
from clip_platform.sensors.endings import PROCESS_TAG, end_dead_runs, end_run, process_tag
from clip_platform.settings import Settings, read_settings

_PR_SET_PDEATHSIG = 1
_SWEEP_S = 5.0
_log = logging.getLogger(__name__)


def run_in_this_process(video_id: str, run_id: str, parent: int, *, recompute: bool) -> int:
    """Exit code 0 when the run succeeded. Why it failed is in the video's row."""
    die_with_parent(parent)
    settings = read_settings()
    telemetry.configure_logging(sys.stderr, settings.log_level)
    tracing.configure("pipeline")
    database = Database(settings.database_url("pipeline") or "")
    tenant_id = video_rows.tenant_of(database, video_id)
    if tenant_id is None:
        raise InvalidInput(f"there is no video {video_id}; `clip-platform videos` lists them")
    # before the first step, which may have to wait for a slot
    keep_lease(database, tenant_id, video_id, run_id)
    job = build_definitions().resolve_job_def(process_video.name)
    tags = {PROCESS_TAG: process_tag(leases.this_process()), **({"recompute": "true"} if recompute else {})}
    with dg.DagsterInstance.get() as instance, _sweeping(instance, settings):
        instance.add_dynamic_partitions(videos.name or "videos", [video_id])
        result = job.execute_in_process(
            instance=instance, run_id=run_id, partition_key=video_id, raise_on_error=False, tags=tags
        )
    return 0 if result.success else 1


@contextmanager
def _sweeping(instance: dg.DagsterInstance, settings: Settings) -> Iterator[None]:
    """Ends runs that a kill left behind, now and while this one works: a slot they hold would never become free."""
    done = threading.Event()

    def sweep() -> None:
        while True:
            _end_abandoned(instance, settings)
            if done.wait(_SWEEP_S):
                return

    threading.Thread(target=sweep, name="abandoned-runs", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _end_abandoned(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Runs of killed commands, and those a killed platform left with their lease."""
    try:
        ended = end_dead_runs(instance)
        database, sensors = (Database(settings.database_url(role) or "") for role in ("pipeline", "sensors"))
        for lease in leases.lapsed(sensors):
            if end_run(instance, lease.run_id, f"process {lease.holder.pid} stopped renewing its lease"):
                ended.append(lease.run_id)
            recovery.abandon(database, lease.tenant_id, lease.video_id, lease.run_id, "its process died")
    except ClipPlatformError as error:
        _log.warning("abandoned runs not ended", extra={"error": error.message})
    else:
        if ended:
            _log.info("ended abandoned runs", extra={"runs": ended})


def die_with_parent(parent: int) -> None:
    """On Linux the kernel kills this process when its parent dies, also by `kill -9`."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), signal.SIGKILL)
