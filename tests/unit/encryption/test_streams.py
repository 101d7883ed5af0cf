"""Sealed objects: any range opens, and nothing opens that was cut, swapped or moved."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import tink
from tink import streaming_aead

from clip_platform.encryption.keys import register
from clip_platform.encryption.streams import (
    MAGIC,
    PART_BYTES,
    StreamCipher,
    part_count,
    plain_bytes_of,
    sealed_part_bytes,
)
from clip_platform.errors import CorruptArtifact

KEY = "acme/videos/v/source/upload"
SIZE = 2 * PART_BYTES + 12345


def new_cipher() -> StreamCipher:
    register()
    handle = tink.new_keyset_handle(streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB)
    return StreamCipher(handle.primitive(streaming_aead.StreamingAead))


def reader(sealed: bytes) -> Callable[[int, int], bytes]:
    return lambda start, length: sealed[start : start + length]


@pytest.fixture(scope="module")
def cipher() -> StreamCipher:
    return new_cipher()


@pytest.fixture(scope="module")
def plain() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def sealed(cipher: StreamCipher, plain: bytes) -> bytes:
    chunks = (plain[start : start + 3_000_001] for start in range(0, SIZE, 3_000_001))
    return b"".join(cipher.seal(KEY, SIZE, chunks))


@pytest.mark.parametrize(
    "size", [0, 1, 100, 2**20 - 57, 2**20 - 56, 2**20 - 55, 2**20, 5_000_000, PART_BYTES - 1, PART_BYTES]
)
def test_the_size_of_a_part_follows_from_its_plain_size_and_back(cipher: StreamCipher, size: int):
    sealed = cipher.seal_part(KEY, 0, 1, bytes(size))

    assert len(sealed) == sealed_part_bytes(size)
    assert plain_bytes_of(len(sealed)) == size


def test_an_object_opens_whole(cipher: StreamCipher, plain: bytes, sealed: bytes):
    assert b"".join(cipher.open(KEY, len(sealed), reader(sealed))) == plain
    assert plain_bytes_of(len(sealed)) == SIZE
    assert sealed.startswith(MAGIC)


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, 1),
        (PART_BYTES - 1, 2),
        (PART_BYTES, PART_BYTES),
        (SIZE - 1, 1),
        (SIZE - 1, 100),
        (5, 0),
        (SIZE, 10),
        (7, SIZE),
    ],
)
def test_any_range_opens_alone(cipher: StreamCipher, plain: bytes, sealed: bytes, start: int, length: int):
    assert b"".join(cipher.open(KEY, len(sealed), reader(sealed), start, length)) == plain[start : start + length]


def test_a_range_reads_its_own_parts_only(cipher: StreamCipher, sealed: bytes):
    read: list[int] = []

    def counted(start: int, length: int) -> bytes:
        read.append(length)
        return sealed[start : start + length]

    list(cipher.open(KEY, len(sealed), counted, PART_BYTES + 5, 10))

    assert read == [sealed_part_bytes(PART_BYTES)]


def test_parts_sealed_one_by_one_and_laid_end_to_end_are_the_object(cipher: StreamCipher, plain: bytes):
    count = part_count(SIZE)
    parts = {
        index: cipher.seal_part(KEY, index, count, plain[index * PART_BYTES : (index + 1) * PART_BYTES])
        for index in reversed(range(count))
    }
    joined = b"".join(parts[index] for index in range(count))

    assert b"".join(cipher.open(KEY, len(joined), reader(joined))) == plain


def test_nothing_opens_that_was_tampered_with(cipher: StreamCipher, sealed: bytes):
    full = sealed_part_bytes(PART_BYTES)
    flipped = bytearray(sealed)
    flipped[full + 1000] ^= 1
    wrong = {
        "flipped": bytes(flipped),
        "last part gone": sealed[: 2 * full],
        "swapped": sealed[full : 2 * full] + sealed[:full] + sealed[2 * full :],
        "cut": sealed[:-1],
        "repeated": sealed[:full] + sealed,
        "empty": b"",
    }

    for bytes_ in wrong.values():
        with pytest.raises(CorruptArtifact):
            list(cipher.open(KEY, len(bytes_), reader(bytes_)))


def test_nothing_opens_under_another_name_or_with_another_tenants_key(cipher: StreamCipher, sealed: bytes):
    with pytest.raises(CorruptArtifact, match="part 1 of 3"):
        list(cipher.open("acme/videos/w/source/upload", len(sealed), reader(sealed)))
    with pytest.raises(CorruptArtifact):
        list(new_cipher().open(KEY, len(sealed), reader(sealed)))


@pytest.mark.parametrize("announced", [SIZE - 1, SIZE + 1, 0, PART_BYTES])
def test_more_or_fewer_bytes_than_announced_are_a_mistake(cipher: StreamCipher, plain: bytes, announced: int):
    with pytest.raises(ValueError, match="were announced"):
        list(cipher.seal(KEY, announced, iter([plain])))
