from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from clip_platform.errors import InvalidInput
from clip_platform.selection.choice import SelectedClip, SelectedClips
from clip_platform.selection.edits import ClipEdit, ClipEdits, EditedClips, apply_edits, edited_problems
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from tests.fakes.talks import talk

TALK = talk()
CHOSEN = SelectedClips(
    (
        SelectedClip("a", 1, Span.of(10, 30), 20, 60, 80.0, "First", ()),
        SelectedClip("b", 2, Span.of(40, 60), 90, 130, 70.0, "Second", ()),
    ),
    (),
    None,
)


def edited(*edits: ClipEdit, chosen: SelectedClips = CHOSEN) -> EditedClips:
    asked = Preferences(platforms=("x",))
    return apply_edits(chosen, ClipEdits(7, edits), TALK.transcript, TALK.media.duration_s, asked)


def test_without_edits_clips_are_as_chosen_and_shown_as_asked_for_all():
    made = edited()

    assert made.selected == CHOSEN
    assert [(one.aspect, one.platforms, one.edit_revision) for one in made.presentations] == [("9:16", ("x",), 0)] * 2


def test_a_re_cut_clip_has_the_words_that_are_mostly_inside():
    words = TALK.transcript.words
    span = Span(words[33].span.middle - Fraction(1, 1000), words[50].span.middle)

    made = edited(ClipEdit("a", 7, start_s=span.start, end_s=span.end))

    clip = made.selected.clips[0]
    assert (clip.span, clip.first_word, clip.last_word) == (span, 33, 49)
    assert made.selected.clips[1] == CHOSEN.clips[1]


def test_a_clip_may_be_cut_where_nobody_speaks():
    made = edited(ClipEdit("a", 7, start_s=Fraction(0), end_s=Fraction(1, 4)))

    clip = made.selected.clips[0]
    assert TALK.transcript.words[clip.first_word : clip.last_word + 1] == ()


def test_an_end_after_the_source_is_cut_to_it():
    made = edited(ClipEdit("b", 7, end_s=TALK.media.duration_s + 1))

    assert made.selected.clips[1].span.end == TALK.media.duration_s
    assert edited_problems(made, TALK.media.duration_s) == []


def test_what_follows_a_removed_clip_moves_up():
    made = edited(ClipEdit("a", 7, removed=True), ClipEdit("gone", 3, title="of an earlier choice"))

    assert made.selected.clips == (replace(CHOSEN.clips[1], rank=1),)
    assert [one.clip_id for one in made.presentations] == ["b"]


def test_platforms_may_be_edited_to_none_at_all():
    made = edited(ClipEdit("a", 7, platforms=()))

    assert made.presentation_of["a"].platforms == ()


def test_ends_that_leave_nothing_between_them_are_refused():
    with pytest.raises(InvalidInput, match=r"clip a was edited to run from 30\.000 to 30\.000 s"):
        edited(ClipEdit("a", 7, start_s=Fraction(30)))
