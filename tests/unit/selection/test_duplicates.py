"""Clips that say the same as an earlier one, and those that do not."""

from __future__ import annotations

from clip_platform.selection.candidates import ClipCandidates
from clip_platform.selection.choice import ScoredCandidate, choose
from clip_platform.selection.duplicates import EarlierClip, same_as, signature_of
from clip_platform.upload.preferences import Preferences
from tests.fakes.talks import BICYCLES, BREAD, VOLCANOES
from tests.unit.selection.test_choice import candidate

BREAD_CLIP = EarlierClip("monday.mp4 at 0:10", signature_of(" ".join(BREAD)))
OTHERS = [EarlierClip("tuesday.mp4 at 0:00", signature_of(" ".join(VOLCANOES)))]


def test_the_same_words_with_some_misheard_and_other_ends_are_the_same():
    words = " ".join(BREAD[1:]).replace("dough", "doe", 1).replace("salt", "sold").split()

    assert same_as(signature_of(" ".join(words)), [*OTHERS, BREAD_CLIP]) == BREAD_CLIP


def test_other_words_on_the_same_subject_are_not():
    about_bread = "I bake bread with flour and water every morning, and the crust of the dough gets brown in the oven."

    assert same_as(signature_of(about_bread), [BREAD_CLIP, *OTHERS]) is None
    assert same_as(signature_of(" ".join(BICYCLES)), [BREAD_CLIP, *OTHERS]) is None


def test_a_few_words_have_no_signature_and_are_like_nothing():
    assert signature_of("Thank you very much.") == b""
    assert signature_of("") == b""
    assert same_as(b"", [EarlierClip("short.mp4 at 0:00", b"")]) is None
    assert len(BREAD_CLIP.signature) == 512


def test_a_refrain_sung_again_is_the_same():
    refrain = "We sell fresh honey. " * 8

    assert same_as(signature_of(refrain), [EarlierClip("song.mp4 at 0:00", signature_of(refrain))]) is not None


def test_what_was_said_in_an_earlier_video_is_not_offered_again_and_the_reason_names_it():
    again, fresh = candidate("again", 0, 20, " ".join(BREAD)), candidate("fresh", 30, 50, " ".join(BICYCLES))
    scores = [ScoredCandidate("again", 90.0, ()), ScoredCandidate("fresh", 60.0, ())]
    candidates = ClipCandidates((again, fresh), (), ())

    selected = choose(candidates, scores, Preferences(clips=2), earlier=[BREAD_CLIP])

    assert [clip.clip_id for clip in selected.clips] == ["fresh"]
    (rejected,) = selected.rejected
    assert rejected.reason == "it says almost the same as an earlier clip, monday.mp4 at 0:10"
    assert "1 repeated a clip of an earlier video (delete that one" in selected.shortfall
    assert [clip.clip_id for clip in choose(candidates, scores, Preferences(clips=2)).clips] == ["again", "fresh"]
