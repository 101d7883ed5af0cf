"""What must hold of speaker turns. Problems in words; none means all is well."""

from __future__ import annotations

from itertools import pairwise

from clip_platform.speakers.turns import SpeakerTurns


def turn_problems(turns: SpeakerTurns) -> list[str]:
    problems = [
        f"the turn at {float(after.span.start):.2f} s starts before the one before it ends"
        for before, after in pairwise(turns.turns)
        if after.span.start < before.span.end
    ]
    problems += [
        f"the turn at {float(turn.span.start):.2f} s is {turn.status} but names track {turn.track_id}"
        for turn in turns.turns
        if (turn.status == "on_screen") != (turn.track_id is not None)
    ]
    return problems
