"""The object store: bytes under keys, written whole or not at all, sealed, checked when read. On disk, S3 or Azure."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from clip_platform.encryption.streams import MAGIC, plain_bytes_of
from clip_platform.errors import (
    CorruptArtifact,
    InvalidSetting,
    StorageFull,
    StorageUnavailable,
    UnreadableFile,
)
from clip_platform.identifiers import StoredObject
from clip_platform.storage.sealing import Sealing

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

    from clip_platform.encryption.keys import TenantKeys
    from clip_platform.encryption.streams import StreamCipher

_CHUNK_BYTES = 4 * 1024 * 1024
# Narrow on purpose: a key is a path on some disks, a URL in some stores, and `#` marks obstore's unfinished files.
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,199}")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large", re.IGNORECASE)


def open_store(url: str, keys: TenantKeys | None = None, *, kms_key: str | None = None) -> ObjectStore:
    """A store at `file:///folder` (made when missing), `s3://bucket/prefix` or `az://container/prefix`.

    With tenants' keys its objects are sealed as `storage.sealing` says; without, none are. `kms_key` is a
    tenant's, which S3 encrypts the others with, `alias/clips-{tenant}` say; None leaves that to the bucket.

    S3 and Azure take region, account and credentials from their usual environment variables.

    Raises:
        InvalidSetting: the address cannot be used.
    """
    if url.startswith("file:"):
        return _open_folder(url, keys)
    sealing = None if keys is None else Sealing(keys, store_encrypts=True)
    try:
        return ObjectStore(_remote(url), sealing=sealing, writer=_writer(url, kms_key))
    except (BaseError, ValueError) as error:
        raise InvalidSetting(
            f"object store {url!r} cannot be opened: {_first_line(error)}; give file:///folder, s3://bucket/prefix or "
            "az://container/prefix",
            detail=str(error),
        ) from error


def _writer(url: str, kms_key: str | None) -> Callable[[str], Backend] | None:
    """By tenant, since obstore takes a key for all that a store writes."""
    if kms_key is None or not url.startswith("s3:"):
        return None
    return cache(lambda tenant_id: _remote(url, kms_key.replace("{tenant}", tenant_id)))


def _remote(url: str, kms_key: str | None = None) -> Backend:
    """Plain http is for stores on this machine only."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL" if url.startswith("s3:") else "AZURE_STORAGE_ENDPOINT", "")
    on_this_machine = urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")
    encryption: dict[str, Any] = {}
    if kms_key is not None:
        encryption = {"server_side_encryption": "aws:kms", "sse_kms_key_id": kms_key}
    return from_url(url, client_options={"allow_http": on_this_machine}, **encryption)


def folder_of(url: str) -> Path:
    """The folder of a `file:` address.

    Raises:
        InvalidSetting.
    """
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not folder.is_absolute():
        raise InvalidSetting(f"object store {url!r} names no folder of this machine; write file:///absolute/folder")
    return folder


