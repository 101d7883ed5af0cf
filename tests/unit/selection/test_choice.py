from __future__ import annotations

import pytest

from clip_platform.selection.candidates import ClipCandidate, ClipCandidates, UnfitStretch, propose
from clip_platform.selection.choice import LOWEST_SCORE, ScoredCandidate, SelectedClips, choose
from clip_platform.selection.verdicts import cut_word_problems, selection_problems
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from tests.fakes.talks import BICYCLES, BREAD, VOLCANOES, talk


def candidate(name: str, start_s: int, end_s: int, text: str = "") -> ClipCandidate:
    return ClipCandidate(name, Span.of(start_s, end_s), 0, 0, 0, 0, 0, text or f"{name} {start_s} words of its own")


def chosen(*scored: tuple[ClipCandidate, float], clips: int = 5, unfit: tuple[UnfitStretch, ...] = ()) -> SelectedClips:
    candidates = ClipCandidates(tuple(one for one, _value in scored), unfit, ())
    values = [ScoredCandidate(one.candidate_id, value, ("because",)) for one, value in scored]
    return choose(candidates, values, Preferences(clips=clips))


def reason_of(selected: SelectedClips, name: str) -> str:
    return next(one.reason for one in selected.rejected if one.candidate_id == name)


def test_the_best_come_first_and_carry_their_reasons():
    selected = chosen((candidate("a", 0, 20), 50.0), (candidate("b", 30, 50), 80.0))

    assert [(clip.clip_id, clip.rank, clip.score) for clip in selected.clips] == [("b", 1, 80.0), ("a", 2, 50.0)]
    assert selected.clips[0].reasons == ("because",)


def test_a_candidate_that_overlaps_a_better_one_loses_and_names_it():
    selected = chosen((candidate("a", 31, 52), 80.0), (candidate("b", 40, 60), 70.0))

    assert [clip.clip_id for clip in selected.clips] == ["a"]
    assert reason_of(selected, "b") == "it overlaps the better clip 1 (0:31-0:52) by 12.0 s"


def test_clips_may_touch():
    selected = chosen((candidate("a", 0, 20), 80.0), (candidate("b", 20, 40), 70.0))

    assert len(selected.clips) == 2
    assert selection_problems(selected) == []


def test_nearly_the_same_stretch_is_called_that():
    selected = chosen((candidate("a", 0, 20), 80.0), (candidate("b", 1, 20), 79.0))

    assert reason_of(selected, "b").startswith("it is nearly the same stretch as the better clip 1")


def test_the_same_words_said_twice_are_shown_once():
    text = " ".join(BREAD[:4])
    selected = chosen((candidate("a", 0, 20, text), 80.0), (candidate("b", 300, 320, text), 70.0))

    assert [clip.clip_id for clip in selected.clips] == ["a"]
    assert reason_of(selected, "b") == "it says almost the same as the better clip 1 (0:00-0:20)"


def test_a_refrain_is_shown_once():
    refrain = "Fresh honey, every day! " * 6
    selected = chosen((candidate("a", 0, 20, refrain), 80.0), (candidate("b", 300, 320, refrain), 70.0))

    assert [clip.clip_id for clip in selected.clips] == ["a"]


def test_other_words_about_the_same_subject_are_no_repeat():
    selected = chosen(
        (candidate("a", 0, 20, " ".join(BREAD[:4])), 80.0), (candidate("b", 30, 50, " ".join(BREAD[4:8])), 70.0)
    )

    assert len(selected.clips) == 2


def test_more_than_asked_for_lose_with_both_scores_named():
    selected = chosen(*((candidate(str(i), 100 * i, 100 * i + 20), 90.0 - i) for i in range(3)), clips=2)

    assert len(selected.clips) == 2
    assert selected.shortfall is None
    assert reason_of(selected, "2") == "only 2 clips were asked for, and score 88 is not above the last one's 89"


def test_a_weak_candidate_is_never_offered_and_the_shortfall_says_why():
    selected = chosen((candidate("a", 0, 20), LOWEST_SCORE - 1))

    assert selected.clips == ()
    assert "is below 20" in reason_of(selected, "a")
    assert selected.shortfall == "0 of the 5 clips asked for: of the other candidates 1 scored below 20"


def test_nothing_to_choose_from_hands_on_the_reason():
    selected = chosen(unfit=(UnfitStretch(Span.of(0, 9), "Hello.", "nobody says anything in it"),))

    assert selected.shortfall == "no clip: nobody says anything in it"
    assert [one.reason for one in selected.rejected] == ["nobody says anything in it"]


def test_every_candidate_is_either_chosen_or_rejected_with_a_reason():
    made = talk()
    candidates = propose(made.transcript, made.sentences, made.shots, made.media, Preferences())
    scored = [ScoredCandidate(one.candidate_id, 30 + index % 60, ()) for index, one in enumerate(candidates.candidates)]

    selected = choose(candidates, scored[1:], Preferences())

    named = {clip.clip_id for clip in selected.clips} | {one.candidate_id for one in selected.rejected} - {None}
    assert named == {one.candidate_id for one in candidates.candidates}
    assert all(one.reason for one in selected.rejected)
    assert reason_of(selected, candidates.candidates[0].candidate_id) == "it was not scored"
    assert selection_problems(selected) == []
    assert cut_word_problems(selected, made.transcript) == []


def test_the_order_of_scores_changes_nothing():
    made = talk([*BREAD, *VOLCANOES, *BICYCLES])
    candidates = propose(made.transcript, made.sentences, made.shots, made.media, Preferences())
    scored = [ScoredCandidate(one.candidate_id, 50.0, ()) for one in candidates.candidates]

    assert choose(candidates, scored, Preferences()) == choose(candidates, scored[::-1], Preferences())


@pytest.mark.parametrize("asked", [3, 5])
def test_more_clips_are_found_when_fewer_good_ones_would_block_them(asked):
    wide = candidate("wide", 20, 60)
    narrow = [candidate(f"n{start}", start, start + 20) for start in (0, 20, 40, 60)]

    selected = chosen((wide, 71.0), *((one, 70.0) for one in narrow), clips=asked)

    assert len(selected.clips) == min(asked, 4)
    assert selection_problems(selected) == []


@pytest.mark.parametrize(
    ("asked", "shortfall"),
    [
        (
            {"range_start_s": 600.0},
            "no clip: range_start_s is 600, the video ends at 39.2 s, and a clip lasts at least 15 s; "
            "choose an earlier start",
        ),
        (
            {"range_start_s": 10.0, "range_end_s": 25.0},
            "no clip: no sentence can open one; most often, less than 15 s of talk are left after it starts",
        ),
        (
            {"range_start_s": 4.0, "range_end_s": 7.1, "min_s": 3.0},
            "no clip: no sentence lies inside the part of the source that was asked for; widen the range",
        ),
    ],
)
def test_a_range_without_a_clip_says_what_to_change(asked, shortfall):
    spoken = talk(BREAD)
    preferences = Preferences(**asked)

    candidates = propose(spoken.transcript, spoken.sentences, spoken.shots, spoken.media, preferences)

    assert choose(candidates, [], preferences).shortfall == shortfall
