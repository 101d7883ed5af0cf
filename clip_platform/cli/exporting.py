"""Finished clips from the object store into a folder of the user's."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_platform.database import results
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.delivery.packages import MANIFEST_NAME, ClipPackages
from clip_platform.errors import PermanentError, StorageFull, UnreadableFile
from clip_platform.storage import artifacts
from clip_platform.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Exported:
    """What lies in the folder now. `manifest` is the content of `clips.json`."""

    folder: Path
    manifest: Mapping[str, Any]


def export(database: Database, store: ObjectStore, video: VideoRow, folder: Path) -> Exported:
    """Writes every file of the video's packages; each appears complete or not at all.

    Raises:
        StorageFull: no space is left.
        UnreadableFile: the folder cannot be written.
    """
    result = results.current(database, video.tenant_id, video.video_id, "clip_packages")
    if result is None:
        raise PermanentError(f"video {video.video_id} has no packages; process it again")
    packages = artifacts.decode(ClipPackages, store.get_bytes(result.artifact))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, stored in packages.files.items():
            _place(store, stored, folder / name)
    except OSError as error:
        raise _translated(error, folder) from error
    return Exported(folder, json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8")))


def _place(store: ObjectStore, stored: Any, destination: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=destination.parent, prefix=".clip-platform-")
    os.close(handle)
    try:
        store.fetch(stored, Path(temporary))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(destination)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _translated(error: OSError, folder: Path) -> Exception:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"no space is left for the clips in {folder}; free some and run the command again")
    return UnreadableFile(
        f"the clips cannot be written to {folder}: {error.strerror}; choose another folder with --out"
    )
