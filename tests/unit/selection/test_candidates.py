from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from clip_platform.selection.boundaries import SHORTEST_SHOT_S, leans_on_context
from clip_platform.selection.candidates import MAX_CANDIDATES, ClipCandidates, propose
from clip_platform.selection.verdicts import candidate_problems
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from tests.fakes.talks import THREE_SUBJECTS, Talk, talk


def proposed(made: Talk, **preferences: float) -> ClipCandidates:
    return propose(made.transcript, made.sentences, made.shots, made.media, Preferences(**preferences))


def test_candidates_run_from_sentence_to_sentence_within_the_band():
    made = talk()

    found = proposed(made)

    assert found.candidates
    assert candidate_problems(found, Preferences()) == []
    for one in found.candidates:
        assert made.sentences[one.first_sentence].first_word == one.first_word
        assert made.sentences[one.last_sentence].last_word == one.last_word
        assert one.text.startswith(made.sentences[one.first_sentence].text)


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.5, 3.0])
def test_no_candidate_cuts_a_word_or_leaves_the_video(pause_s):
    made = talk(pause_s=pause_s, lead_s=0.05)

    found = proposed(made)

    for one in found.candidates:
        assert 0 <= one.span.start <= made.transcript.words[one.first_word].span.start
        assert made.transcript.words[one.last_word].span.end <= one.span.end <= made.media.duration_s
        inside = [word for word in made.transcript.words if word.span.overlaps(one.span)]
        assert len(inside) == one.last_word - one.first_word + 1


def test_candidates_start_all_over_the_talk():
    made = talk(THREE_SUBJECTS * 6)
    tenth = made.media.duration_s / 10

    starts = [one.span.start for one in proposed(made).candidates]

    assert all(any(tenth * part <= start < tenth * (part + 1) for start in starts) for part in range(9))


def test_a_leaning_start_is_left_out_with_its_reason_when_a_better_one_is_near():
    texts = list(THREE_SUBJECTS)
    texts[4] = "And he put it into the oven for ten minutes."

    found = proposed(talk(texts))

    assert all(one.first_sentence != 4 for one in found.candidates)
    assert [one.reason for one in found.unfit if one.text.startswith("And he")] == [
        "it begins with 'and', which leans on what came before"
    ]


def test_a_talk_that_always_leans_still_gives_candidates():
    found = proposed(talk([f"And {text[0].lower()}{text[1:]}" for text in THREE_SUBJECTS]))

    assert found.candidates
    assert all(leans_on_context(one.text) == 1.0 for one in found.candidates)


def test_shot_runs_at_both_ends_are_long_enough_to_see_where_the_pauses_allow_it():
    plain = talk(pause_s=1.2)
    cuts = sorted(float(one.span.start) - 0.1 for one in plain.sentences[3::4])
    made = talk(pause_s=1.2, cuts_s=cuts)

    found = proposed(made)

    for one in found.candidates:
        for cut in made.shots.cuts_s:
            assert not 0 < cut - one.span.start < SHORTEST_SHOT_S
            assert not 0 < one.span.end - cut < SHORTEST_SHOT_S


def test_a_video_shorter_than_a_clip_says_so():
    found = proposed(talk(THREE_SUBJECTS[:2]))

    assert found.candidates == ()
    assert "the whole video lasts" in found.unfit[0].reason
    assert "15 s" in found.unfit[0].reason


def test_one_word_in_a_long_video_gives_no_candidate_but_a_reason():
    made = talk(["Hello."])
    long = Talk(
        made.transcript, made.sentences, talk(lead_s=100.0).media, made.shots, made.faces, made.turns, made.acoustics
    )

    found = proposed(long)

    assert found.candidates == ()
    assert found.unfit[0].reason == "less than 15 s of talk are left after it starts"


def test_silence_gives_no_candidate_but_a_reason():
    made = talk()

    found = propose(
        type(made.transcript)((), (), "en", made.transcript.engine), (), made.shots, made.media, Preferences()
    )

    assert found.candidates == ()
    assert found.unfit[0].reason == "nobody says anything in it"


def test_an_endless_sentence_is_unfit_with_the_band_in_its_reason():
    endless = " ".join(THREE_SUBJECTS).replace(".", "")

    found = proposed(talk([endless]))

    assert found.candidates == ()
    assert found.unfit[0].reason == "no sentence ends between 15 and 60 s after it starts"


def test_the_same_stretch_has_the_same_id_under_other_preferences():
    made = talk()

    first = {(one.first_word, one.last_word): one.candidate_id for one in proposed(made).candidates}
    second = {(one.first_word, one.last_word): one.candidate_id for one in proposed(made, max_s=40.0).candidates}

    shared = first.keys() & second.keys()
    assert shared
    assert all(first[key] == second[key] for key in shared)
    assert len(set(first.values())) == len(first)


def test_three_hours_give_a_bounded_number_all_over_the_talk():
    made = talk(THREE_SUBJECTS * 80)
    assert made.media.duration_s > 3 * 3600 * Fraction(4, 5)

    found = proposed(made)

    assert len(found.candidates) <= MAX_CANDIDATES
    gaps_s = [after.span.start - before.span.start for before, after in pairwise(found.candidates)]
    assert max(gaps_s) < 60


def test_candidates_come_from_the_part_of_the_source_that_was_asked_for():
    made = talk()
    first, last = made.sentences[8], made.sentences[20]
    asked = {"range_start_s": float(first.span.start), "range_end_s": float(last.span.end)}

    found = proposed(made, **asked)

    starts = {one.first_sentence for one in found.candidates}
    assert min(starts) == 8  # also where the pause before it is not in the range
    assert max(one.last_sentence for one in found.candidates) <= 20
    assert candidate_problems(found, Preferences(**asked)) == []
    outside = [one for one in found.unfit if one.span.start < first.span.start]
    assert {one.reason for one in outside} == {"it is outside the part of the source that was asked for"}


def test_a_range_after_the_source_gives_no_candidate_and_says_why():
    found = proposed(talk(), range_start_s=5000.0)

    assert found.candidates == ()
    assert [one.reason for one in found.unfit] == [
        "range_start_s is 5000, the video ends at 113.2 s, and a clip lasts at least 15 s; choose an earlier start"
    ]


def test_a_clip_keeps_the_laughter_after_its_last_words_and_none_begins_inside_it():
    made = talk(pause_s=2.0)
    laughs = [Span(one.span.end + Fraction(1, 10), one.span.end + Fraction(3, 2)) for one in made.sentences]

    found = propose(made.transcript, made.sentences, made.shots, made.media, Preferences(), laughs=laughs)

    assert found.candidates
    for one in found.candidates:
        last = made.sentences[one.last_sentence]
        if last is not made.sentences[-1]:
            assert one.span.end == last.span.end + Fraction(3, 2)
        assert not any(laugh.start < one.span.start < laugh.end for laugh in laughs)


def test_without_marks_a_sentence_after_a_short_breath_does_not_open_a_clip():
    made = talk([text.rstrip(".").lower() for text in THREE_SUBJECTS])
    breathless = 12
    shift = made.sentences[breathless].span.start - made.sentences[breathless - 1].span.end - Fraction(1, 10)
    sentences = tuple(
        replace(one, span=one.span.shifted(-shift if number >= breathless else Fraction(0)))
        for number, one in enumerate(made.sentences)
    )

    found = propose(made.transcript, sentences, made.shots, made.media, Preferences())

    assert breathless in {one.first_sentence for one in proposed(made).candidates}
    assert breathless not in {one.first_sentence for one in found.candidates}
    assert any("may begin inside a sentence" in stretch.reason for stretch in found.unfit)
