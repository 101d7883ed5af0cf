from __future__ import annotations

import pytest

from clip_platform.selection.titles import LONGEST_TITLE, title_of
from tests.fakes.talks import BREAD


def test_a_title_is_taken_from_what_is_said():
    title = title_of(BREAD[:4])

    assert any(title.rstrip("…") in sentence for sentence in BREAD)


def test_a_title_fits_and_ends_at_a_word():
    text = "the " + "extraordinarily complicated negotiation " * 6 + "ended."

    title = title_of([text])

    assert len(title) <= LONGEST_TITLE
    assert title.removesuffix("…").split()[-1] in ("extraordinarily", "complicated", "negotiation")


def test_fillers_at_the_start_are_left_out_and_the_first_letter_is_large():
    assert title_of(["so um dough rises slowly in cold rooms"]) == "Dough rises slowly in cold rooms"


def test_a_question_keeps_its_mark():
    assert title_of(["Why does dough rise?"]) == "Why does dough rise?"


def test_nothing_said_has_a_name_all_the_same():
    assert title_of([]) == "Untitled"
    assert title_of(["…"]) == "Untitled"


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("We made 3.5 million dollars last year.", "We made 3.5 million dollars last year"),
        ("Dr. Smith founded Example.com in 1999.", "Dr. Smith founded Example.com in 1999"),
        ("He came back from the U.S.", "He came back from the U.S."),
        (
            "We raised 10,000,000 dollars from nine investors, which took us two years and a half of our lives",
            "We raised 10,000,000 dollars from nine investors",
        ),
        (
            "If you want to sell honey, you have to know every single keeper of bees in your valley by name",
            "If you want to sell honey, you have to know every single…",
        ),
        ("वह घर गया।", "वह घर गया"),
        ("كيف يجد النحل الزهور؟", "كيف يجد النحل الزهور؟"),
    ],
)
def test_a_title_keeps_numbers_names_and_thoughts_whole(said, title):
    assert title_of([said]) == title
