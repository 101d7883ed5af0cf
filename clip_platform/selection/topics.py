"""Where a talk changes its subject: lexical cohesion between blocks of sentences. Needs sentences only, no engine.

M. Hearst, "TextTiling", Computational Linguistics 23(1), 1997 (block comparison, depth scores); M. Galley et al.,
"Discourse segmentation of multi-party conversation", ACL 2003 (cohesion combined with silences and cue phrases).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from clip_platform.selection.vocabulary import content_stems
from clip_platform.speech.sentences import Sentence

BLOCK_STEMS = 32
"""Content words compared on either side of a gap: about 25 s of talk."""
SHORTEST_TOPIC_S = 20.0
SHORTEST_TOPIC_SENTENCES = 3

_PAUSE_WEIGHT = 0.15
_CUE_WEIGHT = 0.35
_LONGEST_PAUSE_S = 2.0
_LEAST_DEPTH = 0.1
_CUES = ("let's switch", "let's talk about", "let's move", "moving on", "okay so", "ok so", "the next", "next question",
         "another thing", "the second", "the third", "the last", "finally", "now let's", "now let me", "to sum up",
         "in conclusion", "the next question", "my next", "speaking of", "turning to", "chapter")  # fmt: skip


def topic_starts(sentences: Sequence[Sentence]) -> tuple[int, ...]:
    """Index of the first sentence of each topic, beginning with 0; empty without sentences.

    A gap between sentences is a boundary when its depth stands out (more than mean plus half a standard deviation, and
    not tiny), it is the deepest nearby, and both sides are long enough to be a topic.
    """
    if not sentences:
        return ()
    depths = gap_depths(sentences)
    if not depths:
        return (0,)
    mean = sum(depths) / len(depths)
    spread = math.sqrt(sum((depth - mean) ** 2 for depth in depths) / len(depths))
    threshold = max(mean + spread / 2, _LEAST_DEPTH)
    deepest_first = sorted(range(len(depths)), key=lambda gap: (-depths[gap], gap))
    starts = [0]
    for gap in deepest_first:
        if depths[gap] > threshold and _leaves_room(gap + 1, starts, sentences):
            starts.append(gap + 1)
    return tuple(sorted(starts))


def _leaves_room(start: int, starts: Sequence[int], sentences: Sequence[Sentence]) -> bool:
    nearest = (max(other for other in starts if other < start), min((other for other in starts if other > start),
                                                                    default=len(sentences)))  # fmt: skip
    return all(_is_topic(sentences[first:end]) for first, end in ((nearest[0], start), (start, nearest[1])))


def _is_topic(run: Sequence[Sentence]) -> bool:
    if len(run) < SHORTEST_TOPIC_SENTENCES:
        return False
    return float(run[-1].span.end - run[0].span.start) >= SHORTEST_TOPIC_S


def gap_depths(sentences: Sequence[Sentence]) -> list[float]:
    """How clearly the subject changes at each gap between sentences (`len(sentences) - 1` values, 0 and up).

    The sum of the lexical depth (how far cohesion dips below its peaks on both sides, 0..2), the pause and cue phrases.
    """
    if len(sentences) < 2:
        return []
    lexical = _depths(_smoothed(_cohesion([content_stems(sentence.text) for sentence in sentences])))
    return [
        depth + _PAUSE_WEIGHT * _pause(before, after) + _CUE_WEIGHT * _has_cue(after.text)
        for depth, before, after in zip(lexical, sentences, sentences[1:], strict=False)
    ]


def _pause(before: Sentence, after: Sentence) -> float:
    gap_s = max(0.0, float(after.span.start - before.span.end))
    return min(gap_s, _LONGEST_PAUSE_S) / _LONGEST_PAUSE_S


def _has_cue(text: str) -> bool:
    opening = " ".join(text.lower().replace(",", "").replace("’", "'").split()[:5])
    return any(cue in opening for cue in _CUES)


def _cohesion(stems: Sequence[Sequence[str]]) -> list[float]:
    """Cosine between the weighted stems before and after each gap, 0..1; stems said all over the talk weigh little."""
    weights = _weights(stems)
    return [_cosine(_block(stems, gap, -1), _block(stems, gap + 1, 1), weights) for gap in range(len(stems) - 1)]


def _weights(stems: Sequence[Sequence[str]]) -> dict[str, float]:
    sentences_with = Counter(stem for sentence in stems for stem in set(sentence))
    return {stem: math.log((1 + len(stems)) / count) for stem, count in sentences_with.items()}


def _block(stems: Sequence[Sequence[str]], first: int, step: int) -> Counter[str]:
    """Stems of the sentences from `first` on, going `step`, until there are `BLOCK_STEMS`."""
    block: Counter[str] = Counter()
    size = 0
    index = first
    while 0 <= index < len(stems) and size < BLOCK_STEMS:
        block.update(stems[index])
        size += len(stems[index])
        index += step
    return block


def _cosine(left: Counter[str], right: Counter[str], weights: dict[str, float]) -> float:
    shared = sum(count * right[stem] * weights[stem] ** 2 for stem, count in left.items() if stem in right)
    norms = [math.sqrt(sum((count * weights[stem]) ** 2 for stem, count in block.items())) for block in (left, right)]
    return shared / (norms[0] * norms[1]) if shared else 0.0


def _smoothed(values: Sequence[float]) -> list[float]:
    """Mean of each value with its neighbours: one odd sentence is no change of subject."""
    return [sum(values[max(0, i - 1) : i + 2]) / len(values[max(0, i - 1) : i + 2]) for i in range(len(values))]


def _depths(cohesion: Sequence[float]) -> list[float]:
    """Hearst's depth score: climb to the peak on the left, to the peak on the right, add both heights above the gap."""
    left, right = _peaks(cohesion), _peaks(cohesion[::-1])[::-1]
    return [left[i] + right[i] - 2 * value for i, value in enumerate(cohesion)]


def _peaks(values: Sequence[float]) -> list[float]:
    """For each value the height reached by walking left while it does not fall."""
    peaks: list[float] = []
    for i, value in enumerate(values):
        peaks.append(peaks[-1] if i and values[i - 1] >= value else value)
    return peaks
