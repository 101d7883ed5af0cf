"""Selection over three hours of words: sentences, subjects, candidates and the choice, against the time it may take."""

from __future__ import annotations

import itertools
import time

from benchmarks.measuring import Ratio
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

LONGEST_S = 10.0
_HOURS = 3


def measure() -> list[Ratio]:
    from clip_platform.evaluation.clip_bounds import proposed_from
    from clip_platform.selection.choice import ScoredCandidate, choose
    from clip_platform.upload.preferences import Preferences

    words = _words()
    began, before = time.perf_counter(), time.process_time()
    candidates = proposed_from(words)
    scored = [
        ScoredCandidate(one.candidate_id, 20.0 + number % 80, ()) for number, one in enumerate(candidates.candidates)
    ]
    selected = choose(candidates, scored, Preferences(clips=20))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - before
    details = {
        "words": len(words),
        "sentences": len(candidates.sentences),
        "topics": len(candidates.topics),
        "candidates": len(candidates.candidates),
        "clips": len(selected.clips),
        "cpu_s": round(cpu_s, 1),
    }
    return [Ratio("selection over 3 h of words, wall", f"{LONGEST_S:g} s", wall_s / LONGEST_S, 1.0, details)]


def _words() -> tuple[Word, ...]:
    """Generated talks one after the other until three hours are full."""
    from clip_platform.evaluation.topic_talks import topic_talk

    said: list[Word] = []
    for seed in itertools.count():
        start = said[-1].span.end if said else 0
        if start > _HOURS * 3600:
            break
        said += [Word(w.text, Span(w.span.start + start, w.span.end + start), None) for w in topic_talk(seed).words]
    return tuple(said)
