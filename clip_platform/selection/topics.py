"""Where a talk changes its subject: the cheapest way to cut it into runs that hold together. Needs sentences only.

What holds together, `cohesion` says; a pause or a cue phrase makes a boundary cheaper (M. Galley et al., "Discourse
segmentation of multi-party conversation", ACL 2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from clip_platform.selection.cohesion import Cohesion, LexicalCohesion, VectorCohesion
from clip_platform.selection.embeddings import SentenceEmbedder
from clip_platform.selection.vocabulary import content_stems
from clip_platform.speech.sentences import Sentence

SHORTEST_TOPIC_S = 20.0
SHORTEST_TOPIC_SENTENCES = 3
LONGEST_TOPIC_S = 600.0
"""Longer ones are cut where they hold together least, so that work grows with the talk and no faster."""

_CUE_DISCOUNT = 0.35
_SHORT_PAUSE_S, _LONG_PAUSE_S = 1.5, 6.0
_LONG_PAUSE_DISCOUNT = 1.5
_CUES = ("let's switch", "let's talk about", "let's move", "moving on", "okay so", "ok so", "the next", "next question",
         "another thing", "the second", "the third", "the last", "finally", "now let's", "now let me", "to sum up",
         "in conclusion", "the next question", "my next", "speaking of", "turning to", "chapter")  # fmt: skip


def topic_starts(sentences: Sequence[Sentence], embedder: SentenceEmbedder | None = None) -> tuple[int, ...]:
    """Index of the first sentence of each topic, beginning with 0; empty without sentences.

    Every topic has at least three sentences and lasts 20 s to 10 min, unless the whole talk is shorter.

    Args:
        embedder: subjects are told apart by sentence vectors; without one, by words that come again.

    Raises:
        EngineUnavailable: the embedder's model cannot be loaded.
    """
    if not sentences:
        return ()
    texts = [sentence.text for sentence in sentences]
    cohesion: Cohesion
    if embedder is None:
        cohesion = LexicalCohesion([content_stems(text) for text in texts])
    else:
        cohesion = VectorCohesion(embedder.embed(texts))
    return _cheapest(sentences, cohesion)


def _cheapest(sentences: Sequence[Sentence], cohesion: Cohesion) -> tuple[int, ...]:
    """Dynamic programming over where the last topic begins; `best[i]` is the price of the first `i` sentences."""
    count = len(sentences)
    best, back = [0.0, *[math.inf] * count], [0] * (count + 1)
    for first in range(count):
        if math.isinf(best[first]):
            continue
        price = best[first] + (_boundary_price(sentences[first - 1], sentences[first]) if first else 0.0)
        for last, cost in enumerate(cohesion.costs(first), first):
            duration_s = float(sentences[last].span.end - sentences[first].span.start)
            if duration_s > LONGEST_TOPIC_S and last - first >= SHORTEST_TOPIC_SENTENCES:
                break
            enough = last - first + 1 >= SHORTEST_TOPIC_SENTENCES and duration_s >= SHORTEST_TOPIC_S
            if enough and price + cost < best[last + 1]:
                best[last + 1], back[last + 1] = price + cost, first
    return _path(best, back)


def _path(best: Sequence[float], back: Sequence[int]) -> tuple[int, ...]:
    """The starts along the cheapest path; what no topic can end (the talk is too short, or ends late) is the last's."""
    end = max(number for number, price in enumerate(best) if not math.isinf(price))
    starts = []
    while end > 0:
        end = back[end]
        starts.append(end)
    return tuple(reversed(starts)) or (0,)


def _boundary_price(before: Sentence, after: Sentence) -> float:
    gap_s = float(after.span.start - before.span.end)
    paused = min(max((gap_s - _SHORT_PAUSE_S) / (_LONG_PAUSE_S - _SHORT_PAUSE_S), 0.0), 1.0)
    return 1.0 - _LONG_PAUSE_DISCOUNT * paused - _CUE_DISCOUNT * _has_cue(after.text)


def _has_cue(text: str) -> bool:
    opening = " ".join(text.lower().replace(",", "").replace("’", "'").split()[:5])
    return any(cue in opening for cue in _CUES)
