"""The format of sealed objects: parts of 10 MiB, each a Tink stream of its own.

A part is a magic and an `AES256_GCM_HKDF_1MB` ciphertext, bound to the object's key, the part's index and the number of
parts. So a range is read by opening its parts alone, parts that were uploaded one by one are joined by laying them end
to end, and a part that is missing, swapped or from another object does not open.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tink import TinkError

from clip_platform.errors import CorruptArtifact

if TYPE_CHECKING:
    from tink.streaming_aead import StreamingAead

PART_BYTES = 10 * 1024 * 1024
"""Plain bytes of every part but the last one."""
MAGIC = b"CLIPSEA1"
_SEGMENT_BYTES = 1024 * 1024
_TINK_HEADER_BYTES = 40
_TAG_BYTES = 16
_WRITE_BYTES = 1024 * 1024  # larger writes are copied once more

ReadRange = Callable[[int, int], bytes]
"""`read(start, length)` of the sealed bytes."""


def part_count(size_bytes: int) -> int:
    """Parts of an object of that many plain bytes; an empty object has one."""
    return max(1, -(-size_bytes // PART_BYTES))


def sealed_part_bytes(plain_bytes: int) -> int:
    """Size of a sealed part, from the format alone."""
    first = _SEGMENT_BYTES - _TINK_HEADER_BYTES - _TAG_BYTES
    further = max(0, -(-(plain_bytes - first) // (_SEGMENT_BYTES - _TAG_BYTES)))
    return len(MAGIC) + _TINK_HEADER_BYTES + plain_bytes + (1 + further) * _TAG_BYTES


_FULL_PART_BYTES = sealed_part_bytes(PART_BYTES)


def plain_bytes_of(sealed_bytes: int) -> int:
    """Plain size of a whole sealed object of that size.

    Raises:
        CorruptArtifact: no object has this size.
    """
    whole, rest = divmod(sealed_bytes, _FULL_PART_BYTES)
    if rest == 0 and whole:
        return whole * PART_BYTES
    plain = rest - len(MAGIC) - _TINK_HEADER_BYTES - _TAG_BYTES
    segments = 1
    while plain >= 0 and sealed_part_bytes(plain) > rest:
        segments += 1
        plain = rest - len(MAGIC) - _TINK_HEADER_BYTES - segments * _TAG_BYTES
    if plain < 0 or sealed_part_bytes(plain) != rest:
        raise CorruptArtifact(f"a sealed object of {sealed_bytes} bytes is cut off; restore it from a backup")
    return whole * PART_BYTES + plain


class StreamCipher:
    """Seals and opens objects with one tenant's keys. Memory is bounded by one part."""

    def __init__(self, primitive: StreamingAead) -> None:
        self._primitive = primitive

    def seal_part(self, key: str, index: int, count: int, plain: bytes | bytearray | memoryview) -> bytes:
        """One part; `index` counts from 0."""
        sink = _Kept()
        sink.write(MAGIC)
        with self._primitive.new_encrypting_stream(sink, _bound_to(key, index, count)) as stream:
            view = memoryview(plain)
            for start in range(0, len(view), _WRITE_BYTES):
                stream.write(bytes(view[start : start + _WRITE_BYTES]))
        return sink.getvalue()

    def seal(self, key: str, size_bytes: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The sealed object, part by part; `chunks` must give exactly `size_bytes`."""
        count, waiting, index = part_count(size_bytes), bytearray(), 0
        for chunk in chunks:
            waiting += chunk
            while len(waiting) >= PART_BYTES and index < count - 1:
                yield self.seal_part(key, index, count, memoryview(waiting)[:PART_BYTES].tobytes())
                del waiting[:PART_BYTES]
                index += 1
        if index != count - 1 or len(waiting) != size_bytes - index * PART_BYTES:
            raise ValueError(f"{key}: {index * PART_BYTES + len(waiting)} bytes came, {size_bytes} were announced")
        yield self.seal_part(key, index, count, waiting)

    def open(
        self, key: str, sealed_bytes: int, read: ReadRange, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Plain bytes `start` to `start + length`, part by part.

        Raises:
            CorruptArtifact: cut off, changed, or of another object or tenant.
        """
        size_bytes = plain_bytes_of(sealed_bytes)
        end = size_bytes if length is None else min(size_bytes, start + length)
        count = part_count(size_bytes)
        for index in range(start // PART_BYTES, part_count(end) if end > start else 0):
            begins = index * PART_BYTES
            plain_bytes = min(PART_BYTES, size_bytes - begins)
            sealed = read(index * _FULL_PART_BYTES, sealed_part_bytes(plain_bytes))
            plain = self.open_part(key, index, count, sealed)
            yield plain[max(0, start - begins) : end - begins]

    def open_part(self, key: str, index: int, count: int, sealed: bytes) -> bytes:
        """Raises as `open`."""
        try:
            if not sealed.startswith(MAGIC):
                raise TinkError("no magic")
            source = io.BytesIO(sealed)
            source.seek(len(MAGIC))
            with self._primitive.new_decrypting_stream(source, _bound_to(key, index, count)) as stream:
                plain: bytes = stream.read()
                return plain
        except (TinkError, OSError) as error:
            raise CorruptArtifact(
                f"part {index + 1} of {count} of object {key} is not what was sealed; restore it from a backup",
                detail=str(error),
            ) from error


class _Kept(io.BytesIO):
    """Tink closes what it writes to; its content is wanted afterwards."""

    def close(self) -> None:
        pass


def _bound_to(key: str, index: int, count: int) -> bytes:
    return f"{key}\0{index}\0{count}".encode()
