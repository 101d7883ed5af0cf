"""A step's place to work on one video: stored objects as local files, scratch folders, and a way to keep results."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from clip_platform.errors import StorageFull, StorageUnavailable
from clip_platform.identifiers import StoredObject
from clip_platform.storage.objects import ObjectStore, digest_of

_PREFIX = "work-"


class Workspace:
    """Use as a context manager: scratch is there inside, and gone afterwards. What a killed process left is removed by
    the next workspace that opens in the same scratch folder.

    Raises:
        StorageFull, StorageUnavailable: scratch cannot be made.
    """

    def __init__(self, store: ObjectStore, scratch: Path, tenant_id: str, video_id: str) -> None:
        self.store = store
        self._scratch = scratch
        self._prefix = f"{tenant_id}/videos/{video_id}"
        self._own: Path | None = None
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(self._scratch)
            self._own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._scratch))
            self._lock = os.open(self._own, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        except OSError as error:
            raise _no_scratch(self._scratch, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._own is not None  # noqa: S101
        shutil.rmtree(self._own, ignore_errors=True)
        os.close(self._lock)
        self._own = None

    def fetch(self, stored: StoredObject) -> Path:
        """The object as a local file, to be read only: its own path in a local store, otherwise a copy in scratch.

        Raises:
            CorruptArtifact: it is gone, or not what was stored.
        """
        path = self.store.local_path(stored)
        if path is not None:
            return path
        copy = self.folder("fetched") / f"{stored.sha256[:16]}-{Path(stored.key).name}"
        return copy if copy.exists() else self.store.fetch(stored, copy)

    def keep(self, path: Path, folder: str, name: str) -> StoredObject:
        """Stores a file under a name made from its content, so that the same content is stored once.

        Raises:
            UnreadableFile, StorageFull, StorageUnavailable.
        """
        sha256, size_bytes = digest_of(path)
        stored = StoredObject(self._key(folder, sha256, name), sha256, size_bytes)
        return stored if self.store.holds(stored) else self.store.put_file(stored.key, path)

    def keep_bytes(self, data: bytes, folder: str, name: str) -> StoredObject:
        """As `keep`, for bytes in memory."""
        sha256 = hashlib.sha256(data).hexdigest()
        return self.store.put_bytes(self._key(folder, sha256, name), data)

    def folder(self, name: str) -> Path:
        """A scratch folder of this workspace; the same one for the same name."""
        if self._own is None:
            raise RuntimeError("the workspace is not open; use it in a with statement")
        path = self._own / name
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise _no_scratch(self._scratch, error) from error
        return path

    def _key(self, folder: str, sha256: str, name: str) -> str:
        return f"{self._prefix}/{folder}/{sha256[:16]}-{name}"


def _no_scratch(scratch: Path, error: OSError) -> StorageFull | StorageUnavailable:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"no space is left in the scratch folder {scratch}; free some, or set another one")
    return StorageUnavailable(f"scratch folder {scratch} cannot be used: {error.strerror}; set CLIP_PLATFORM_SCRATCH")


def _remove_abandoned(scratch: Path) -> None:
    """Removes folders that no living process holds a lock on."""
    for folder in scratch.glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue  # another workspace was faster, or it is not ours
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(descriptor)
