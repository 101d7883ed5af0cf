from __future__ import annotations

from fractions import Fraction

import pytest

from clip_platform.selection.boundaries import (
    clear_end,
    clear_start,
    leans_on_context,
    padded_end,
    padded_start,
    stays_open,
    why_it_leans,
)
from clip_platform.timeline import Span


@pytest.mark.parametrize(
    "text",
    ["And then we left.", "But nobody came.", "He never told her.", "Because it was late.", "Which is why I stopped.",
     "They're all the same.", "Yes, that was me."],
)  # fmt: skip
def test_a_dangling_start_leans_on_what_came_before(text):
    assert leans_on_context(text) == 1.0
    assert text.split()[0].lower().strip(",") in why_it_leans(text)


@pytest.mark.parametrize(
    "text", ["Good bread needs patience.", "What keeps a wheel round?", "I was forty thousand dollars in debt.",
             "So far nobody has walked on Mars.", "No one told me about taxes."],
)  # fmt: skip
def test_a_start_that_stands_alone_does_not_lean(text):
    assert leans_on_context(text) == 0.0
    assert why_it_leans(text) is None


def test_an_answer_leans_on_its_question_and_a_second_question_does_not():
    question = "How long did it take?"

    assert leans_on_context("Twelve years of my life.", question) > 0.5
    assert leans_on_context("Who paid for twelve years?", question) == 0.0


def test_so_leans_less_than_and():
    assert 0 < leans_on_context("So we sold the house.") < leans_on_context("And we sold the house.")


def test_an_open_question_and_a_hanging_word_leave_things_open():
    assert stays_open("Do you know why?") > 0.5
    assert stays_open("we went to the") == 1.0
    assert stays_open("We sold the house.", "Because the roof leaked.") > 0.5
    assert stays_open("We sold the house.", "Rome was next.") == 0.0


def test_a_long_pause_is_padded_by_a_fifth_of_a_second():
    pause = Span.of(10, 12)

    assert padded_start(pause, at_edge=False, cuts=()) == Fraction("11.8")
    assert padded_end(pause, at_edge=False, cuts=()) == Fraction("10.2")


def test_half_of_a_short_pause_belongs_to_the_neighbour():
    pause = Span.of(10, "10.1")

    assert padded_start(pause, at_edge=False, cuts=()) == Fraction("10.05")
    assert padded_end(pause, at_edge=False, cuts=()) == Fraction("10.05")


def test_no_pause_gives_no_padding():
    pause = Span.of(10, 10)

    assert padded_start(pause, at_edge=False, cuts=(Fraction(10),)) == 10
    assert padded_end(pause, at_edge=False, cuts=(Fraction(10),)) == 10


def test_a_start_just_before_a_cut_moves_onto_it():
    assert padded_start(Span.of(10, 12), at_edge=False, cuts=(Fraction("11.9"),)) == Fraction("11.9")


def test_a_start_whose_cut_falls_into_the_first_word_moves_back_within_the_pause():
    start = padded_start(Span.of(10, 12), at_edge=False, cuts=(Fraction("12.1"),))

    assert start == Fraction("11.7")


def test_an_end_just_after_a_cut_moves_onto_it_or_on():
    assert padded_end(Span.of(10, 12), at_edge=False, cuts=(Fraction("10.1"),)) == Fraction("10.1")
    assert padded_end(Span.of(10, 12), at_edge=False, cuts=(Fraction("9.9"),)) == Fraction("10.3")


def test_a_flash_that_cannot_be_avoided_never_costs_a_word():
    pause = Span.of(10, "10.1")

    start = padded_start(pause, at_edge=False, cuts=(Fraction("10.2"),))

    assert pause.start <= start <= pause.end


PAUSE = Span.of(10, 14)


@pytest.mark.parametrize(
    ("laugh", "start"),
    [
        (Span.of("11", "13.9"), "13.9"),  # over before the words: the clip begins after it
        (Span.of("12", "15"), "12"),  # into the words: the clip begins with it
        (Span.of("9", "15"), "13.8"),  # longer than the pause: nothing helps
        (Span.of("11", "12"), "13.8"),  # elsewhere in the pause
    ],
)
def test_a_start_inside_laughter_moves_out_of_it(laugh, start):
    assert clear_start(Fraction("13.8"), PAUSE, [laugh]) == Fraction(start)


@pytest.mark.parametrize(
    ("laugh", "end"),
    [
        (Span.of("10.1", "12.5"), "12.5"),  # it answers the last words: the clip keeps it
        (Span.of("10.3", "12.5"), "12.5"),  # and it may come a moment later
        (Span.of("10.1", "15"), "10.1"),  # it runs into the next words: the clip ends before it
        (Span.of("9", "15"), "10.2"),  # longer than the pause: nothing helps
        (Span.of("12", "13"), "10.2"),  # it has nothing to do with these words
    ],
)
def test_an_end_keeps_the_laughter_that_answers_it_or_comes_before_it(laugh, end):
    assert clear_end(Fraction("10.2"), PAUSE, [laugh]) == Fraction(end)


@pytest.mark.parametrize(
    ("language", "leaning", "standing"),
    [
        ("de", "Aber wir haben das Haus verkauft.", "Wir haben das Haus verkauft."),
        ("es", "Pero vendimos la casa.", "Vendimos la casa."),
        ("fr", "Mais nous avons vendu la maison.", "Nous avons vendu la maison."),
        ("it", "Ma abbiamo venduto la casa.", "Abbiamo venduto la casa."),
        ("pt", "Mas vendemos a casa.", "Vendemos a casa."),
        ("nl", "Maar we hebben het huis verkocht.", "We hebben het huis verkocht."),
    ],
)
def test_each_language_has_its_own_leaning_openers(language, leaning, standing):
    assert leans_on_context(leaning, language=language) == 1.0
    assert leaning.split()[0].lower() in why_it_leans(leaning, language=language)
    assert leans_on_context(standing, language=language) == 0.0


def test_words_of_one_language_mean_nothing_in_another():
    assert leans_on_context("But he sold it.", language="xx") == 0.0
    assert leans_on_context("Die Firma wuchs.", language="en") == 0.0
    assert stays_open("wir gingen in das", language="de") == 1.0
    assert stays_open("wir gingen in das", language="en") == 0.0
