from __future__ import annotations

import re

import pytest
from made import results

from clip_platform.delivery import tables
from tests.fakes.talks import talk


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_tables_have_the_same_number_of_cells_in_each_row():
    made = results()

    for table in (
        tables.words_table(made.talk.transcript),
        tables.candidates_table(made.candidates),
        tables.scores_table(made.scores),
        tables.selected_table(made.selected),
        tables.rejected_table(made.selected),
        tables.rendered_table(made.rendered),
    ):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({columns(line) for line in lines}) == 1
        assert len(lines) > 2


@pytest.mark.parametrize("word", ["a|b", "<img src=x>", "[x](javascript:1)", "**bold**", "`code`", "two\nlines", "$x$"])
def test_a_word_cannot_break_out_of_its_cell(word):
    made = talk(["Plain words come first."])
    first = type(made.transcript.words[0])(word, made.transcript.words[0].span)
    transcript = type(made.transcript)((first,), (), "en", made.transcript.engine)

    row = tables.words_table(transcript).splitlines()[2]

    assert columns(row) == 4
    assert not re.search(r"(?<!\\)[\[\]*`$<>]", row)


def test_long_tables_say_how_much_is_left_out():
    made = talk()

    table = tables.words_table(made.transcript, rows=10)

    assert table.endswith(f"… and {len(made.transcript.words) - 10} more")
    assert len(table.splitlines()) == 2 + 10 + 2


def test_long_text_is_cut():
    assert len(tables.cell("word " * 100)) <= tables.LONGEST_CELL