def _open_folder(url: str, keys: TenantKeys | None) -> ObjectStore:
    folder = folder_of(url)
    sealing = None if keys is None else Sealing(keys, store_encrypts=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(LocalStore(folder), folder=folder.resolve(), sealing=sealing)
    except (OSError, BaseError) as error:
        raise InvalidSetting(f"object store folder {folder} cannot be used: {_first_line(error)}") from error


class ObjectStore:
    """Bytes under keys such as `tenant/videos/id/folder/name`; what goes in and comes out is plain.

    Errors of every method: `StorageUnavailable`, when writing `StorageFull`; `ValueError` for a key that is not made of
    at least two plain segments, the tenant's id first.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        folder: Path | None = None,
        sealing: Sealing | None = None,
        writer: Callable[[str], Backend] | None = None,
    ) -> None:
        self._backend = backend
        self._writer = writer
        self._folder = folder
        self._sealing = sealing
        self._verified: set[tuple[object, ...]] = set()

    def put_file(self, key: str, path: Path) -> StoredObject:
        """Copies a file in, however large, in constant memory.

        Raises:
            UnreadableFile: the file is missing or may not be read, or changes meanwhile.
        """
        digest, cipher = _Digest(), self._cipher_for(checked_key(key))
        with _translated(key):
            chunks = digest.over(_chunks_of(path))
            sealed = chunks if cipher is None else _sealed(cipher, key, path, chunks)
            obstore.put(self._backend_for(key, cipher), key, sealed, chunk_size=2 * _CHUNK_BYTES)
        return StoredObject(key, digest.hex, digest.size_bytes)

    def put_bytes(self, key: str, data: bytes) -> StoredObject:
        cipher = self._cipher_for(checked_key(key))
        with _translated(key):
            lies = data if cipher is None else b"".join(cipher.seal(key, len(data), iter([data])))
            obstore.put(self._backend_for(key, cipher), key, lies)
        return StoredObject(key, hashlib.sha256(data).hexdigest(), len(data))

    def get_bytes(self, stored: StoredObject) -> bytes:
        """
        Raises:
            CorruptArtifact: gone, or not the bytes that were stored.
        """
        data = b"".join(self.open_stream(stored.key))
        _expect(stored, hashlib.sha256(data).hexdigest(), len(data))
        return data

    def fetch(self, stored: StoredObject, destination: Path) -> Path:
        """Copies an object to a file, which is there whole or not at all. Raises as `get_bytes`."""
        part = destination.with_name(f".{destination.name}.{os.getpid()}.part")
        try:
            digest = _Digest()
            chunks = self.open_stream(stored.key)
            with _translated(stored.key), part.open("wb") as out:
                for chunk in digest.over(chunks):
                    out.write(chunk)
            _expect(stored, digest.hex, digest.size_bytes)
            part.rename(destination)
        finally:
            part.unlink(missing_ok=True)
        return destination

    def open_stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Plain bytes `start` to `start + length` of whatever lies under a key, in constant memory.

        Raises:
            CorruptArtifact: gone, or sealed and not what was sealed.
        """
        cipher = self._cipher_for(checked_key(key))
        with _translated(key):
            lies_bytes = obstore.head(self._backend, key)["size"]
            if cipher is not None and self._is_sealed(key, lies_bytes):
                yield from cipher.open(key, lies_bytes, self._reader(key), start, length)
                return
            end = lies_bytes if length is None else min(lies_bytes, start + length)
            if start < end:
                found = obstore.get(self._backend, key, options={"range": (start, end)})
                for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                    yield bytes(chunk)

    def size_of(self, key: str) -> int:
        """Plain bytes of the object. Raises as `open_stream`."""
        cipher = self._cipher_for(checked_key(key))
        with _translated(key):
            lies_bytes: int = obstore.head(self._backend, key)["size"]
            sealed = cipher is not None and self._is_sealed(key, lies_bytes)
            return plain_bytes_of(lies_bytes) if sealed else lies_bytes

    def local_path(self, stored: StoredObject) -> Path | None:
        """Where the object lies as it is on this machine's disk, checked, so that nothing needs to be copied; None for
        a remote store and for what is sealed. Not to be written to. The check reads the file once per process. Raises
        as `get_bytes`.
        """
        cipher = self._cipher_for(checked_key(stored.key))
        if self._folder is None:
            return None
        path = self._folder / stored.key
        with _translated(stored.key):
            if cipher is not None and self._is_sealed(stored.key, path.stat().st_size):
                return None
            self._expect_on_disk(stored, path)
        return path

    def _expect_on_disk(self, stored: StoredObject, path: Path) -> None:
        state = path.stat()
        seen = (stored, state.st_ino, state.st_mtime_ns, state.st_size)
        if seen not in self._verified:
            digest = _Digest()
            for _ in digest.over(self.open_stream(stored.key)):
                pass
            _expect(stored, digest.hex, digest.size_bytes)
            self._verified.add(seen)

    def _backend_for(self, key: str, cipher: StreamCipher | None) -> Backend:
        """What is not sealed is written with its tenant's key of the store."""
        return self._backend if cipher is not None or self._writer is None else self._writer(key.split("/")[0])

    def _cipher_for(self, key: str) -> StreamCipher | None:
        return None if self._sealing is None else self._sealing.cipher_for(key)

    def _is_sealed(self, key: str, lies_bytes: int) -> bool:
        """Objects of versions that did not seal are read as they lie; what they hold is told by their digests."""
        if self._folder is None:
            return True
        if lies_bytes < len(MAGIC):
            return False
        return bytes(obstore.get_range(self._backend, key, start=0, length=len(MAGIC))) == MAGIC

    def _reader(self, key: str) -> Callable[[int, int], bytes]:
        return lambda start, length: bytes(obstore.get_range(self._backend, key, start=start, length=length))

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
            if self._folder is None:
                return self.size_of(stored.key) == stored.size_bytes
            with _translated(stored.key):
                self._expect_on_disk(stored, self._folder / checked_key(stored.key))
        except CorruptArtifact:
            return False
        return True

    def delete(self, key: str) -> None:
        """Twice is once."""
        with _translated(key):
            try:
                obstore.delete(self._backend, checked_key(key))
            except FileNotFoundError:
                return

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


def _sealed(cipher: StreamCipher, key: str, path: Path, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from cipher.seal(key, path.stat().st_size, chunks)
    except FileNotFoundError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}; check its name and permissions") from error
    except ValueError as error:
        raise UnreadableFile(f"{path} changed while it was stored; try again when nothing writes to it") from error


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
