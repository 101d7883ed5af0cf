"""Talks with true subjects, and the measure of found ones, on examples small enough to reckon by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from clip_platform.evaluation import clip_bounds
from clip_platform.evaluation.clip_bounds import _proposed as bounds_of
from clip_platform.evaluation.clip_bounds import bound_scores
from clip_platform.evaluation.topic_talks import boundary_errors, pk, topic_talk


def test_right_boundaries_have_no_error_and_none_at_all_misses_every_pair_across_them():
    truth = (0, 5, 10, 15)  # half a mean segment is 2.5, rounded to 2

    assert pk(truth, truth, 20) == 0.0
    assert pk(truth, (0,), 20) == pytest.approx(3 * 2 / 18)
    assert pk(truth, range(20), 20) == pytest.approx(12 / 18)


def test_a_boundary_that_is_off_by_one_costs_one_pair_on_either_side():
    assert pk((0, 10), (0, 11), 20) == pytest.approx(2 / 15)


def test_a_seed_gives_one_talk_and_about_a_third_of_its_words_are_wrong():
    clean, misheard, again = topic_talk(3, 0.0), topic_talk(3), topic_talk(3)

    assert misheard == again
    assert misheard.topic_first == topic_talk(3).topic_first
    assert 3 <= len(clean.topic_first) <= 6
    assert set(misheard.topic_first) <= set(misheard.sentence_first)
    wrong = sum(a.text != b.text for a, b in zip(topic_talk(3, 0.0).words, topic_talk(3, 0.3).words, strict=True))
    assert 0.2 < wrong / len(clean.words) < 0.4
    assert all(a.span.end <= b.span.start for a, b in zip(clean.words, clean.words[1:], strict=False))


def test_boundaries_by_words_are_found_far_better_than_by_chance():
    assert sum(boundary_errors(talks=6)) / 6 < 0.35


def test_clips_that_begin_or_end_inside_a_sentence_are_counted():
    scores = bound_scores(0.0, talks=2)

    assert scores.bounds > 100
    assert scores.in_words == 0
    assert 0 < scores.in_sentences / scores.bounds < 0.05


def test_bounds_inside_words_and_sentences_would_be_seen(monkeypatch):
    talk = topic_talk(0, 0.0)
    late = tuple(replace(word, span=word.span.shifted(Fraction(3, 10))) for word in talk.words)
    wrong = replace(talk, words=late, sentence_first=(0,))
    monkeypatch.setattr(clip_bounds, "_proposed", lambda _talk: proposed)
    monkeypatch.setattr(clip_bounds, "topic_talk", lambda _seed, _share: wrong)
    proposed = bounds_of(talk)

    scores = bound_scores(0.0, talks=1)

    assert scores.in_words > scores.bounds / 2
    assert scores.in_sentences > scores.bounds / 2
