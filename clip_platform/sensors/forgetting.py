"""Removing what Dagster knows of a tenant: its runs with their events and logs, its partitions, and its name wherever
else Dagster wrote it (ticks, the last materialization of an asset, runs over all tenants)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.errors import DagsterRunNotFoundError

from clip_platform.errors import InvalidSetting
from clip_platform.jobs import process_video, rerender_clips
from clip_platform.partitions import videos
from clip_platform.sensors.endings import end_run
from clip_platform.sensors.uploads import TENANT_TAG

if TYPE_CHECKING:
    from clip_platform.database.redaction import Position, Redactor

_PARTITION_TAG = "dagster/partition"
_AT_ONCE = 100
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def runs_of(instance: dg.DagsterInstance, tenant_id: str, ids: Collection[str]) -> Iterator[dg.DagsterRun]:
    """Runs that were started for the tenant, for one of its videos, or that have one of the ids."""
    yield from instance.get_runs(dg.RunsFilter(tags={TENANT_TAG: tenant_id}))
    known = sorted(ids)
    for some in (known[start : start + _AT_ONCE] for start in range(0, len(known), _AT_ONCE)):
        yield from instance.get_runs(dg.RunsFilter(tags={_PARTITION_TAG: some}))
        yield from instance.get_runs(dg.RunsFilter(run_ids=some))


def forget_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Ends it, and removes it with its events and with what its steps printed."""
    if end_run(instance, run.run_id, "its account was closed"):
        instance.run_launcher.terminate(run.run_id)
    instance.compute_log_manager.delete_logs(prefix=[run.run_id])
    with suppress(DagsterRunNotFoundError):
        instance.delete_run(run.run_id)


def forget_partitions(instance: dg.DagsterInstance, ids: Collection[str]) -> int:
    """How many of the ids were videos' partitions."""
    theirs = sorted(set(instance.get_dynamic_partitions(str(videos.name))) & set(ids))
    for key in theirs:
        instance.delete_dynamic_partition(str(videos.name), key)
    return len(theirs)


def free_slots_of(instance: dg.DagsterInstance, ids: Collection[str]) -> None:
    """Pool slots that are held by runs of these ids."""
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids() & set(ids):
        storage.free_concurrency_slots_for_run(run_id)


def others_may_still_write(instance: dg.DagsterInstance, since: datetime) -> bool:
    """Whether a run over all tenants goes on that began before."""
    of_one_video = {process_video.name, rerender_clips.name}
    under_way = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY, created_before=since))
    return any(run.job_name not in of_one_video for run in under_way)


def redact(
    instance: dg.DagsterInstance, redactor: Redactor, after: Position | None, may_go_on: Callable[[], bool]
) -> tuple[int, Position | None]:
    """Goes through Dagster's own tables; as `database.redaction.redact`.

    Raises:
        InvalidSetting: Dagster keeps them in no SQL database.
    """
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
    from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage

    from clip_platform.database import redaction

    runs, events, schedules = instance.run_storage, instance.event_log_storage, instance.schedule_storage
    if not (
        isinstance(runs, SqlRunStorage)
        and isinstance(events, SqlEventLogStorage)
        and isinstance(schedules, SqlScheduleStorage)
    ):
        raise InvalidSetting(
            f"an account cannot be erased from Dagster's storage ({type(runs).__name__}, {type(events).__name__}, "
            f"{type(schedules).__name__}); set one in SQL, `storage: postgres`, in dagster.yaml"
        )
    changed = 0
    parts = (
        (runs.connect, RunStorageSqlMetadata),
        (events.index_connection, SqlEventLogStorageMetadata),
        (schedules.connect, ScheduleStorageSqlMetadata),
    )
    for connect, metadata in parts:
        tables = metadata.sorted_tables
        if after is not None and after.table not in {table.name for table in tables}:
            continue
        with connect() as connection:
            touched, after = redaction.redact(connection, tables, redactor, after, may_go_on)
        changed += touched
        if after is not None:
            return changed, after
    return changed, None
