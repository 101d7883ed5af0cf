"""What is written under a clip: taken from what is said, and refused when it is not fit to be shown."""

from __future__ import annotations

import pytest

from clip_platform.errors import CheckFailed
from clip_platform.selection.titles import title_of
from clip_platform.selection.writing import (
    LONGEST_SUMMARY,
    MOST_HASHTAGS,
    ExtractiveWriter,
    Written,
    hashtags_of,
    summary_of,
)
from tests.fakes.talks import BREAD, VOLCANOES

GERMAN = "Der Sauerteig braucht zwölf Stunden. Ohne Sauerteig schmeckt das Roggenbrot nach nichts."


def test_hashtags_are_key_phrases_of_the_clip_without_spaces_numbers_or_repetition():
    for spoken in (BREAD, VOLCANOES):
        tags = hashtags_of(" ".join(spoken), "en")

        assert 3 <= len(tags) <= MOST_HASHTAGS
        assert all(tag[0] == "#" and tag[1:].isalnum() for tag in tags)
    assert any("Magma" in tag for tag in tags)
    assert hashtags_of("Forty thousand, 40 and 2027.", "en") == ()


def test_other_languages_have_hashtags_too_and_silence_has_none():
    assert any("Sauerteig" in tag for tag in hashtags_of(GERMAN, "de"))
    assert hashtags_of("", "en") == ()
    assert Written("fine", hashtags_of("これは短い文です。", "xx"), "").title == "fine"


def test_two_words_are_one_hashtag_only_where_they_are_a_term_or_a_name():
    tags = hashtags_of("Bakers fold sourdough bread. Steve Jobs ate it. Sourdough bread wins.", "en")

    assert {"#SourdoughBread", "#SteveJobs", "#Bakers"} <= set(tags)
    assert not any("Fold" in tag and tag != "#Fold" for tag in tags)


def test_hashtags_keep_the_accents_and_vowels_of_every_script():
    assert "#मधुमक्खियाँ" in hashtags_of("मधुमक्खियाँ फूल", "hi")
    assert hashtags_of("cafe\u0301", "en") == ("#Café",)
    assert set(hashtags_of("L'abeille aime l'économie. C'est tout.", "fr")) == {"#Abeille", "#Aime", "#Économie"}
    assert Written("fine", ("#मधुमक्खियाँ",), "").hashtags


def test_a_sentence_in_a_script_without_spaces_is_no_hashtag():
    assert hashtags_of("今天我们讨论蜜蜂。蜜蜂怎么找到花？", "zh") == ()
    assert hashtags_of("ผึ้งหาดอกไม้ด้วยดวงอาทิตย์", "th") == ()
    assert "#人工智能" in hashtags_of("人工智能 蜜蜂花园", "zh")


def test_the_summary_is_a_sentence_that_was_said():
    summary = summary_of(BREAD)

    assert summary in BREAD
    assert summary_of([]) == ""
    assert summary_of(["so well we fold the dough and fold the dough again"]).startswith("We fold")


def test_the_summary_does_not_repeat_the_title():
    spoken = ["How do bees find flowers?", "Bees find flowers by the sun.", "Thanks."]

    assert title_of(spoken) == "How do bees find flowers?"
    assert summary_of(spoken) == "Bees find flowers by the sun."
    assert summary_of(["Bees find flowers.", "And so on."]) == "Bees find flowers."


def test_an_endless_sentence_is_shortened_at_a_word():
    summary = summary_of(["the dough rises and " * 40])

    assert len(summary) <= LONGEST_SUMMARY
    assert summary.endswith("…")
    assert summary.rstrip("…").split()[-1] in ("the", "dough", "rises", "and")


def test_the_writer_gives_all_three():
    written = ExtractiveWriter().write(BREAD, "en")

    assert written.title
    assert written.hashtags == hashtags_of(" ".join(BREAD), "en")
    assert written.summary == summary_of(BREAD)


@pytest.mark.parametrize(
    ("title", "hashtags", "summary", "named"),
    [
        ("", (), "", "title"),
        ("x" * 61, (), "", "61 characters"),
        ("fine", ("no hash",), "", "'no hash'"),
        ("fine", ("#two words",), "", "'#two words'"),
        ("fine", ("#",), "", "'#'"),
        ("fine", (), "y" * 161, "161 characters"),
    ],
)
def test_what_another_writer_gives_is_checked(title, hashtags, summary, named):
    with pytest.raises(CheckFailed, match=named):
        Written(title, hashtags, summary)
