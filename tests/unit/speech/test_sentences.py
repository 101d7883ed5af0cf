"""Sentences from marks, from pauses, and from neither."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from clip_platform.speech.sentences import Sentence, split_sentences, written_sentences
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span


def _timed(text: str, pauses_s: dict[str, float] | None = None) -> list[Word]:
    """Words of 0.3 s each that follow one another; a pause comes after a word named in `pauses_s`."""
    words, at = [], Fraction(0)
    for token in text.split():
        words.append(Word(token, Span(at, at + Fraction(3, 10))))
        at += Fraction(3, 10) + Fraction(str((pauses_s or {}).get(token, 0)))
    return words


def _texts(sentences: tuple[Sentence, ...]) -> list[str]:
    return [sentence.text for sentence in sentences]


def test_marks_end_sentences_and_abbreviations_do_not():
    words = _timed('Dr. Smith paid 3.5 dollars. "Why?" Mr. J. Jones, e.g. the U.S. one, left! Bye')

    assert _texts(split_sentences(words, "en")) == [
        "Dr. Smith paid 3.5 dollars.",
        '"Why?"',
        "Mr. J. Jones, e.g. the U.S. one, left!",
        "Bye",
    ]


def test_without_marks_pauses_end_sentences():
    words = _timed(
        "welcome back to the show today we talk about teams nobody believed it at first but then it worked",
        {"show": 0.2, "teams": 0.7, "first": 0.3},
    )

    assert _texts(split_sentences(words, "en")) == [
        "welcome back to the show",
        "today we talk about teams",
        "nobody believed it at first",
        "but then it worked",
    ]


def test_the_threshold_follows_the_speaker():
    text = "we built a thing it broke at once so we built another that one held"
    quick = _timed(text, {"thing": 0.12, "once": 0.12, "another": 0.12})
    slow = _timed(text, dict.fromkeys(text.split(), 0.1) | {"thing": 0.5, "once": 0.5, "another": 0.5})

    assert len(split_sentences(quick, "en")) >= 3
    assert len(split_sentences(slow, "en")) <= len(split_sentences(quick, "en")) + 1


def test_a_pause_after_a_word_that_leans_forward_ends_nothing():
    words = _timed("this is the best part of the talk and we will see more of it soon", {"the": 0.4, "talk": 0.4})

    assert _texts(split_sentences(words, "en"))[0] == "this is the best part of the talk"


def test_a_long_pause_ends_a_sentence_of_two_words():
    words = _timed("we did it all thank you goodbye to all of my friends", {"all": 0.9, "you": 0.9})

    assert "thank you" in _texts(split_sentences(words, "en"))


def test_an_endless_sentence_is_cut_at_its_longest_pauses():
    words = _timed(" ".join(f"w{number}" for number in range(100)), {"w24": 0.08, "w49": 0.09, "w74": 0.08})

    sentences = split_sentences(words, "en")

    assert all(s.last_word - s.first_word < 30 and s.span.duration_s <= 15 for s in sentences)
    assert {24, 49, 74} <= {s.last_word for s in sentences}


def test_no_words_no_sentences_and_one_word_is_one():
    assert split_sentences([], "en") == ()
    assert _texts(split_sentences(_timed("yes"), "en")) == ["yes"]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b.", "the", "Dr.", "so?"]), st.integers(0, 90)), min_size=1, max_size=90)
)
def test_every_word_is_in_exactly_one_sentence_in_order(tokens: list[tuple[str, int]]):
    words, at = [], Fraction(0)
    for text, pause in tokens:
        words.append(Word(text, Span(at, at + Fraction(1, 5))))
        at += Fraction(1, 5) + Fraction(pause, 100)

    sentences = split_sentences(words, "en")

    assert [number for s in sentences for number in range(s.first_word, s.last_word + 1)] == list(range(len(words)))
    assert all(s.span == Span(words[s.first_word].span.start, words[s.last_word].span.end) for s in sentences)


def test_a_short_answer_is_a_sentence_and_a_number_is_none():
    words = _timed("Will it rain? No. We checked. See No. 5 first. My brother and I. Then home. वह घर गया। फिर सोया।")

    assert _texts(split_sentences(words, "en")) == [
        "Will it rain?",
        "No.",
        "We checked.",
        "See No. 5 first.",
        "My brother and I.",
        "Then home.",
        "वह घर गया।",
        "फिर सोया।",
    ]


def test_written_text_is_cut_after_sentences_and_not_inside_numbers_or_names():
    assert written_sentences("We made 3.5 million. Dr. Lee runs example.com now!") == [
        "We made 3.5 million.",
        "Dr. Lee runs example.com now!",
    ]
    assert written_sentences("蜜蜂飞。花开了！") == ["蜜蜂飞。", "花开了！"]
    assert written_sentences("  ") == []
