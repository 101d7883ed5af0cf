"""How a file is cut into parts, and what may be announced of each. Where parts are sent is not known here."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clip_platform.errors import InvalidInput, LimitExceeded

PART_SIZE_BYTES = 10 * 1024 * 1024
MAX_PARTS = 10_000
"""Of one upload; S3 takes no more."""

MAX_NAMED = 20
"""Part numbers listed in a message; the rest is counted."""

_MD5_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cut:
    """A file of `size_bytes` in parts of `part_size_bytes`, numbered from 1; only the last may be shorter."""

    size_bytes: int
    part_size_bytes: int = PART_SIZE_BYTES

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // self.part_size_bytes)

    def size_of(self, number: int) -> int:
        return min(self.part_size_bytes, self.size_bytes - self.offset_of(number))

    def offset_of(self, number: int) -> int:
        return (number - 1) * self.part_size_bytes

    @property
    def numbers(self) -> range:
        return range(1, self.part_count + 1)


def cut(size_bytes: int) -> Cut:
    """
    Raises:
        LimitExceeded: that would be more than 10,000 parts.
    """
    result = Cut(size_bytes)
    if result.part_count > MAX_PARTS:
        raise LimitExceeded(
            f"{size_bytes} bytes are {result.part_count} parts of {PART_SIZE_BYTES} bytes, at most {MAX_PARTS} are "
            "taken; send a smaller file"
        )
    return result


def check_announced(parts: Sequence[tuple[int, int, str]], whole: Cut) -> None:
    """Checks announced parts, each number, size in bytes and MD5 in base64.

    Raises:
        InvalidInput: names the parts that are not of this file.
    """
    beyond = [number for number, _, _ in parts if not 1 <= number <= whole.part_count]
    if beyond:
        raise InvalidInput(f"part {named(beyond)}: no such part; this upload has parts 1 to {whole.part_count}")
    twice = [number for number, count in Counter(number for number, _, _ in parts).items() if count > 1]
    if twice:
        raise InvalidInput(f"part {named(twice)} is announced twice in one request; announce each once")
    for number, size_bytes, md5 in parts:
        if size_bytes != whole.size_of(number):
            raise InvalidInput(f"part {number} is announced with {size_bytes} bytes; it has {whole.size_of(number)}")
        if not _is_md5(md5):
            raise InvalidInput(f"part {number} has md5 {md5[:40]!r}; give the 16 bytes in base64, as in Content-MD5")


def named(numbers: Iterable[int]) -> str:
    """Part numbers for a message: sorted, the first 20, and how many more."""
    ordered = sorted(numbers)
    more = len(ordered) - MAX_NAMED
    return ", ".join(map(str, ordered[:MAX_NAMED])) + (f" and {more} more" if more > 0 else "")


def _is_md5(text: str) -> bool:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return False
    return len(raw) == _MD5_BYTES and base64.b64encode(raw).decode() == text
