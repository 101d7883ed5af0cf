"""Where a talk may be opened and closed: which sentences lean on others, how far an end may move into a pause.

What is between the two ends is not judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from clip_platform.selection.openers import openers_of
from clip_platform.selection.vocabulary import is_question, tokens
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

LONGEST_PAD_S = Fraction(1, 5)
"""As much silence is kept before the first and after the last word, where there is any."""
SHORTEST_SHOT_S = Fraction(2, 5)
"""A shorter run of a shot at either end of a clip reads as a flash."""


def leans_on_context(text: str, before: str | None = None, language: str = "en") -> float:
    """How much a sentence needs what came before it, 0 (stands alone) .. 1 (a dangling "and", "he", an answer).

    Args:
        text: the sentence.
        before: the sentence before it, None at the start of a talk. After a question everything is its answer.
        language: a plain code; see `openers`.
    """
    return _leaning(text, before, language)[0]


def why_it_leans(text: str, before: str | None = None, language: str = "en") -> str | None:
    """The same for people; None when the sentence stands alone."""
    return _leaning(text, before, language)[1]


def _leaning(text: str, before: str | None, language: str) -> tuple[float, str | None]:
    words, openers = tokens(text), openers_of(language)
    if not words:
        return 0.0, None
    opening = " ".join(words[:4])
    if opening.startswith(openers.standing):
        return 0.0, None
    if words[0] in openers.strong:
        return 1.0, f"it begins with {words[0]!r}, which leans on what came before"
    if before is not None and is_question(before) and not is_question(text):
        return 0.8, "it answers the question before it"
    if words[0] in openers.soft:
        return 0.5, f"it begins with {words[0]!r}, which leans on what came before"
    return 0.0, None


def stays_open(text: str, after: str | None = None, language: str = "en") -> float:
    """How unfinished a sentence leaves things, 0 (closed) .. 1: a question left standing, a hanging last word, or a
    next sentence (`after`) that leans on it."""
    words = tokens(text)
    if words and words[-1] in openers_of(language).hanging and text.rstrip()[-1:] not in ".!?":
        return 1.0
    if is_question(text):
        return 0.8
    return 0.6 * leans_on_context(after, language=language) if after is not None else 0.0


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


def clear_start(start: Fraction, pause: Span, laughs: Sequence[Span]) -> Fraction:
    """A start that would fall into laughter or applause waits for its end, or else comes before it, within the pause.

    Args:
        laughs: bursts near the pause, in order.
    """
    cut = next((laugh for laugh in laughs if laugh.start < start < laugh.end), None)
    if cut is None:
        return start
    if cut.end <= pause.end:
        return cut.end
    return cut.start if cut.start >= pause.start else start


def clear_end(end: Fraction, pause: Span, laughs: Sequence[Span]) -> Fraction:
    """An end keeps the laughter or applause that follows its last word, as far as the pause goes; the mirror image."""
    answered = next((laugh for laugh in laughs if laugh.start < end + LONGEST_PAD_S and laugh.end > end), None)
    if answered is None:
        return end
    if answered.end <= pause.end:
        return answered.end
    return answered.start if pause.start <= answered.start < end else end
