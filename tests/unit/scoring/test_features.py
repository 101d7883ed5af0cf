from __future__ import annotations

import math
import time
from dataclasses import replace
from fractions import Fraction

import pytest

from clip_platform.scoring.features import FEATURES, ClipFeatures, compute_features, feature_digest
from clip_platform.scoring.verdicts import feature_problems
from clip_platform.selection.candidates import ClipCandidate, ClipCandidates, propose
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import FaceTracks, Shot, Shots
from tests.fakes.talks import THREE_SUBJECTS, Talk, talk


def candidates_of(made: Talk) -> ClipCandidates:
    return propose(made.transcript, made.sentences, made.shots, made.media, Preferences())


def features_of(made: Talk, candidates: ClipCandidates | None = None) -> ClipFeatures:
    return compute_features(
        candidates or candidates_of(made),
        made.transcript,
        made.acoustics,
        made.shots,
        made.faces,
        made.turns,
        made.media,
        Preferences(),
    )


def only(made: Talk, first: int, last: int) -> ClipCandidates:
    """The candidate from sentence `first` to `last` and no other."""
    said = made.sentences[first : last + 1]
    one = ClipCandidate(
        candidate_id="only",
        span=Span(said[0].span.start, said[-1].span.end),
        first_word=said[0].first_word,
        last_word=said[-1].last_word,
        first_sentence=first,
        last_sentence=last,
        topic=0,
        text=" ".join(sentence.text for sentence in said),
    )
    return replace(candidates_of(made), candidates=(one,))


def value(features: ClipFeatures, name: str) -> float:
    return features.columns[name][0]


def test_there_is_one_finite_number_for_each_feature_and_candidate():
    made = talk()
    candidates = candidates_of(made)

    features = features_of(made, candidates)

    assert tuple(features.columns) == tuple(feature.name for feature in FEATURES)
    assert features.candidate_ids == tuple(one.candidate_id for one in candidates.candidates)
    assert feature_problems(features) == []


def test_shares_and_flags_stay_within_their_units():
    features = features_of(talk(cuts_s=(20.0, 40.0)))

    for feature in FEATURES:
        if feature.unit in ("share", "flag"):
            assert all(0.0 <= number <= 1.0 for number in features.columns[feature.name]), feature.name


def test_names_are_unique_and_described():
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.unit and feature.meaning for feature in FEATURES)


def test_the_digest_follows_what_the_features_mean(monkeypatch):
    before = feature_digest()
    changed = (replace(FEATURES[0], meaning="something else"), *FEATURES[1:])

    monkeypatch.setattr("clip_platform.scoring.features.FEATURES", changed)

    assert feature_digest() != before
    assert len(before) == 12


def test_a_video_without_faces_pitch_or_turns_gives_numbers_all_the_same():
    made = talk()
    blind = replace(
        made,
        faces=FaceTracks(1920, 1080, Fraction(5), 100, "fake", ()),
        turns=SpeakerTurns(()),
        acoustics=replace(
            made.acoustics,
            columns={name: tuple(0.0 for _ in column) for name, column in made.acoustics.columns.items()},
        ),
    )

    features = features_of(blind)

    assert feature_problems(features) == []
    assert set(features.columns["face_share"]) == {0.0}
    assert set(features.columns["pitch_spread_st"]) == {0.0}


def test_no_candidates_give_no_rows():
    made = talk(["Hello."])

    features = features_of(made)

    assert features.candidate_ids == ()
    assert all(column == () for column in features.columns.values())


def test_faces_count_for_the_time_they_are_on_screen():
    made = talk(cuts_s=(15.0,))
    first_shot_only = replace(made, faces=replace(made.faces, tracks=made.faces.tracks[:1]))
    candidates = candidates_of(made)
    row = next(i for i, one in enumerate(candidates.candidates) if one.span.start < 10 and one.span.end > 20)

    share = features_of(first_shot_only, candidates).columns["face_share"][row]

    span = candidates.candidates[row].span
    assert share == pytest.approx(float((15 - span.start) / span.duration_s), abs=0.02)
    assert features_of(made, candidates).columns["face_height_share"][row] == pytest.approx(300 / 1080)


def test_cuts_and_slides_are_measured_inside_the_clip_only():
    made = talk(cuts_s=(2.0, 12.0, 100.0))
    slide = Shots(tuple(replace(shot, kind="slide") if shot.span.start == 12 else shot for shot in made.shots.shots))
    features = features_of(replace(made, shots=slide), only(made, 1, 7))

    candidate = only(made, 1, 7).candidates[0]
    assert value(features, "cuts_per_min") == pytest.approx(60 / float(candidate.span.duration_s))
    assert value(features, "slide_share") == pytest.approx(
        float((candidate.span.end - 12) / candidate.span.duration_s), abs=0.01
    )


def test_a_question_a_number_and_you_are_heard_in_the_first_three_seconds():
    texts = ["Do you know seven rules of bread?", *THREE_SUBJECTS]

    features = features_of(talk(texts), only(talk(texts), 0, 3))

    assert [value(features, name) for name in ("opens_with_question", "hook_you", "hook_number")] == [1.0, 1.0, 1.0]
    assert value(features, "hook_strong") == 0.0


def test_what_is_said_after_three_seconds_is_no_hook():
    texts = ["The baker who lives next door to the old church sold seven loaves to you.", *THREE_SUBJECTS]
    made = talk(texts)

    features = features_of(made, only(made, 0, 3))

    assert value(features, "hook_number") == value(features, "hook_you") == 0.0
    assert value(features, "number_share") > 0


def test_a_speaker_off_screen_lowers_the_speaker_share():
    made = talk()
    half = len(made.turns.turns) // 2
    hidden = [SpeakerTurn(turn.span, "off_screen", None, 0.9) for turn in made.turns.turns[half:]]

    shares = features_of(replace(made, turns=SpeakerTurns((*made.turns.turns[:half], *hidden)))).columns[
        "speaker_share"
    ]

    assert shares[0] == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(0.0)


def test_longer_pauses_and_slower_speech_show_in_the_numbers():
    brisk, slow = (features_of(made, only(made, 2, 7)) for made in (talk(), talk(pause_s=1.5, word_s=0.5)))

    assert value(slow, "longest_pause_s") == pytest.approx(1.53, abs=0.02)
    assert value(slow, "words_per_s") < value(brisk, "words_per_s")
    assert value(slow, "speech_share") < value(brisk, "speech_share")


def test_three_hours_of_features_take_seconds():
    made = talk(THREE_SUBJECTS * 80)
    candidates = candidates_of(made)

    started = time.perf_counter()
    features = features_of(made, candidates)

    assert time.perf_counter() - started < 10
    assert len(features.candidate_ids) > 500
    assert all(map(math.isfinite, features.columns["centrality"]))


def test_a_slide_shot_is_a_shot_like_any_other():
    made = talk()
    whole = Shots((Shot(Span(Fraction(0), made.media.duration_s), "slide", "start"),))

    assert set(features_of(replace(made, shots=whole)).columns["slide_share"]) == {1.0}
