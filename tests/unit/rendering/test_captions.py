from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from scenes import grid, steady_words, words

from clip_platform.rendering import typeface
from clip_platform.rendering.captions import caption_area, caption_blocks, caption_error_s

AREA = caption_area(1080, 1920)


def blocks_of(spoken, clip=None):
    return caption_blocks(spoken, clip or grid(30), AREA, typeface.text_width_px)


def test_a_sentence_becomes_blocks_of_two_to_four_words():
    blocks = blocks_of(steady_words("we have to go and see what is over there right now my dear friend."))

    assert [word.text for block in blocks for word in block.words][-1] == "friend."
    assert {len(block.words) for block in blocks} <= {2, 3, 4}


def test_blocks_end_at_sentences_pauses_and_commas():
    spoken = words(
        ("Stop", 0, 0.3), ("it.", 0.3, 0.6), ("When", 0.6, 0.9), ("done,", 0.9, 1.2), ("we", 1.2, 1.5),
        ("rest", 1.5, 1.8), ("a", 2.4, 2.5), ("bit", 2.5, 2.8),
    )  # fmt: skip

    assert [block.text for block in blocks_of(spoken)] == ["Stop it.", "When done,", "we rest", "a bit"]


def test_each_word_lights_up_within_a_frame_of_its_start():
    spoken = steady_words("one two three four five six seven eight nine ten", start_s=0.217, each_s=0.283)

    blocks = blocks_of(spoken)

    assert caption_error_s(blocks, Fraction(30)) <= 1 / 60
    assert [word.first_frame for block in blocks for word in block.words] == [
        round((0.217 + i * 0.283) * 30) for i in range(10)
    ]


def test_words_of_a_late_clip_are_in_the_clips_time():
    blocks = blocks_of(steady_words("far into the talk", start_s=100.5), grid(5, start_s=100))

    assert blocks[0].first_frame == 15


def test_blocks_and_words_never_overlap_and_short_gaps_do_not_blink():
    spoken = words(("so", 0, 0.2), ("we", 0.3, 0.5), ("wait.", 0.62, 1.0), ("Here", 1.2, 1.5), ("now", 1.6, 1.9))

    blocks = blocks_of(spoken)

    assert all(earlier.end_frame <= later.first_frame for earlier, later in pairwise(blocks))
    for block in blocks:
        assert block.words[0].first_frame == block.first_frame
        assert all(earlier.end_frame <= later.first_frame for earlier, later in pairwise(block.words))
    assert [(word.first_frame, word.end_frame) for word in blocks[0].words] == [(0, 9), (9, 19), (19, 36)]


def test_words_in_the_same_frame_still_get_one_frame_each():
    blocks = blocks_of(words(("a", 1.0, 1.01), ("b", 1.01, 1.02), ("c", 1.02, 1.03)))

    frames = [(word.first_frame, word.end_frame) for block in blocks for word in block.words]
    assert [first for first, _ in frames] == [30, 31, 32]
    assert all(end > first for first, end in frames)


@pytest.mark.parametrize("size", [(1080, 1920), (1080, 1350), (1080, 1080), (1920, 1080)])
def test_no_line_leaves_the_safe_area(size):
    area = caption_area(*size)
    long_word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    spoken = steady_words(f"extraordinarily straightforward WWWWWWWWWW {long_word} misunderstandings are everywhere")

    blocks = caption_blocks(spoken, grid(30), area, typeface.text_width_px)

    for block in blocks:
        assert len(block.lines) <= 2
        assert all(typeface.text_width_px(line, block.em_px) <= area.width_px for line in block.lines)
    assert " ".join(block.text for block in blocks) == " ".join(word.text for word in spoken)


def test_the_safe_area_of_a_tall_clip_is_what_all_platforms_leave_free():
    assert AREA.left_px >= 65
    assert AREA.right_px <= 910
    assert AREA.left_px + AREA.right_px == 1080
    assert (AREA.top_px, AREA.bottom_px) == (270, 1250)


def test_hostile_words_become_one_line_of_letters():
    blocks = blocks_of(words(("two\nlines\x00", 0, 0.5), ("\x1b", 0.5, 0.6), ("end", 0.6, 0.9)))

    assert blocks[0].text == "two lines end"


def test_letters_the_typeface_lacks_are_named():
    assert typeface.missing_letters("naïve Grüße Привет ½") == ""
    assert typeface.missing_letters("go 漢字 漢") == "漢字"
