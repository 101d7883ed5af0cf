"""What names things: ULIDs for rows, trained models, and claims about stored bytes."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(f"[0-7][{_CROCKFORD}]{{25}}")


def new_ulid() -> str:
    """A fresh ULID: 48 bits of milliseconds, 80 random bits, 26 Crockford base-32 characters, sortable by time
    (https://github.com/ulid/spec)."""
    return ulid_of(time.time_ns() // 1_000_000, os.urandom(10))


def ulid_of(milliseconds: int, entropy: bytes) -> str:
    """The ULID of a moment since 1970; `entropy`: ten bytes."""
    value = (milliseconds << 80) | int.from_bytes(entropy, "big")
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -5, -5))


def is_ulid(text: str) -> bool:
    return _ULID.fullmatch(text) is not None


def ulid_bits(ulid: str) -> int:
    """Its 128 bits. Raises: ValueError."""
    value = 0
    for character in ulid:
        value = value << 5 | _CROCKFORD.index(character)
    return value


def served_name(version: str) -> str:
    """How scores name the trained model that gave them."""
    return f"engagement-{version}"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A claim about bytes in the object store, checked when they are read.

    `key` begins with the tenant's id; `sha256` is the lowercase hex digest of the plain bytes.
    """

    key: str
    sha256: str
    size_bytes: int
