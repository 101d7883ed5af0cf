"""Chunks that start where an engine's steps do."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from clip_platform.speech.chunks import Chunk, on_strides

STRIDE_S, STRIDE = Fraction(8, 100), 1280


def test_a_chunk_starts_on_the_stride_before_it():
    assert on_strides([Chunk(1279, 5000), Chunk(6401, 9000)], STRIDE_S) == [Chunk(0, 5000), Chunk(6400, 9000)]


def test_where_two_chunks_touch_the_former_gives_way():
    assert on_strides([Chunk(0, 3000), Chunk(3000, 9000)], STRIDE_S) == [Chunk(0, 2560), Chunk(2560, 9000)]


def test_a_chunk_that_is_heard_with_the_next_one_is_not_heard_alone():
    assert on_strides([Chunk(1300, 1400), Chunk(1500, 9000)], STRIDE_S) == [Chunk(1280, 9000)]


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 9000)), min_size=1, max_size=12))
def test_nothing_is_left_out_or_heard_twice(gaps_and_lengths: list[tuple[int, int]]):
    chunks, at = [], 0
    for gap, length in gaps_and_lengths:
        chunks.append(Chunk(at + gap, at + gap + length))
        at += gap + length

    found = on_strides(chunks, STRIDE_S)

    assert all(chunk.start_sample % STRIDE == 0 for chunk in found)
    assert all(a.end_sample <= b.start_sample for a, b in itertools.pairwise(found))
    for chunk in chunks:
        heard = sum(
            max(0, min(chunk.end_sample, one.end_sample) - max(chunk.start_sample, one.start_sample)) for one in found
        )
        assert heard == chunk.end_sample - chunk.start_sample
