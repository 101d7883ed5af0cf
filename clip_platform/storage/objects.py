"""The object store: bytes under keys, written whole or not at all, checked when read. On disk, S3 or Azure."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from clip_platform.errors import (
    CorruptArtifact,
    InvalidSetting,
    StorageFull,
    StorageUnavailable,
    UnreadableFile,
)
from clip_platform.identifiers import StoredObject

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

_CHUNK_BYTES = 4 * 1024 * 1024
# Narrow on purpose: a key is a path on some disks, a URL in some stores, and `#` marks obstore's unfinished files.
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,199}")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large", re.IGNORECASE)


def open_store(url: str) -> ObjectStore:
    """A store at `file:///folder` (made when missing), `s3://bucket/prefix` or `az://container/prefix`.

    S3 and Azure take region, account and credentials from their usual environment variables.

    Raises:
        InvalidSetting: the address cannot be used.
    """
    if url.startswith("file:"):
        return _open_folder(url)
    try:
        return ObjectStore(from_url(url))
    except (BaseError, ValueError) as error:
        raise InvalidSetting(
            f"object store {url!r} cannot be opened: {_first_line(error)}; give file:///folder, s3://bucket/prefix or "
            "az://container/prefix",
            detail=str(error),
        ) from error


def _open_folder(url: str) -> ObjectStore:
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not folder.is_absolute():
        raise InvalidSetting(f"object store {url!r} names no folder of this machine; write file:///absolute/folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(LocalStore(folder), folder=folder.resolve())
    except (OSError, BaseError) as error:
        raise InvalidSetting(f"object store folder {folder} cannot be used: {_first_line(error)}") from error


class ObjectStore:
    """Bytes under keys such as `tenant/videos/id/folder/name`.

    Errors of every method: `StorageUnavailable`, when writing `StorageFull`; `ValueError` for a key that is not made of
    at least two plain segments, the tenant's id first.
    """

    def __init__(self, backend: Backend, *, folder: Path | None = None) -> None:
        self._backend = backend
        self._folder = folder
        self._verified: set[tuple[object, ...]] = set()

    def put_file(self, key: str, path: Path) -> StoredObject:
        """Copies a file in, however large, in constant memory.

        Raises:
            UnreadableFile: the file is missing or may not be read.
        """
        digest = _Digest()
        with _translated(key):
            obstore.put(self._backend, checked_key(key), digest.over(_chunks_of(path)), chunk_size=2 * _CHUNK_BYTES)
        return StoredObject(key, digest.hex, digest.size_bytes)

    def put_bytes(self, key: str, data: bytes) -> StoredObject:
        with _translated(key):
            obstore.put(self._backend, checked_key(key), data)
        return StoredObject(key, hashlib.sha256(data).hexdigest(), len(data))

    def get_bytes(self, stored: StoredObject) -> bytes:
        """
        Raises:
            CorruptArtifact: gone, or not the bytes that were stored.
        """
        with _translated(stored.key):
            data = bytes(obstore.get(self._backend, checked_key(stored.key)).bytes())
        _expect(stored, hashlib.sha256(data).hexdigest(), len(data))
        return data

    def fetch(self, stored: StoredObject, destination: Path) -> Path:
        """Copies an object to a file, which is there whole or not at all. Raises as `get_bytes`."""
        part = destination.with_name(f".{destination.name}.{os.getpid()}.part")
        try:
            with _translated(stored.key):
                chunks = obstore.get(self._backend, checked_key(stored.key)).stream(min_chunk_size=_CHUNK_BYTES)
                digest = _Digest()
                with part.open("wb") as out:
                    for chunk in digest.over(bytes(chunk) for chunk in chunks):
                        out.write(chunk)
            _expect(stored, digest.hex, digest.size_bytes)
            part.rename(destination)
        finally:
            part.unlink(missing_ok=True)
        return destination

    def local_path(self, stored: StoredObject) -> Path | None:
        """Where the object lies on this machine's disk, checked, so that nothing needs to be copied; None for a remote
        store. Not to be written to. The check reads the file once per process. Raises as `get_bytes`.
        """
        if self._folder is None:
            return None
        path = self._folder / checked_key(stored.key)
        with _translated(stored.key):
            state = path.stat()
            seen = (stored, state.st_ino, state.st_mtime_ns, state.st_size)
            if seen not in self._verified:
                _expect(stored, *digest_of(path))
                self._verified.add(seen)
        return path

    def exists(self, key: str) -> bool:
        try:
            with _translated(key):
                obstore.head(self._backend, checked_key(key))
        except CorruptArtifact:
            return False
        return True

    def holds(self, stored: StoredObject) -> bool:
        """Whether the object is there. On this machine's disk its bytes are checked; a remote store keeps its own word,
        and only the size is compared.
        """
        try:
            if self._folder is not None:
                return self.local_path(stored) is not None
            with _translated(stored.key):
                return obstore.head(self._backend, checked_key(stored.key))["size"] == stored.size_bytes
        except CorruptArtifact:
            return False

    def list_keys(self, prefix: str) -> list[str]:
        """All keys in the folder `prefix`, sorted."""
        with _translated(prefix):
            found = obstore.list(self._backend, _checked_folder(prefix), chunk_size=1000)
            return sorted(entry["path"] for batch in found for entry in batch)

    def delete_prefix(self, prefix: str) -> int:
        """Deletes everything in the folder `prefix`; returns how many objects that were."""
        keys = self.list_keys(prefix)
        with _translated(prefix):
            for start in range(0, len(keys), 1000):
                obstore.delete(self._backend, keys[start : start + 1000])
            if self._folder is not None:  # empty folders, and what a killed writer left unfinished
                shutil.rmtree(self._folder / prefix, ignore_errors=True)
        return len(keys)


def checked_key(key: str) -> str:
    """The key itself, when it is one.

    Raises:
        ValueError: fewer than two segments, or one that is empty, `..`, or has more than letters, digits and `._=-`.
    """
    segments = key.split("/")
    if len(segments) < 2 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(f"object key {key!r} is not tenant/.../name of letters, digits and '._=-'")
    return key


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 in hex and size in bytes of a file."""
    digest = _Digest()
    for _ in digest.over(_chunks_of(path)):
        pass
    return digest.hex, digest.size_bytes


def _checked_folder(prefix: str) -> str:
    checked_key(f"{prefix.rstrip('/')}/x")
    return prefix.rstrip("/")


class _Digest:
    """Hash and size of what passes by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def over(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._hash.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()


def _chunks_of(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}; check its name and permissions") from error


def _expect(stored: StoredObject, sha256: str, size_bytes: int) -> None:
    if (sha256, size_bytes) != (stored.sha256, stored.size_bytes):
        raise CorruptArtifact(
            f"object {stored.key} has {size_bytes} bytes with digest {sha256[:12]}, but {stored.size_bytes} with "
            f"{stored.sha256[:12]} were stored; restore it from a backup, or make it again"
        )


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:  # obstore's own NotFoundError is one
        raise CorruptArtifact(
            f"object {key} is gone from the store; restore it from a backup, or make it again", detail=str(error)
        ) from error
    except (BaseError, OSError) as error:
        if _FULL.search(str(error)):
            raise StorageFull(f"no space is left to store {key}; free some and try again", detail=str(error)) from error
        raise StorageUnavailable(
            f"the object store failed on {key}: {_first_line(error)}; check it and try again", detail=str(error)
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
