"""Each measure on examples small enough to reckon by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from clip_platform.evaluation import measures
from clip_platform.evaluation.measures import CaptionedWord, ShownFrame
from clip_platform.evaluation.truth import TrueFace, TrueShot, TrueWord
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks
from tests.unit.evaluation.small_truth import FPS, fade_over, small_truth


def tracks_of(*boxes_by_track: tuple[int, tuple[Box, ...]]) -> FaceTracks:
    """Tracks at the truth's own frame rate, each from a first sample on."""
    tracks = tuple(
        FaceTrack(number, 0, first, boxes, "d" * len(boxes), (0.0,) * len(boxes))
        for number, (first, boxes) in enumerate(boxes_by_track)
    )
    return FaceTracks(1000, 500, Fraction(FPS), 10, "test", tracks)


def shown(*lefts: float | None, start_s: float = 0.0, width_px: float = 300) -> list[ShownFrame]:
    """Frames of a clip with the window's left edge in each; None is a fitted frame."""
    return [
        ShownFrame(start_s + index / FPS, None if left is None else Box(left, 0, width_px, 500))
        for index, left in enumerate(lefts)
    ]


def test_one_wrong_one_missing_and_one_invented_word_of_six_make_a_rate_of_one_half():
    truth, text = "The team got bigger every month.", "the teams got bigger every single"

    rate = measures.word_error_rate(truth, text)

    assert rate == pytest.approx(2 / 6)
    assert measures.word_error_rate("one two three four five six", "one too three five six seven") == pytest.approx(0.5)


def test_case_and_punctuation_are_no_errors_but_apostrophes_are_letters():
    assert measures.word_error_rate("Don't wait, go!", "don't wait go") == 0.0
    assert measures.word_error_rate("Don't wait, go!", "dont wait go") == pytest.approx(1 / 3)


def test_no_text_at_all_is_all_wrong():
    assert measures.word_error_rate("one two", " ") == 1.0


def test_onset_errors_are_of_words_understood_as_they_were_said():
    said = [TrueWord("One,", 1.0, 1.5, "host"), TrueWord("two", 1.5, 2.0, "host"), TrueWord("three", 2.0, 2.5, "host")]

    errors = measures.onset_errors_s(said, [("one", 1.25), ("too", 1.5), ("…", 1.75), ("three", 1.5)])

    assert errors == [0.25, -0.5]
    assert measures.onset_errors_s(said, []) == []


def test_a_boundary_inside_a_word_cuts_it_and_one_on_its_edge_does_not():
    words = [TrueWord("one", 1.0, 1.5, "host"), TrueWord("two", 1.5, 2.0, "host")]

    cut = measures.words_cut(words, [0.5, 1.0, 1.2, 1.5, 2.0])

    assert cut == [("one", 1.2)]


def test_cuts_pair_once_each_within_the_tolerance():
    truth, found = [1.0, 2.0, 3.0], [1.05, 1.09, 2.1, 3.2]

    scores = measures.score_cuts(truth, found, 0.1)

    assert (scores.found, scores.missed, scores.false) == (2, (3.0,), (1.09, 3.2))
    assert scores.f1 == pytest.approx(4 / 7)


def test_all_cuts_and_nothing_else_is_one():
    assert measures.score_cuts([1.0], [0.91], 0.1).f1 == 1.0
    assert measures.score_cuts([1.0], [0.89], 0.1).f1 == 0.0


def test_faces_are_counted_in_every_frame_and_boxes_elsewhere_are_false():
    on_face, elsewhere = Box(405, 105, 80, 100), Box(700, 300, 80, 80)
    tracks = tracks_of((0, (on_face,) * 4), (6, (elsewhere,) * 2))

    scores = measures.score_faces(small_truth(), tracks)

    assert (scores.faces, scores.found, scores.boxes, scores.false) == (5, 4, 6, 2)
    assert scores.recall == pytest.approx(0.8)
    assert scores.false_share == pytest.approx(1 / 3)


def test_a_box_of_the_wrong_size_around_the_right_place_is_no_hit():
    face = TrueFace("host", 400, 100, 80, 100)

    assert measures.hits(Box(395, 95, 90, 110), face)
    assert not measures.hits(Box(300, 0, 280, 300), face)
    assert not measures.hits(Box(445, 100, 80, 100), face)


def test_faces_too_small_need_not_be_found_but_are_not_false():
    truth = small_truth()
    box = Box(400, 100, 80, 100)

    unseen = measures.score_faces(truth, tracks_of(), least_px=101)
    seen = measures.score_faces(truth, tracks_of((0, (box,) * 5)), least_px=101)

    assert (unseen.faces, unseen.recall) == (0, 1.0)
    assert (seen.boxes, seen.false) == (5, 0)


def test_what_happens_in_a_fade_is_not_judged():
    truth = small_truth(fades=fade_over(0.0, 0.3))
    elsewhere = Box(700, 300, 80, 80)

    scores = measures.score_faces(truth, tracks_of((0, (elsewhere,) * 4)))

    assert (scores.faces, scores.boxes, scores.false) == (2, 1, 1)


def test_framing_is_judged_while_the_one_person_on_display_speaks():
    frames = shown(290, 290, 290, 290, 290, 290)

    scores = measures.score_framing(small_truth(), frames)

    assert (scores.frames, scores.inside, scores.centred) == (3, 3, 3)  # frames at 0.1, 0.2 and 0.3 s


