import base64

import pytest

from clip_platform.errors import InvalidInput, LimitExceeded
from clip_platform.upload.parts import PART_SIZE_BYTES, check_announced, cut, named

MD5 = base64.b64encode(bytes(16)).decode()


@pytest.mark.parametrize(
    "size_bytes", [1, PART_SIZE_BYTES - 1, PART_SIZE_BYTES, PART_SIZE_BYTES + 1, 3 * PART_SIZE_BYTES]
)
def test_the_parts_of_a_file_lie_end_to_end_and_make_the_whole(size_bytes):
    whole = cut(size_bytes)

    ends = [whole.offset_of(number) + whole.size_of(number) for number in whole.numbers]

    assert [0, *ends[:-1]] == [whole.offset_of(number) for number in whole.numbers]
    assert ends[-1] == size_bytes
    assert all(whole.size_of(number) == PART_SIZE_BYTES for number in list(whole.numbers)[:-1])


def test_ten_thousand_parts_are_taken_and_one_more_is_not():
    assert cut(10_000 * PART_SIZE_BYTES).part_count == 10_000
    with pytest.raises(LimitExceeded, match="10001 parts"):
        cut(10_000 * PART_SIZE_BYTES + 1)


def test_the_last_part_is_held_to_its_own_length():
    whole = cut(PART_SIZE_BYTES + 5)

    check_announced([(2, 5, MD5), (1, PART_SIZE_BYTES, MD5)], whole)
    with pytest.raises(InvalidInput, match="part 2 is announced with 6 bytes; it has 5"):
        check_announced([(2, 6, MD5)], whole)


@pytest.mark.parametrize(
    "md5", ["", "AA==", MD5 + "\n", MD5.rstrip("="), "é" * 24, base64.b64encode(bytes(17)).decode()]
)
def test_an_md5_is_sixteen_bytes_in_base64_as_a_header_carries_them(md5):
    with pytest.raises(InvalidInput, match="part 1 has md5"):
        check_announced([(1, 5, md5)], cut(5))


def test_a_long_list_of_parts_is_cut_short_in_a_message():
    assert named(range(30, 0, -1)).startswith("1, 2, 3, ")
    assert named(range(1, 31)).endswith("20 and 10 more")
