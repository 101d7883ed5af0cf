"""Sentences as runs of words; where a talk may be cut. Needs words, and what the melody says if anything does."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words `first_word..last_word` (the last one included) of a transcript."""

    first_word: int
    last_word: int
    span: Span
    text: str


ENDING_MARKS = ".!?…。！？।॥۔؟"
"""Latin, Chinese and Japanese, Devanagari, Urdu, Arabic."""

_ENDING = re.compile(rf"[{ENDING_MARKS}][\"'”’»)\]]*$")
_MARK_WITHOUT_SPACE = re.compile(r"([。！？]+[」』”’）]*)")
_ABBREVIATION = re.compile(
    r"(?i)^(mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|e\.g|i\.e|fig|approx|inc|ltd|(?!i\.$)[a-z](\.[a-z])*)\.$"
)
_WORDS_PER_MARK = 40  # fewer marks than this: the engine does not punctuate, and the odd mark is chance

_ENOUGH_PAUSES = 8  # with fewer, two kinds cannot be told apart
_SHORT_SENTENCE_WORDS, _LONG_SENTENCE_WORDS = 8, 14  # spoken English has 7 to 15
_SHORTEST_PAUSE_S = Fraction(6, 100)  # shorter gaps are closures of stops, not pauses
_LONGEST_PAUSE_S = Fraction(6, 10)  # longer ones end a sentence in any talk
_MOST_WORDS, _LONGEST_S = 30, Fraction(15)
_FEWEST_WORDS = 3

# English sentences do not end with these; a speaker who pauses after one is thinking.
_FORWARD = """
a an the my your his our their its of to in on at for from with by and or but because if than as is are was were am be
i we he she they very every this these those which who whose that's it's i'm we're they're you're
"""
_LEANS_FORWARD = frozenset(_FORWARD.split())
# A pause before these is rather a comma.
_CONTINUING = "and or nor in of to with without which who whose that than until while"
_RUNS_ON = frozenset(_CONTINUING.split())


def split_sentences(
    words: Sequence[Word], language: str, finality: Sequence[float] | None = None
) -> tuple[Sentence, ...]:
    """Sentences that cover every word once, in order.

    They end where the transcript says so, or, when it has no punctuation, where the talk pauses: the threshold adapts
    to the speaker, between breaths and ends, and what is shorter than three words joins the nearer neighbour. What is
    then longer than 30 words or 15 s is cut at its longest pause.

    Args:
        finality: of the gap after each word but the last, -1 (the melody goes on) .. 1 (it ends); counts where there is
            no punctuation, and makes a pause seem up to twice or half as long.
    """
    if not words:
        return ()
    ends = _marked_ends(words) if _is_punctuated(words) else _paused_ends(words, language, finality)
    return tuple(_sentence(words, first, last) for first, last in _cut_long_ones(words, _runs(ends, len(words))))


def ends_sentence(word: str, following: str = "") -> bool:
    """Whether a written word closes a sentence: it has an end mark that is no abbreviation's.

    Args:
        following: the word after it; "No." is an answer, "No. 5" a number.
    """
    if _ENDING.search(word) is None or _ABBREVIATION.match(word) is not None:
        return False
    return word.lower() != "no." or not following[:1].isdigit()


def written_sentences(text: str) -> list[str]:
    """A text cut after the words that close a sentence; marks inside a word (3.5, example.com) close none."""
    words = _MARK_WITHOUT_SPACE.sub(r"\1 ", text).split()
    return [" ".join(words[first : last + 1]) for first, last in _runs(_ends(words), len(words))] if words else []


def _is_punctuated(words: Sequence[Word]) -> bool:
    return len(_marked_ends(words)) * _WORDS_PER_MARK >= len(words)


def _marked_ends(words: Sequence[Word]) -> list[int]:
    return _ends([word.text for word in words])


def _ends(words: Sequence[str]) -> list[int]:
    following = [*words, ""][1:]
    return [number for number, pair in enumerate(zip(words, following, strict=True)) if ends_sentence(*pair)]


def _paused_ends(words: Sequence[Word], language: str, finality: Sequence[float] | None) -> list[int]:
    strengths_s = [_strength_s(words, number, language) for number in range(len(words) - 1)]
    if finality is not None:
        strengths_s = [
            strength_s * Fraction(2 ** float(final)).limit_denominator(1000)
            for strength_s, final in zip(strengths_s, finality, strict=True)
        ]
    threshold_s = _threshold_s(strengths_s)
    ends = [number for number, strength_s in enumerate(strengths_s) if strength_s >= threshold_s]
    return _without_fragments(words, ends)


