"""Uploads in parts and downloads by signed address where the object store is a folder of this machine.

The addresses lead to the API's own small route (`api.local_files`). Parts are sealed as they arrive and written to
their place in one file, so that joining them is giving it its name. Requests and answers are not known here.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from clip_platform.encryption.keys import TenantKeys
from clip_platform.encryption.streams import PART_BYTES, part_count, sealed_part_bytes
from clip_platform.errors import (
    ChecksumMismatch,
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    StorageFull,
    StorageUnavailable,
    UploadExpired,
)
from clip_platform.storage.objects import checked_key
from clip_platform.storage.parts.protocol import MAX_PARTS, Part, SignedPart, StoredPart

_FOLDER = "_uploads"
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_FULL = (28, 122)  # ENOSPC, EDQUOT
_DATA = "data"


@dataclass(frozen=True, slots=True)
class _Upload:
    key: str
    size_bytes: int
    part_count: int

    def size_of(self, number: int) -> int:
        """Plain bytes of a part: all but the last one are full, since a sealed object's parts are."""
        return PART_BYTES if number < self.part_count else self.size_bytes - (self.part_count - 1) * PART_BYTES

    @staticmethod
    def offset_of(number: int) -> int:
        """Where a part begins in the sealed file."""
        return (number - 1) * sealed_part_bytes(PART_BYTES)


