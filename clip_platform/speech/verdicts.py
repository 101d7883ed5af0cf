"""What must hold of speech results. Each function returns problems in words; none means all is well."""

from __future__ import annotations

import math
from itertools import pairwise

from clip_platform.speech.acoustics import COLUMNS, AcousticFeatures
from clip_platform.speech.transcript import Transcript


def word_problems(transcript: Transcript) -> list[str]:
    words = transcript.words
    problems = [
        f"word {word.text!r} at {float(word.span.start):.2f} s has no duration"
        for word in words
        if word.span.duration_s <= 0
    ]
    problems += [
        f"word {after.text!r} at {float(after.span.start):.2f} s starts before {before.text!r} ends"
        for before, after in pairwise(words)
        if after.span.start < before.span.end
    ]
    return problems


def rough_engine_problems(transcript: Transcript) -> list[str]:
    return [transcript.engine.rough] if transcript.engine.rough else []


def acoustic_problems(features: AcousticFeatures) -> list[str]:
    problems = [f"column {name} is missing" for name in COLUMNS if name not in features.columns]
    lengths = {name: len(column) for name, column in features.columns.items()}
    if len(set(lengths.values())) > 1:
        problems.append(f"columns differ in length: {lengths}")
    problems += [
        f"column {name} has numbers that are not finite"
        for name, column in features.columns.items()
        if not all(map(math.isfinite, column))
    ]
    return problems
