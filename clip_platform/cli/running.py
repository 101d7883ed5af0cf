"""One run of `process_video` in this process: the child that `process` watches. Its output is a log."""

from __future__ import annotations

import logging
import os
import signal
import sys

import dagster as dg

from clip_platform import telemetry
from clip_platform.database import recovery
from clip_platform.database import videos as video_rows
from clip_platform.database.connection import Database
from clip_platform.definitions import build_definitions
from clip_platform.errors import InvalidInput
from clip_platform.jobs import process_video
from clip_platform.partitions import videos
from clip_platform.sensors.endings import end_run
from clip_platform.settings import read_settings

_PR_SET_PDEATHSIG = 1
_UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_log = logging.getLogger(__name__)


def run_in_this_process(video_id: str, *, recompute: bool) -> int:
    """Exit code 0 when the run succeeded. Why it failed is in the video's row."""
    die_with_parent()
    telemetry.configure_logging(sys.stderr, "INFO")
    definitions = build_definitions()
    job = definitions.resolve_job_def(process_video.name)
    tags = {"recompute": "true"} if recompute else {}
    with dg.DagsterInstance.get() as instance:
        _end_abandoned(instance, video_id)
        instance.add_dynamic_partitions(videos.name or "videos", [video_id])
        result = job.execute_in_process(instance=instance, partition_key=video_id, raise_on_error=False, tags=tags)
    return 0 if result.success else 1


def _end_abandoned(instance: dg.DagsterInstance, video_id: str) -> None:
    """Ends runs of this video that a kill left behind; one whose lease is live goes on, and this run is refused."""
    database = Database(read_settings().database_url("pipeline") or "")
    tenant_id = video_rows.tenant_of(database, video_id)
    if tenant_id is None:
        raise InvalidInput(f"there is no video {video_id}; `clip-platform videos` lists them")
    left_behind = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": video_id}, statuses=_UNFINISHED), limit=20)
    for run in left_behind:
        if not recovery.is_worked_on(database, tenant_id, video_id, run.run_id) and end_run(
            instance, run.run_id, "its process is gone"
        ):
            _log.info("ended an abandoned run", extra={"run": run.run_id})


def die_with_parent() -> None:
    """On Linux the kernel kills this process when its parent dies, also by `kill -9`."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # the parent died before the call
        os.kill(os.getpid(), signal.SIGKILL)