class LocalPartStore:
    """See `protocol.PartStore`.

    Args:
        folder: of the object store.
        address: where the route that serves the addresses is, `http://127.0.0.1:8000/objects`.
        secret: signs addresses; the same in every process of the installation.
    """

    def __init__(
        self,
        folder: Path,
        keys: TenantKeys,
        address: str,
        secret: bytes,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._address = address.rstrip("/")
        self._secret = secret
        self._now = now

    def begin(self, key: str, content_type: str, size_bytes: int, part_count: int) -> str:  # noqa: ARG002  told on download
        if not 1 <= part_count <= MAX_PARTS:
            raise LimitExceeded(f"{part_count} parts are not 1 to {MAX_PARTS}; a larger file cannot be taken")
        if part_count != _parts_of(size_bytes):
            raise InvalidInput(
                f"{size_bytes} bytes are {_parts_of(size_bytes)} parts of {PART_BYTES}, not {part_count}"
            )
        upload_id = secrets.token_hex(16)
        upload = _Upload(checked_key(key), size_bytes, part_count)
        with _translated(key):
            folder = self._folder_of(upload_id)
            folder.mkdir(parents=True)
            (folder / _DATA).touch()
            (folder / "upload.json").write_text(json.dumps(asdict(upload)))
        return upload_id

    def sign_parts(self, key: str, upload_id: str, parts: Sequence[Part], expires_in_s: int) -> list[SignedPart]:  # noqa: ARG002
        expires = int(self._now()) + expires_in_s
        expires_at = datetime.fromtimestamp(expires, UTC)
        return [
            SignedPart(
                number=part.number,
                url=self._signed(
                    "PUT",
                    f"uploads/{upload_id}/{part.number}",
                    {"size": str(part.size_bytes), "md5": part.md5, "expires": str(expires)},
                ),
                headers={"Content-MD5": part.md5, "Content-Length": str(part.size_bytes)},
                expires_at=expires_at,
            )
            for part in parts
        ]

    def receive(self, upload_id: str, number: int, plain: bytes | memoryview, md5: str) -> None:
        """Takes a part that came to a signed address; a part that was there before is replaced.

        Raises:
            ChecksumMismatch: the bytes are not those announced; nothing is kept of them.
            UploadExpired: the upload was aborted, or completed.
        """
        if base64.b64encode(hashlib.md5(plain, usedforsecurity=False).digest()).decode() != md5:
            raise ChecksumMismatch(f"part {number} does not have the MD5 {md5} that was announced; send it again")
        upload = self._upload(upload_id)
        if not 1 <= number <= upload.part_count or len(plain) != upload.size_of(number):
            raise InvalidInput(
                f"part {number} has {len(plain)} bytes; {upload.part_count} parts of {PART_BYTES} are due"
            )
        cipher = self._keys.stream_cipher(upload.key.split("/")[0])
        sealed = cipher.seal_part(upload.key, number - 1, upload.part_count, plain)
        folder = self._folder_of(upload_id)
        name = f"{number:05d}.{base64.b64decode(md5).hex()}.{len(plain)}"
        with _translated(upload.key):
            try:
                with _locked(folder), (folder / _DATA).open("r+b", buffering=0) as data:
                    for older in folder.glob(f"{number:05d}.*"):
                        older.unlink()
                    _write_at(data.fileno(), upload.offset_of(number), sealed)
                    (folder / name).touch()  # from now on the part is there
            except FileNotFoundError as error:
                raise _expired(upload_id) from error

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:  # noqa: ARG002
        self._upload(upload_id)
        return sorted((_stored(path) for path in self._parts_in(upload_id)), key=lambda part: part.number)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        destination = self._folder / checked_key(key)
        try:
            upload = self._upload(upload_id)
        except UploadExpired:
            if destination.exists():
                return
            raise
        folder = self._folder_of(upload_id)
        with _translated(key):
            try:
                with _locked(folder):
                    _expect(upload, parts, [_stored(path) for path in self._parts_in(upload_id)])
                    destination.parent.mkdir(parents=True, exist_ok=True)
                    (folder / _DATA).rename(destination)
                    shutil.rmtree(folder)
            except FileNotFoundError as error:
                if not destination.exists():
                    raise _expired(upload_id) from error
                shutil.rmtree(folder, ignore_errors=True)  # what a process killed just above left

    def abort(self, key: str, upload_id: str) -> None:
        with _translated(key):
            shutil.rmtree(self._folder_of(upload_id), ignore_errors=True)

    def abort_all(self, tenant_id: str) -> int:
        with _translated(tenant_id):
            begun = [path.parent.name for path in (self._folder / _FOLDER).glob("*/upload.json")]
        found = [upload_id for upload_id in begun if self._tenant_of(upload_id) == tenant_id]
        for upload_id in found:
            self.abort(f"{tenant_id}/upload", upload_id)
        return len(found)

    def delete_versions(self, tenant_id: str) -> int:  # noqa: ARG002
        return 0

    def sign_download(self, key: str, file_name: str, content_type: str, expires_in_s: int) -> str:
        expires = str(int(self._now()) + expires_in_s)
        return self._signed(
            "GET", f"files/{checked_key(key)}", {"name": file_name, "type": content_type, "expires": expires}
        )

    def expect_signed(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Whether an address is one that was given out for this method, and still works.

        Raises:
            Forbidden: it was changed, is for something else, or is over.
        """
        told = {name: value for name, value in query.items() if name != "signature"}
        given = query.get("signature", "").encode()  # texts are only compared when they are ASCII
        if not hmac.compare_digest(self._signature(method, path, told).encode(), given):
            raise Forbidden("this address was not given out by this platform, or was changed; ask for a new one")
        if self._now() > int(told.get("expires", "0")):
            raise Forbidden("this address is over; ask for a new one")

    def _signed(self, method: str, path: str, told: Mapping[str, str]) -> str:
        query = urlencode({**told, "signature": self._signature(method, path, told)})
        return f"{self._address}/{quote(path)}?{query}"

    def _signature(self, method: str, path: str, told: Mapping[str, str]) -> str:
        content = json.dumps([method, path, sorted(told.items())]).encode()
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()

    def _tenant_of(self, upload_id: str) -> str | None:
        try:
            return self._upload(upload_id).key.split("/")[0]
        except UploadExpired:
            return None

    def _upload(self, upload_id: str) -> _Upload:
        try:
            return _Upload(**json.loads((self._folder_of(upload_id) / "upload.json").read_text()))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _expired(upload_id) from error
        except OSError as error:
            raise StorageUnavailable(
                f"the object store's folder cannot be read: {error.strerror}; check it and try again"
            ) from error

    def _folder_of(self, upload_id: str) -> Path:
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise _expired(upload_id)
        return self._folder / _FOLDER / upload_id

    def _parts_in(self, upload_id: str) -> Iterator[Path]:
        return self._folder_of(upload_id).glob("[0-9]*.*.*")


def _parts_of(size_bytes: int) -> int:
    return part_count(size_bytes)


def _stored(path: Path) -> StoredPart:
    number, md5, size_bytes = path.name.split(".")
    return StoredPart(int(number), int(size_bytes), base64.b64encode(bytes.fromhex(md5)).decode())


def _expect(upload: _Upload, announced: Sequence[Part], stored: Sequence[StoredPart]) -> None:
    there = {part.number: (part.size_bytes, part.md5) for part in stored}
    wanted = {part.number: (part.size_bytes, part.md5) for part in announced}
    missing = [n for n in range(1, upload.part_count + 1) if n not in there or n not in wanted]
    if missing:
        named = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise Conflict(f"parts {named} are missing; send them, then complete the upload")
    for number, known in there.items():
        if known != wanted[number]:
            raise ChecksumMismatch(f"part {number} is not what was announced last; send it again")


def _write_at(descriptor: int, offset: int, data: bytes) -> None:
    """On disk when it returns: a client that was told so never sends the part again."""
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written
    os.fdatasync(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time in this upload, across processes.

    Raises:
        FileNotFoundError: it is over.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        folder.stat()  # gone while we waited?
        yield
    finally:
        os.close(descriptor)


def _expired(upload_id: str) -> UploadExpired:
    return UploadExpired(f"upload {upload_id[:40]} is over: it was completed or aborted; begin a new one")


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"no space is left to store {key}; free some and try again") from error
        raise StorageUnavailable(
            f"the object store failed on {key}: {error.strerror}; check it and try again"
        ) from error