def _pause_s(words: Sequence[Word], number: int) -> Fraction:
    """Silence between a word and the next one."""
    return words[number + 1].span.start - words[number].span.end


def _strength_s(words: Sequence[Word], number: int, language: str) -> Fraction:
    """How much the pause after a word looks like the end of a sentence: its length, less when the words run on."""
    pause_s = _pause_s(words, number)
    if language != "en" or pause_s >= _LONGEST_PAUSE_S:
        return pause_s
    if _plain(words[number]) in _LEANS_FORWARD:
        return Fraction(0)
    return pause_s / 2 if _plain(words[number + 1]) in _RUNS_ON else pause_s


def _threshold_s(strengths_s: Sequence[Fraction]) -> Fraction:
    """Between breaths and the ends of sentences, where the two kinds of pause are furthest apart on a logarithmic scale
    (N. Otsu, "A threshold selection method from gray-level histograms", IEEE SMC 9, 1979), within what leaves
    sentences of 8 to 14 words on average and within 0.06..0.6 s."""
    if not strengths_s:
        return _LONGEST_PAUSE_S
    longest_first = sorted(strengths_s, reverse=True)
    most, fewest = (
        math.ceil((len(strengths_s) + 1) / words) for words in (_SHORT_SENTENCE_WORDS, _LONG_SENTENCE_WORDS)
    )
    pauses = [pause for pause in longest_first if pause >= _SHORTEST_PAUSE_S]
    if len(pauses) < _ENOUGH_PAUSES:
        fewest = most
    count = min(max(_clearest_count(pauses), fewest), most, len(strengths_s))
    return min(max(longest_first[count - 1], _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)


def _clearest_count(longest_first: Sequence[Fraction]) -> int:
    """How many of the pauses belong to the longer kind: the cut with the largest variance between the two."""
    logs = [math.log(float(pause)) for pause in longest_first]
    whole, above = sum(logs), 0.0
    best, best_count = -1.0, len(logs)
    for count, value in enumerate(logs[:-1], 1):
        above += value
        apart = above / count - (whole - above) / (len(logs) - count)
        between = count * (len(logs) - count) * apart * apart
        if between > best:
            best, best_count = between, count
    return best_count


def _plain(word: Word) -> str:
    return word.text.lower().strip(",;:")


def _without_fragments(words: Sequence[Word], ends: Sequence[int]) -> list[int]:
    """Drops the weaker of two ends that enclose fewer than three words, unless both pauses are long: "Thank you."."""
    kept: list[int] = []
    for end in ends:
        if kept and end - kept[-1] < _FEWEST_WORDS:
            weaker = min(kept[-1], end, key=lambda number: _pause_s(words, number))
            if _pause_s(words, weaker) < _LONGEST_PAUSE_S:
                kept[-1] = end if weaker == kept[-1] else kept[-1]
                continue
        kept.append(end)
    return kept


def _runs(ends: Iterable[int], count: int) -> list[tuple[int, int]]:
    """First and last word of each run."""
    borders = [-1, *sorted({*ends, count - 1})]
    return [(before + 1, last) for before, last in itertools.pairwise(borders)]


def _cut_long_ones(words: Sequence[Word], runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    waiting, done = list(runs)[::-1], []
    while waiting:
        first, last = waiting.pop()
        cut = _longest_pause_inside(words, first, last) if _is_long(words, first, last) else None
        if cut is None:
            done.append((first, last))
        else:
            waiting += [(cut + 1, last), (first, cut)]
    return done


def _is_long(words: Sequence[Word], first: int, last: int) -> bool:
    return last - first >= _MOST_WORDS or words[last].span.end - words[first].span.start > _LONGEST_S


def _longest_pause_inside(words: Sequence[Word], first: int, last: int) -> int | None:
    """The word before the longest pause that leaves three words on either side; among equal ones, the most central."""
    inner = range(first + _FEWEST_WORDS - 1, last - _FEWEST_WORDS + 1)
    middle = (first + last) / 2
    return max(inner, key=lambda number: (_pause_s(words, number), -abs(number - middle)), default=None)


def _sentence(words: Sequence[Word], first: int, last: int) -> Sentence:
    return Sentence(
        first_word=first,
        last_word=last,
        span=Span(words[first].span.start, words[last].span.end),
        text=" ".join(word.text for word in words[first : last + 1]),
    )