@pytest.mark.parametrize(
    ("left", "inside", "centred"),
    [(290, 3, 3), (231, 3, 3), (229, 3, 0), (349, 3, 3), (351, 3, 0), (401, 0, 0), (None, 0, 0)],
)
def test_the_face_must_be_whole_in_the_crop_and_its_centre_in_the_middle_two_fifths(left, inside, centred):
    # the face is 400..480 px with its centre at 440; the crop is 300 px wide, its middle 40 % from 90 to 210 px
    scores = measures.score_framing(small_truth(), shown(*(left,) * 6))

    assert (scores.inside, scores.centred) == (inside, centred)


def test_a_face_that_sticks_out_at_the_top_is_not_inside():
    frames = [ShownFrame(0.1, Box(290, 120, 300, 380))]

    assert measures.score_framing(small_truth(), frames).inside == 0


def test_two_people_on_display_are_not_judged():
    truth = small_truth()
    both = replace(truth.shots[0], persons=("host", "guest"))

    scores = measures.score_framing(replace(truth, shots=(both, truth.shots[1])), shown(*(290,) * 6))

    assert scores.frames == 0


def test_the_speaker_of_two_is_named_when_the_track_is_on_the_right_face():
    host, guest = TrueFace("host", 100, 100, 80, 100), TrueFace("guest", 700, 100, 80, 100)
    shot = TrueShot("both", 0.0, 1.0, ("host", "guest"), slide=False)
    words = (TrueWord("one", 0.0, 0.5, "host"), TrueWord("two", 0.5, 1.0, "guest"))
    truth = small_truth(shots=(shot,), words=words, faces=((host, guest),) * 10)
    tracks = tracks_of((0, (Box(100, 100, 80, 100),) * 10), (0, (Box(700, 100, 80, 100),) * 10))
    turns = SpeakerTurns((SpeakerTurn(Span.of(0, "0.7"), "on_screen", 0, 1.0),))

    share = measures.speaker_share(truth, tracks, turns)

    assert share == 0.5  # the host's half; then the wrong one for two frames, then nobody for three


def test_a_smooth_move_is_no_jump_and_a_step_or_a_jerk_is():
    smooth = shown(100, 105, 111, 117, 122)
    step = shown(100, 100, 125, 125, 125)
    jerk = shown(100, 112, 100, 100)

    assert measures.crop_jumps(smooth, [], 1000) == []
    assert 0.2 in measures.crop_jumps(step, [], 1000)
    assert measures.crop_jumps(jerk, [], 1000) == [pytest.approx(0.2), pytest.approx(0.3)]


def test_a_cut_excuses_a_jump_where_it_is_and_nowhere_else():
    frames = shown(100, 100, 400, 400, 400, 400)

    assert measures.crop_jumps(frames, [0.2], 1000) == []
    assert measures.crop_jumps(frames, [0.5], 1000) == [pytest.approx(0.2), pytest.approx(0.3)]


def test_a_change_between_crop_and_fit_is_a_jump_too():
    frames = shown(100, 100, None, None)

    assert measures.crop_jumps(frames, [], 1000) == [pytest.approx(0.2)]
    assert measures.crop_jumps(frames, [0.2], 1000) == []


def test_slides_must_be_fitted_but_for_the_frames_beside_a_cut():
    # the slide begins at 0.5 s; frames at 0.5 to 0.7 s are beside the cut, 0.8 and 0.9 s are judged
    assert measures.fitted_share(small_truth(), shown(100, 100, 100, None, None, start_s=0.5)) == 1.0
    assert measures.fitted_share(small_truth(), shown(None, None, None, None, 100, start_s=0.5)) == 0.5
    assert measures.fitted_share(small_truth(), shown(100, 100)) == 1.0


ASS = """[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.08,0:00:00.42,Words,,0,0,0,,{\\fs60}{\\c&H00D7FF&}Hello,{\\c&HFFFFFF&} big\\Nworld
Dialogue: 0,0:00:00.42,0:00:00.60,Words,,0,0,0,,{\\fs60}Hello, {\\c&H00D7FF&}big{\\c&HFFFFFF&}\\Nworld
Dialogue: 0,0:00:00.60,0:01:00.95,Words,,0,0,0,,{\\fs60}Hello, big\\Nworld
"""


def test_captions_are_read_from_the_file_that_is_burned_in():
    found = measures.captioned_words(ASS)

    assert found == [CaptionedWord("Hello,", 0.08), CaptionedWord("big", 0.42)]


def test_captions_are_late_by_the_frame_they_are_first_seen_in():
    words = [TrueWord("Hello,", 5.00, 5.3, "host"), TrueWord("big", 5.42, 5.5, "host")]
    captions = [CaptionedWord("hello", 0.08), CaptionedWord("big", 0.42)]

    delays = measures.caption_delays_s(words, captions, clip_start_s=5.0, fps=10)

    assert delays == [pytest.approx(0.1), pytest.approx(0.08)]  # seen in the frames at 0.1 and 0.5 s


def test_words_that_were_not_recognised_have_no_delay():
    words = [TrueWord(text, at, at + 0.2, "host") for text, at in (("one", 0.0), ("two", 1.0), ("three", 2.0))]
    captions = [CaptionedWord("one", 0.0), CaptionedWord("too", 1.0), CaptionedWord("three", 2.5)]

    delays = measures.caption_delays_s(words, captions, clip_start_s=0.0, fps=10)

    assert delays == [pytest.approx(0.0), pytest.approx(0.5)]


def test_a_word_without_letters_cannot_be_paired():
    with pytest.raises(ValueError, match="letter"):
        measures.paired_words(["one"], ["—"])


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.95, 4), (1.0, 4), (0.25, 1), (0.26, 2)])
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(share, value):
    assert measures.percentile([3, 1, 4, 2], share) == value
