"""Who works on a video right now. A lease lapses when its holder stops renewing it, or is known to be dead."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Row, text

from clip_platform.database.connection import Database
from clip_platform.errors import AlreadyRunning


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, told apart from a later one with the same number by when it started.

    `host` includes the boot and the process namespace: a number says nothing about another machine or container.
    """

    host: str
    pid: int
    process_started: str


@dataclass(frozen=True, slots=True)
class Lease:
    """`expires_at`: until when it holds unless renewed."""

    tenant_id: str
    video_id: str
    run_id: str
    holder: Holder
    expires_at: datetime


_SELECT = """
    select tenant_id, video_id, run_id, holder_host, holder_pid, holder_started, expires_at,
        expires_at <= clock_timestamp() as expired
    from leases"""
_TAKE_FREE = text("""
    insert into leases (video_id, tenant_id, run_id, holder_host, holder_pid, holder_started, expires_at)
    values (:video_id, :tenant_id, :run_id, :host, :pid, :process_started,
        clock_timestamp() + make_interval(secs => :ttl_s))
    on conflict (video_id) do nothing""")
_LOCKED = text(_SELECT + " where video_id = :video_id for update")
_TAKE_OVER = text("""
    update leases
    set run_id = :run_id, holder_host = :host, holder_pid = :pid, holder_started = :process_started,
        acquired_at = now(), expires_at = clock_timestamp() + make_interval(secs => :ttl_s)
    where video_id = :video_id""")
_RENEW = text("""
    update leases set expires_at = clock_timestamp() + make_interval(secs => :ttl_s)
    where video_id = :video_id and run_id = :run_id""")
_HAND_OVER = text("""
    update leases
    set holder_host = '', holder_pid = 0, holder_started = '',
        expires_at = clock_timestamp() + make_interval(secs => :ttl_s)
    where video_id = :video_id and run_id = :run_id""")
_RELEASE = text("delete from leases where video_id = :video_id and run_id = :run_id")
_ALL = text(_SELECT + " order by expires_at")


def acquire(db: Database, tenant_id: str, video_id: str, run_id: str, holder: Holder, ttl_s: float) -> None:
    """Takes the lease: a free one, the run's own again, or one that has lapsed.

    Raises:
        AlreadyRunning: another run holds it; says who, and until when.
    """
    holder_values = {"host": holder.host, "pid": holder.pid, "process_started": holder.process_started}
    values = {"tenant_id": tenant_id, "video_id": video_id, "run_id": run_id, "ttl_s": ttl_s, **holder_values}
    with db.tenant_transaction(tenant_id) as connection:
        if connection.execute(_TAKE_FREE, values).rowcount:
            return
        # No row when its holder let go between the two statements; then it is free on the next try.
        held = connection.execute(_LOCKED, {"video_id": video_id}).one_or_none()
        if held is not None and held.run_id != run_id and not _has_lapsed(held):
            raise AlreadyRunning(_who_holds(_lease(held)))
        connection.execute(_TAKE_FREE if held is None else _TAKE_OVER, values)


def refuse_if_held(db: Database, tenant_id: str, video_id: str) -> None:
    """
    Raises:
        AlreadyRunning: a live run works on the video.
    """
    lease = held(db, tenant_id, video_id)
    if lease is not None:
        raise AlreadyRunning(_who_holds(lease))


def renew(db: Database, tenant_id: str, video_id: str, run_id: str, ttl_s: float) -> bool:
    """Whether the run still holds the lease, which then holds for another `ttl_s`."""
    with db.tenant_transaction(tenant_id) as connection:
        values = {"video_id": video_id, "run_id": run_id, "ttl_s": ttl_s}
        return connection.execute(_RENEW, values).rowcount == 1


def hand_over(db: Database, tenant_id: str, video_id: str, run_id: str, ttl_s: float) -> None:
    """Keeps the run's lease for `ttl_s` without a process: its next step will take it in another one."""
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_HAND_OVER, {"video_id": video_id, "run_id": run_id, "ttl_s": ttl_s})


def release(db: Database, tenant_id: str, video_id: str, run_id: str) -> None:
    """Lets go; nothing happens when the run holds it no more."""
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_RELEASE, {"video_id": video_id, "run_id": run_id})


def held(db: Database, tenant_id: str, video_id: str) -> Lease | None:
    """The video's lease, unless it has lapsed."""
    with db.tenant_transaction(tenant_id) as connection:
        found = connection.execute(text(_SELECT + " where video_id = :video_id"), {"video_id": video_id}).one_or_none()
    return None if found is None or _has_lapsed(found) else _lease(found)


def lapsed(db: Database) -> list[Lease]:
    """All tenants' leases whose holder is late or known to be dead; as the sensors' role."""
    with db.across_tenants() as connection:
        return [_lease(row) for row in connection.execute(_ALL) if _has_lapsed(row)]


def this_process() -> Holder:
    return Holder(_host(), os.getpid(), _started(os.getpid()) or "")


def is_dead(holder: Holder) -> bool:
    """True only when it is certain: the holder was on this host, and its process is gone, a zombie, or another one."""
    return holder.host == _host() and _started(holder.pid) != holder.process_started


def _has_lapsed(row: Row[Any]) -> bool:
    return bool(row.expired) or is_dead(Holder(row.holder_host, row.holder_pid, row.holder_started))


def _lease(row: Row[Any]) -> Lease:
    holder = Holder(row.holder_host, row.holder_pid, row.holder_started)
    return Lease(row.tenant_id, row.video_id, row.run_id, holder, row.expires_at)


def _who_holds(lease: Lease) -> str:
    name = lease.holder.host.partition("/")[0]
    return (
        f"run {lease.run_id} (process {lease.holder.pid} on {name}) works on video {lease.video_id}, for now until "
        f"{lease.expires_at:%H:%M:%S} UTC; wait for it, or stop it and try again"
    )


@cache
def _host() -> str:
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists():
        return f"{socket.gethostname()}/{boot.read_text().strip()}/{namespace.readlink()}"
    return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def _started(pid: int) -> str | None:
    """When a process started; None when there is none or it is a zombie.

    On Linux in clock ticks since boot: the wall time that psutil derives moves when the clock is set.
    """
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return f"{psutil.Process(pid).create_time():.2f}" if psutil.pid_exists(pid) else None
    try:
        after_name = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if after_name[0] in "ZX" else after_name[19]
