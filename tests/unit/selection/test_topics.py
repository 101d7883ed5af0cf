from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from clip_platform.selection.topics import topic_starts
from tests.fakes.talks import BICYCLES, BREAD, THREE_SUBJECTS, VOLCANOES, talk


def test_a_talk_about_three_subjects_is_cut_at_both_changes():
    sentences = talk(THREE_SUBJECTS).sentences

    starts = topic_starts(sentences)

    assert starts == (0, 10, 20)


def test_subjects_are_told_apart_by_their_words_alone_within_a_sentence():
    without_cues = [*BREAD, *BICYCLES[1:], *VOLCANOES[1:]]

    starts = topic_starts(talk(without_cues).sentences)

    assert any(abs(start - 10) <= 1 for start in starts)
    assert any(abs(start - 19) <= 1 for start in starts)


def test_with_a_third_of_the_words_wrong_most_changes_are_still_found():
    talks = [talk(THREE_SUBJECTS, wrong_words=0.3, seed=seed).sentences for seed in range(10)]

    found = [topic_starts(sentences) for sentences in talks]

    near = [any(abs(start - truth) <= 2 for start in starts) for starts in found for truth in (10, 20)]
    assert sum(near) >= 15
    assert all(len(starts) <= 6 for starts in found)


def test_a_short_talk_about_one_subject_stays_whole():
    assert topic_starts(talk(BREAD[:5]).sentences) == (0,)


def test_no_sentences_give_no_topics_and_one_sentence_gives_one():
    assert topic_starts(()) == ()
    assert topic_starts(talk(BREAD[:1]).sentences) == (0,)


def test_a_long_pause_helps_where_words_say_little():
    alike = talk([f"Item {letter} comes up for sale today." for letter in "abcdefghijklmnopqrst"]).sentences
    paused = tuple(replace(one, span=one.span.shifted(Fraction(6 * (i >= 10)))) for i, one in enumerate(alike))

    starts = topic_starts(paused)

    assert starts == (0, 10)
