"""Where a talk may be opened and closed: which sentences lean on others, how far an end may move into a pause.

What is between the two ends is not judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from clip_platform.selection.vocabulary import is_question, tokens, word_set
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

LONGEST_PAD_S = Fraction(1, 5)
"""As much silence is kept before the first and after the last word, where there is any."""
SHORTEST_SHOT_S = Fraction(2, 5)
"""A shorter run of a shot at either end of a clip reads as a flash."""

_STRONG = word_set(
    """
    and but or nor because cause he she him her his hers they them their theirs which whose that's those also too
    however therefore otherwise instead plus then thus hence neither likewise meanwhile besides except exactly yes
    yeah yep no nope he's she's they're it's he'd she'd they'd they've he'll she'll they'll
    """
)
_SOFT = word_set("so it this these that there's well right anyway still though again it'll its")
_SELF_CONTAINED = ("so far", "no one", "no matter", "it turns out", "it is said", "this is a story", "this week",
                   "this year", "this morning", "this month", "right now", "well done", "this is how", "this is why",
                   "this video", "that said")  # fmt: skip
_HANGING = word_set("and but or because so the a an of to in with for if that which as than")


def leans_on_context(text: str, before: str | None = None) -> float:
    """How much a sentence needs what came before it, 0 (stands alone) .. 1 (a dangling "and", "he", an answer).

    Args:
        text: the sentence.
        before: the sentence before it, None at the start of a talk. After a question everything is its answer.
    """
    return _leaning(text, before)[0]


def why_it_leans(text: str, before: str | None = None) -> str | None:
    """The same for people; None when the sentence stands alone."""
    return _leaning(text, before)[1]


def _leaning(text: str, before: str | None) -> tuple[float, str | None]:
    words = tokens(text)
    if not words:
        return 0.0, None
    opening = " ".join(words[:4])
    if opening.startswith(_SELF_CONTAINED):
        return 0.0, None
    if words[0] in _STRONG:
        return 1.0, f"it begins with {words[0]!r}, which leans on what came before"
    if before is not None and is_question(before) and not is_question(text):
        return 0.8, "it answers the question before it"
    if words[0] in _SOFT:
        return 0.5, f"it begins with {words[0]!r}, which leans on what came before"
    return 0.0, None


def stays_open(text: str, after: str | None = None) -> float:
    """How unfinished a sentence leaves things, 0 (closed) .. 1: a question left standing, a hanging last word, or a
    next sentence (`after`) that leans on it."""
    words = tokens(text)
    if words and words[-1] in _HANGING and text.rstrip()[-1:] not in ".!?":
        return 1.0
    if is_question(text):
        return 0.8
    return 0.6 * leans_on_context(after) if after is not None else 0.0


def pauses_around(words: Sequence[Word], duration_s: Fraction) -> tuple[list[Span], list[Span]]:
    """The silence before each word and after each word; at the ends of the video up to its edge. May be empty spans."""
    ends = [Fraction(0), *(word.span.end for word in words)]
    before = [Span(min(end, word.span.start), word.span.start) for end, word in zip(ends, words, strict=False)]
    return before, [*before[1:], Span(ends[-1], max(ends[-1], duration_s))]


def padded_start(pause: Span, *, at_edge: bool, cuts: Sequence[Fraction]) -> Fraction:
    """Where a clip begins within the pause before its first word.

    Half of the pause belongs to the neighbour, at most `LONGEST_PAD_S` is kept; at the edge of the video there is no
    neighbour. A change of shot less than `SHORTEST_SHOT_S` later moves the start onto the change, or else further back.

    Args:
        cuts: changes of shot near the pause, seconds.
    """
    start = pause.end - min(LONGEST_PAD_S, pause.duration_s if at_edge else pause.duration_s / 2)
    for cut in cuts:
        if not start < cut < start + SHORTEST_SHOT_S:
            continue
        if cut <= pause.end:
            return cut
        if cut - SHORTEST_SHOT_S >= pause.start:
            return cut - SHORTEST_SHOT_S
    return start


def padded_end(pause: Span, *, at_edge: bool, cuts: Sequence[Fraction]) -> Fraction:
    """Where a clip ends within the pause after its last word; the mirror of `padded_start`."""
    end = pause.start + min(LONGEST_PAD_S, pause.duration_s if at_edge else pause.duration_s / 2)
    for cut in reversed(cuts):
        if not end - SHORTEST_SHOT_S < cut < end:
            continue
        if cut >= pause.start:
            return cut
        if cut + SHORTEST_SHOT_S <= pause.end:
            return cut + SHORTEST_SHOT_S
    return end
