"""A file to be sent: cut into parts, digested in one pass, and known again when it has not changed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clip_platform.errors import EmptyFile, UnreadableFile
from clip_platform.upload.parts import Cut

_READ_BYTES = 1024 * 1024
_ENDS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Digests:
    """`sha256` of the whole in hex; `md5s` of the parts in base64, the first part first."""

    sha256: str
    md5s: tuple[str, ...]


def identity_of(file: Path) -> str:
    """Changes when the file does: path, size, modification time, and its first and last bytes.

    Raises:
        UnreadableFile, EmptyFile.
    """
    with _readable(file) as stream:
        status = file.stat()
        if status.st_size == 0:
            raise EmptyFile(f"{file} has no bytes; give a video")
        digest = hashlib.sha256(f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "replace"))
        digest.update(stream.read(_ENDS_BYTES))
        stream.seek(max(0, status.st_size - _ENDS_BYTES))
        digest.update(stream.read(_ENDS_BYTES))
    return digest.hexdigest()


def digest(file: Path, whole: Cut, on_read: Callable[[int], None]) -> Digests:
    """Reads the file once, in constant memory; `on_read` is told how many bytes each time.

    Raises:
        UnreadableFile.
    """
    sha256 = hashlib.sha256()
    md5s = []
    for number in whole.numbers:
        md5 = hashlib.md5(usedforsecurity=False)
        for piece in pieces_of(file, whole, number):
            sha256.update(piece)
            md5.update(piece)
            on_read(len(piece))
        md5s.append(base64.b64encode(md5.digest()).decode())
    return Digests(sha256.hexdigest(), tuple(md5s))


def pieces_of(file: Path, whole: Cut, number: int) -> Iterator[bytes]:
    """The bytes of one part, a megabyte at a time.

    Raises:
        UnreadableFile: also when the file has become shorter.
    """
    left_bytes = whole.size_of(number)
    with _readable(file) as stream:
        stream.seek(whole.offset_of(number))
        while left_bytes:
            piece = stream.read(min(_READ_BYTES, left_bytes))
            if not piece:
                raise UnreadableFile(f"{file} became shorter while it was read; leave it alone and start again")
            left_bytes -= len(piece)
            yield piece


def _readable(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be read: {error.strerror}; check its name and permissions") from error
