"""`process`: registers a file, watches a child process turn it into clips, and puts them into a folder.

The work happens in a child, so that Ctrl-C is answered at once whatever native code is busy, and nothing outlives it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clip_platform import errors
from clip_platform.cli.display import ProgressDisplay, print_clips
from clip_platform.cli.exporting import check_destination, export
from clip_platform.cli.registering import register_file
from clip_platform.database import leases, progress, recovery, videos
from clip_platform.database.connection import Database
from clip_platform.database.key_uses import KeyUses
from clip_platform.database.videos import VideoRow
from clip_platform.database.watching import watching
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.encryption.opening import open_keys
from clip_platform.errors import ClipPlatformError, ProgramFailed, StorageUnavailable, TransientError
from clip_platform.media.probe import probe
from clip_platform.settings import read_settings
from clip_platform.storage.objects import open_store
from clip_platform.upload.preferences import Preferences
from clip_platform.upload.states import VideoState

_POLL_S = 0.2
_LOG_TAIL_LINES = 12
_UNTIL_CHILD_RENEWS_S = 120.0
_DATABASE_RETURNS_S = 30.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of this command. The id is ours from the start, so that cleaning up touches no other run's rows."""

    machine: Machine
    database: Database
    video: VideoRow
    run_id: str

    @property
    def log(self) -> Path:
        return self.machine.log_of(self.video.video_id)

    @property
    def key(self) -> tuple[Database, str, str]:
        return self.database, self.video.tenant_id, self.video.video_id


def process_file(file: Path, preferences: Preferences, out: Path | None, *, recompute: bool) -> int:
    """Exit code 0 when the clips are in `out`; errors are raised."""
    settings = read_settings()
    probe(file, settings.upload_limits)  # a bad file is refused before anything starts
    folder = out or Path(f"{file.stem}-clips")
    check_destination(folder)
    with running_machine(settings) as machine:
        database = Database(machine.database_url)
        keys = open_keys(settings, KeyUses(database, "cli"))
        store = open_store(machine.object_store_url, keys.tenants, kms_key=settings.s3_kms_key)
        video = register_file(database, store, file, preferences, VideoState.ADMITTED)
        with _leased(machine, database, video) as run:
            # only now: another run may have been at work with other preferences
            videos.set_preferences(*run.key, preferences.as_mapping())
            _work(run, recompute=recompute)
            exported = export(database, store, video, folder)
    print_clips(exported, run.log)
    return 0


@contextmanager
def _leased(machine: Machine, database: Database, video: VideoRow) -> Iterator[_Run]:
    """The video is this run's, or somebody else's: then `AlreadyRunning`."""
    run = _Run(machine, database, video, str(uuid.uuid4()))
    leases.acquire(*run.key, run.run_id, leases.this_process(), _UNTIL_CHILD_RENEWS_S)
    try:
        yield run
    except KeyboardInterrupt:
        _unless_away(lambda: recovery.interrupt(*run.key, run.run_id))
        raise
    except BaseException:
        _unless_away(lambda: recovery.abandon(*run.key, run.run_id, "the command ended before its run did"))
        raise
    finally:
        _unless_away(lambda: leases.release(*run.key, run.run_id))


def _unless_away(write: Callable[[], object]) -> None:
    try:
        write()
    except TransientError as error:  # the lease is known to be dead when we are, and the row follows from it
        _log.info("the database is away: %s", error.message)


def _work(run: _Run, *, recompute: bool) -> None:
    """Raises what the run recorded as its failure."""
    with ProgressDisplay(run.video.name) as display, _child(run, recompute=recompute) as child:
        with watching(run.machine.database_url, run.video.video_id) as watcher:
            while child.poll() is None:
                if watcher.wait(_POLL_S):
                    _show(run, display)
        _show(run, display)
    ended = _patiently(lambda: videos.get(*run.key))
    if child.returncode == 0 and ended.state is VideoState.COMPLETED:
        return
    reason = f"the working process ended with {child.returncode}"
    _patiently(lambda: recovery.abandon(*run.key, run.run_id, reason, ended.attempt + 1))
    raise _failure_of(run, ended, child.returncode)


def _show(run: _Run, display: ProgressDisplay) -> None:
    with suppress(StorageUnavailable):  # the server is being started again; the next news shows the same
        display.show(progress.read(*run.key))


def _patiently(ask: Callable[[], T]) -> T:
    """The answer, also when the server is being started again right now."""
    until = time.monotonic() + _DATABASE_RETURNS_S
    while True:
        try:
            return ask()
        except StorageUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(_POLL_S)  # it cannot tell us when it is there


@contextmanager
def _child(run: _Run, *, recompute: bool) -> Iterator[subprocess.Popen[bytes]]:
    """The working process in a group of its own; on any exit the whole group is gone."""
    command = [sys.executable, "-m", "clip_platform", "run-video", run.video.video_id, "--run-id", run.run_id]
    with run.log.open("ab") as output:
        child = subprocess.Popen(
            [*command, "--parent", str(os.getpid()), *["--recompute"] * recompute],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **run.machine.variables},
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kills the child's process group, its ffmpeg and worker processes included."""
    with suppress(ProcessLookupError):  # nothing of the group is left
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _failure_of(run: _Run, video: VideoRow, exit_code: int) -> ClipPlatformError:
    """The failure that this run recorded, as the error it was; what an earlier run recorded says nothing about it."""
    error_class = video.error_class if video.run_id == run.run_id else None
    kind = getattr(errors, error_class or "", None)
    if isinstance(kind, type) and issubclass(kind, ClipPlatformError):
        return kind(video.error_message or "", detail=video.error_detail or "")
    if error_class:
        return ProgramFailed(f"{video.error_message}; the log is {run.log}")
    tail = "\n".join(run.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
    return ProgramFailed(
        f"the working process {_ending(exit_code)} before it could say why; run the same command again to go on, or "
        f"read {run.log}",
        detail=tail,
    )


def _ending(exit_code: int) -> str:
    return f"was killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"ended with {exit_code}"
