"""Behaviour of the cold-start scorer: what must not matter, what must matter which way, what it always gets right."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_platform.errors import FeatureMismatch
from clip_platform.scoring.features import FEATURES, ClipFeatures, feature_digest
from clip_platform.scoring.heuristic import BASELINE, RULES, HeuristicScorer, drawn_in
from clip_platform.scoring.scorer import ClipScore
from clip_platform.scoring.verdicts import score_problems

ORDINARY = {
    "duration_s": 30.0, "duration_fit": 0.8, "position_share": 0.4, "topic_share": 0.9, "pause_before_s": 0.5,
    "pause_after_s": 0.5, "sentence_count": 8.0, "content_share": 0.45, "repeated_share": 0.3, "centrality": 0.5,
    "word_confidence": 0.95, "words_per_s": 2.8, "hook_words_per_s": 2.5, "speech_share": 0.9, "longest_pause_s": 0.8,
    "energy_spread_db": 5.0, "pitch_spread_st": 3.0, "flux_rel": 1.0, "face_share": 0.9, "hook_face_share": 1.0,
    "face_height_share": 0.2, "speaker_share": 0.9, "cuts_per_min": 4.0, "filler_share": 0.02,
}  # fmt: skip


def row(**changes: float) -> ClipFeatures:
    values = {feature.name: 0.0 for feature in FEATURES} | ORDINARY | changes
    return ClipFeatures(feature_digest(), ("one",), {name: (value,) for name, value in values.items()})


def scored(**changes: float) -> ClipScore:
    return HeuristicScorer().score(row(**changes)).scores[0]


@pytest.mark.parametrize("feature", ["position_share", "sentence_count", "duration_s", "pause_before_s"])
def test_where_a_clip_is_does_not_matter(feature):
    assert scored(**{feature: 0.0}).value == scored(**{feature: 1.0}).value


@pytest.mark.parametrize(
    ("feature", "worse", "better"),
    [
        ("opens_with_question", 0, 1),
        ("hook_number", 0, 1),
        ("hook_you", 0, 1),
        ("hook_strong", 0, 1),
        ("start_leaning", 1, 0),
        ("end_open", 1, 0),
        ("topic_share", 0.5, 1),
        ("longest_pause_s", 3.5, 0.5),
        ("words_per_s", 1.2, 2.8),
        ("words_per_s", 4.8, 2.8),
        ("filler_share", 0.1, 0),
        ("speaker_share", 0.3, 1),
        ("face_share", 0.2, 0.9),
        ("energy_spread_db", 1, 6),
        ("slide_share", 1, 0),
        ("word_confidence", 0.5, 0.95),
        ("duration_fit", 0.1, 0.9),
    ],
)
def test_what_is_better_scores_higher(feature, worse, better):
    assert scored(**{feature: worse}).value < scored(**{feature: better}).value


def test_an_ordinary_clip_lies_in_the_middle():
    assert 45 <= scored().value <= 70


def test_a_good_clip_beats_a_bad_one_by_far():
    good = scored(opens_with_question=1, hook_you=1, starts_topic=1, energy_rel_db=3)
    bad = scored(start_leaning=1, end_open=1, words_per_s=1.2, longest_pause_s=4, speaker_share=0.1)

    assert good.value > bad.value + 30
    assert good.value > 65
    assert bad.value < 40


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([feature.name for feature in FEATURES]), st.floats(-1e6, 1e6, allow_nan=False), max_size=41
    )
)
def test_scores_are_always_the_sum_of_their_contributions_within_bounds(changes):
    scores = HeuristicScorer().score(row(**changes))

    assert score_problems(scores) == []


def test_reasons_are_three_in_plain_words_about_true_values():
    score = scored(opens_with_question=1, start_leaning=1, speaker_share=0.1)

    assert len(score.reasons) == 3
    assert "opens with a question" in score.reasons
    assert "its first sentence leans on what came before" in score.reasons


def test_a_reason_tells_the_value():
    assert "speaker on screen only 10 % of the time" in scored(speaker_share=0.1).reasons
    assert "speaker on screen 100 % of the time" in scored(speaker_share=1.0).reasons


def test_what_sets_a_clip_apart_is_told_before_what_all_share():
    same = {feature.name: 0.0 for feature in FEATURES} | ORDINARY | {"energy_rel_db": 4.0}
    columns = {name: (value, value, value) for name, value in same.items()}
    columns["hook_number"] = (1.0, 0.0, 0.0)

    first = HeuristicScorer().score(ClipFeatures(feature_digest(), ("a", "b", "c"), columns)).scores[0]

    assert first.reasons[0] == "a number in the first 3 s"


def test_features_of_another_digest_are_refused_with_the_remedy():
    foreign = replace(row(), digest="9f3c00000000")

    with pytest.raises(FeatureMismatch, match=r"9f3c00000000.*materialise clip_features"):
        HeuristicScorer().score(foreign)


def test_every_rule_reads_a_feature_that_exists_and_no_feature_twice():
    names = [rule.feature for rule in RULES]

    assert set(names) <= {feature.name for feature in FEATURES}
    assert len(set(names)) == len(names)


def test_points_are_drawn_in_without_changing_order_or_sign():
    assert drawn_in([1.0, -1.0]) == [1.0, -1.0]
    mild, strong = sum(drawn_in([40.0])), sum(drawn_in([90.0]))
    assert 30 < mild < strong < BASELINE
    assert sum(drawn_in([-90.0])) == pytest.approx(-strong)
