"""`process`: registers a file, watches a child process turn it into clips, and puts them into a folder.

The work happens in a child, so that Ctrl-C is answered at once whatever native code is busy, and nothing outlives it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clip_platform import errors
from clip_platform.cli.display import ProgressDisplay, print_clips
from clip_platform.cli.exporting import export
from clip_platform.cli.registering import register_file
from clip_platform.database import progress, recovery, videos
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.database.watching import watching
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.errors import ClipPlatformError, ProgramFailed
from clip_platform.media.probe import probe
from clip_platform.settings import read_settings
from clip_platform.storage.objects import open_store
from clip_platform.upload.preferences import Preferences
from clip_platform.upload.states import VideoState

_POLL_S = 0.2
_LOG_TAIL_LINES = 12


def process_file(file: Path, preferences: Preferences, out: Path | None, *, recompute: bool) -> int:
    """Exit code 0 when the clips are in `out`; errors are raised."""
    probe(file)  # a bad file is refused before anything starts
    folder = out or Path(f"{file.stem}-clips")
    settings = read_settings()
    with running_machine(settings) as machine:
        database, store = Database(machine.database_url), open_store(machine.object_store_url)
        video = register_file(database, store, file, preferences, VideoState.ADMITTED)
        _run(machine, database, video, recompute=recompute)
        exported = export(database, store, video, folder)
    print_clips(exported, machine.log_of(video.video_id))
    return 0


def _run(machine: Machine, database: Database, video: VideoRow, *, recompute: bool) -> None:
    """Raises what the run recorded as its failure."""
    log = machine.log_of(video.video_id)
    with ProgressDisplay(video.name) as display, _child(machine, video, log, recompute=recompute) as child:
        with watching(machine.database_url, video.video_id) as watcher:
            while child.poll() is None:
                if watcher.wait(_POLL_S):
                    display.show(progress.read(database, video.tenant_id, video.video_id))
        display.show(progress.read(database, video.tenant_id, video.video_id))
    ended = videos.get(database, video.tenant_id, video.video_id)
    if child.returncode != 0 and ended.state in (VideoState.ADMITTED, VideoState.PROCESSING):
        reason = f"the working process ended with {child.returncode}"
        run_id = ended.run_id or ""
        recovery.abandon(database, video.tenant_id, video.video_id, run_id, reason, ended.attempt + 1)
    if child.returncode != 0 or ended.state is not VideoState.COMPLETED:
        raise _failure_of(ended, child.returncode, log)


@contextmanager
def _child(machine: Machine, video: VideoRow, log: Path, *, recompute: bool) -> Iterator[subprocess.Popen[bytes]]:
    """The working process in a group of its own; on any exit the whole group is gone."""
    command = [sys.executable, "-m", "clip_platform", "run-video", video.video_id]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command + ["--recompute"] * recompute,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **machine.variables},
            start_new_session=True,
        )
    try:
        yield child
    except BaseException:
        _kill(child)
        _mark_interrupted(machine, video)
        raise
    finally:
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kills the child's process group, its ffmpeg and worker processes included."""
    with suppress(ProcessLookupError):  # nothing of the group is left
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _mark_interrupted(machine: Machine, video: VideoRow) -> None:
    recovery.interrupt(Database(machine.database_url), video.tenant_id, video.video_id)


def _failure_of(video: VideoRow, exit_code: int, log: Path) -> ClipPlatformError:
    """The recorded failure as the error it was."""
    kind = getattr(errors, video.error_class or "", None)
    if isinstance(kind, type) and issubclass(kind, ClipPlatformError):
        return kind(video.error_message or "", detail=video.error_detail or "")
    if video.error_class:
        return ProgramFailed(f"{video.error_message}; the log is {log}")
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
    return ProgramFailed(
        f"the working process ended with {exit_code} before it could say why; run the command again, or read {log}",
        detail=tail,
    )
