from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_platform.timeline import Span, clock, first_frame_from, seconds, total_s

MOMENTS = st.fractions(min_value=0, max_value=100_000, max_denominator=90_000)
RATES = st.sampled_from([Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(60)])


@st.composite
def spans(draw):
    return Span(*sorted((draw(MOMENTS), draw(MOMENTS))))


def test_a_float_means_the_decimal_it_was_written_as():
    assert seconds(0.1) == Fraction(1, 10)
    assert seconds("30000/1001") == Fraction(30000, 1001)


def test_a_span_cannot_end_before_it_starts():
    with pytest.raises(ValueError, match="ends before it starts"):
        Span.of(2, 1)


def test_a_span_holds_its_start_and_not_its_end():
    span = Span.of(1, 2)

    assert span.contains(Fraction(1))
    assert not span.contains(Fraction(2))
    assert not span.overlaps(Span.of(2, 3))
    assert span.intersection(Span.of(2, 3)) is None


@given(spans(), spans())
def test_overlap_is_symmetric_and_agrees_with_the_intersection(one, other):
    shared = one.intersection(other)

    assert one.intersection(other) == other.intersection(one)
    assert 0 <= one.overlap_ratio(other) == other.overlap_ratio(one) <= 1
    assert shared is None or (one.covers(shared) and other.covers(shared))


@given(spans(), MOMENTS)
def test_a_shift_moves_everything_and_changes_no_length(span, by_s):
    moved = span.shifted(by_s)

    assert moved.duration_s == span.duration_s
    assert moved.middle == span.middle + by_s


@given(st.integers(0, 10**6), RATES)
def test_the_start_of_a_frame_belongs_to_that_frame(index, rate):
    assert first_frame_from(index / rate, rate) == index


@given(MOMENTS, RATES)
def test_the_first_frame_from_a_moment_begins_then_or_later_and_the_one_before_it_earlier(moment, rate):
    assert (first_frame_from(moment, rate) - 1) / rate < moment <= first_frame_from(moment, rate) / rate


def test_lengths_add_up_and_read_like_a_clock():
    assert total_s([Span.of(0, 2), Span.of(1, 2.5)]) == Fraction(7, 2)
    assert clock(Fraction(3725)) == "1:02:05.0"
    assert clock(59.96) == "0:01:00.0"
