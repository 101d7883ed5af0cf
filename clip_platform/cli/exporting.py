"""Finished clips from the object store into a folder of the user's."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_platform.database import results
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.delivery.packages import MANIFEST_NAME, ClipPackages
from clip_platform.errors import ClipPlatformError, PermanentError, StorageFull, UnreadableFile
from clip_platform.storage import artifacts
from clip_platform.storage.objects import ObjectStore

_STAGING = ".clip-platform-"


@dataclass(frozen=True, slots=True)
class Exported:
    """What lies in the folder now. `manifest` is the content of `clips.json`."""

    folder: Path
    manifest: Mapping[str, Any]


def check_destination(folder: Path) -> None:
    """Whether clips can be written there, asked before hours of work. Makes nothing.

    Raises:
        UnreadableFile: they cannot.
    """
    nearest = folder.absolute()
    try:
        while not nearest.exists():
            nearest = nearest.parent
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not nearest.is_dir():
        raise _unwritable(folder, f"{nearest} is a file")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"{nearest} is not writable")


def export(database: Database, store: ObjectStore, video: VideoRow, folder: Path) -> Exported:
    """Writes the files of the video's packages: all of them, or none when the disk is full.

    Raises:
        StorageFull: no space is left.
        UnreadableFile: the folder cannot be written.
    """
    result = results.current(database, video.tenant_id, video.video_id, "clip_packages")
    if result is None:
        raise PermanentError(f"video {video.video_id} has no packages; process it again")
    packages = artifacts.decode(ClipPackages, store.get_bytes(result.artifact))
    try:
        with _staging(folder) as staging:
            for name, stored in packages.files.items():
                store.fetch(stored, staging / name).chmod(0o644)
            for name in packages.files:
                (staging / name).replace(folder / name)
    except StorageFull as error:
        raise _full(folder) from error
    except OSError as error:
        raise _translated(error, folder) from error
    return Exported(folder, json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8")))


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A place on the same disk, gone afterwards; so is the folder when it was made for nothing."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=_STAGING))
    lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)
        if is_new:
            with suppress(OSError):  # there are clips in it, as there should be
                folder.rmdir()


def _remove_abandoned(folder: Path) -> None:
    """Removes what a killed command left; a living one holds its lock."""
    for left in folder.glob(f"{_STAGING}*/"):
        lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(lock)


def _translated(error: OSError, folder: Path) -> ClipPlatformError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _full(folder)
    return _unwritable(folder, error.strerror or str(error))


def _full(folder: Path) -> StorageFull:
    return StorageFull(f"no space is left for the clips in {folder}; free some and run the same command again")


def _unwritable(folder: Path, reason: str) -> UnreadableFile:
    return UnreadableFile(f"the clips cannot be written to {folder}: {reason}; choose another folder with --out")
