"""What must hold of speech results. Each function returns problems in words; none means all is well."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from clip_platform.speech.acoustics import COLUMNS, FRAME_COLUMNS, AcousticFeatures
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
    problems = []
    for kind, expected, columns in (
        ("column", COLUMNS, features.columns),
        ("frame column", FRAME_COLUMNS, features.frames),
    ):
        problems += [f"{kind} {name} is missing" for name in expected if name not in columns]
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            problems.append(f"{kind}s differ in length: {lengths}")
        problems += [
            f"{kind} {name} has numbers that are not finite"
            for name, column in columns.items()
            if not np.isfinite(column).all()
        ]
    return problems
