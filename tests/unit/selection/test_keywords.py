from __future__ import annotations

import pytest

from clip_platform.selection.candidates import ClipCandidates
from clip_platform.selection.choice import ScoredCandidate, SelectedClips, choose
from clip_platform.selection.keywords import POINTS_A_KEYWORD, raised, spoken_of
from clip_platform.upload.preferences import Preferences
from tests.unit.selection.test_choice import candidate


def chosen(keywords: tuple[str, ...], first: float, second: float) -> SelectedClips:
    bread = candidate("bread", 0, 20, "The oven gives the crust its colour.")
    chains = candidate("chains", 30, 50, "Oiled chains and clean brakes save power.")
    scores = [ScoredCandidate("bread", first, ("why",)), ScoredCandidate("chains", second, ("why",))]
    return choose(ClipCandidates((bread, chains), (), ()), scores, Preferences(clips=1, keywords=keywords))


@pytest.mark.parametrize(
    ("keyword", "is_spoken_of"),
    [("chain", True), ("clean brake", True), ("brake clean", False), ("OILED", True), ("rein", False), ("!", False)],
)
def test_a_keyword_is_found_in_any_form_of_its_words(keyword: str, is_spoken_of: bool):
    found = spoken_of("Oiled chains and clean brakes save power.", [keyword])

    assert found == [keyword] * is_spoken_of


def test_a_clip_that_speaks_of_a_keyword_is_preferred_and_says_so():
    without, with_keyword = chosen((), 60.0, 55.0), chosen(("chain",), 60.0, 55.0)

    assert [clip.clip_id for clip in without.clips] == ["bread"]
    (clip,) = with_keyword.clips
    assert (clip.clip_id, clip.score) == ("chains", 55.0 + POINTS_A_KEYWORD)
    assert clip.reasons == ("it speaks of 'chain', which was asked for (+10)", "why")


def test_a_keyword_spoken_of_in_other_words_counts_half():
    bread = candidate("bread", 0, 20, "The oven gives the crust its colour.")
    scores = [ScoredCandidate("bread", 60.0, ("why",))]

    (score,) = raised(scores, [bread], ("oven", "bakery"), {"bread": ["bakery", "oven"]})

    assert score.value == 60.0 + 1.5 * POINTS_A_KEYWORD
    assert score.reasons == ("it speaks of 'oven' and near 'bakery', which was asked for (+15)", "why")


def test_keywords_do_not_make_a_poor_clip_the_best():
    selected = chosen(("chain", "brakes", "power", "oiled"), 90.0, 55.0)

    assert [clip.clip_id for clip in selected.clips] == ["bread"]


def test_no_score_is_raised_above_a_hundred():
    selected = chosen(("oven",), 97.0, 55.0)

    assert selected.clips[0].score == 100.0


def test_a_keyword_is_found_however_its_accents_are_written():
    assert spoken_of("we met at the cafe\u0301 in İstanbul", ("café", "istanbul", "İSTANBUL")) == ["café", "İSTANBUL"]


def test_a_keyword_of_a_script_without_spaces_is_found_inside_a_sentence():
    assert spoken_of("我们学习机器。", ("学习", "花园")) == ["学习"]
