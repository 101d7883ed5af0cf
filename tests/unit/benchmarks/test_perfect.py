from __future__ import annotations

from fractions import Fraction

from benchmarks.perfect import looped, perfect_analysis
from clip_platform.evaluation.truth import TrueFace, TrueShot, TrueWord, Truth


def test_a_loop_shifts_times_and_cuts_where_it_begins_again():
    truth = Truth(
        fps=30,
        width_px=640,
        height_px=360,
        frames=30,
        speakers={},
        cuts_s=(0.5,),
        fades=(),
        shots=(TrueShot("host", 0.0, 0.5, (), slide=False), TrueShot("guest", 0.5, 1.0, (), slide=False)),
        segments=(),
        words=(TrueWord("Hello.", 0.1, 0.4, "host"),),
        faces=((),) * 30,
    )

    twice = looped(truth, 2)

    assert (twice.duration_s, twice.cuts_s) == (2.0, (0.5, 1.0, 1.5))
    assert [(shot.start_s, shot.end_s) for shot in twice.shots] == [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]
    assert [word.start_s for word in twice.words] == [0.1, 1.1]


def test_perfect_engines_say_what_the_truth_says():
    host, guest = TrueFace("host", 10, 20, 30, 40), TrueFace("guest", 50, 20, 30, 40)
    truth = Truth(
        fps=30,
        width_px=640,
        height_px=360,
        frames=60,
        speakers={},
        cuts_s=(1.0,),
        fades=(),
        shots=(
            TrueShot("host", 0.0, 1.0, ("host",), slide=False),
            TrueShot("both", 1.0, 2.0, ("host", "guest"), slide=False),
        ),
        segments=(),
        words=(TrueWord("Hello.", 0.1, 0.4, "host"),),
        faces=((),) * 10 + ((host,),) * 20 + ((host, guest),) * 30,
    )

    known = perfect_analysis(truth)

    assert known.shots.cuts_s == (Fraction(1),)
    assert [(track.shot_index, track.first_sample, len(track.boxes)) for track in known.faces.tracks] == [
        (0, 5, 10),
        (1, 15, 15),
        (1, 15, 15),
    ]
    assert [turn.track_id for turn in known.turns.turns] == [0]
    assert [word.text for word in known.transcript.words] == ["Hello."]
