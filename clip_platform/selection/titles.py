"""Titles taken from what is said in a clip; nothing is invented."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from clip_platform.selection.vocabulary import (
    FILLERS,
    QUESTION_MARKS,
    STOP_WORDS,
    content_stems,
    is_question,
    tokens,
    word_set,
)
from clip_platform.speech.sentences import ENDING_MARKS, ends_sentence, written_sentences

LONGEST_TITLE = 60
"""Characters."""

_CLAUSE = re.compile(r"[,;:]\s+|\s*[–—](?!\d)\s*|\s+(?=(?:because|but|which|and then|so that)\b)")
_UNFINISHED = word_set("if when whenever while although though unless until since after before as once")
_OPENERS = word_set("so and but well okay ok now then also because or yeah yes no right look listen") | FILLERS
_CLOSERS = STOP_WORDS - word_set("us you me them it people things all everything nothing now more less first")


def title_of(spoken: Sequence[str]) -> str:
    """The most telling sentence of a clip, trimmed to `LONGEST_TITLE` characters at a word.

    Telling: its content words come up often in the clip; the first sentence and questions count for more.

    Args:
        spoken: the clip's sentences in order.
    """
    sentences = sentences_of(spoken)
    return _trimmed(sentences[title_sentence(sentences)]) if sentences else "Untitled"


def title_sentence(sentences: Sequence[str]) -> int:
    """Which sentence a clip is named after; there is at least one."""
    said = Counter(stem for sentence in sentences for stem in content_stems(sentence))
    return max(range(len(sentences)), key=lambda i: (_telling(sentences[i], i, said), -i))


def sentences_of(spoken: Sequence[str]) -> list[str]:
    """Sentences with words in them, cut at marks where one text holds several."""
    return [sentence for text in spoken for sentence in written_sentences(text) if tokens(sentence)]


def telling(sentence: str, said: Counter[str]) -> float:
    """How often its content words come up in the clip (`said`, stems), on average and a little less for short ones."""
    stems = set(content_stems(sentence))
    return sum(said[stem] for stem in stems) / (len(stems) + 2) if stems else 0.0


def _telling(sentence: str, position: int, said: Counter[str]) -> float:
    return telling(sentence, said) * (1.0 + 0.6 * (position == 0) + 0.3 * is_question(sentence))


def trimmed(sentence: str) -> str:
    """Without the words that only lead into it, and with a capital."""
    words = sentence.split()
    while len(words) > 3 and "".join(tokens(words[0])) in _OPENERS:
        words.pop(0)
    phrase = " ".join(words)
    return phrase[:1].upper() + phrase[1:]


def _trimmed(sentence: str) -> str:
    words = trimmed(sentence).split()
    question = is_question(" ".join(words))
    phrase = " ".join(words)
    if not _ends_in_an_abbreviation(phrase):
        phrase = phrase.rstrip(f"{ENDING_MARKS},;: ")
    shortened = phrase if len(phrase) <= LONGEST_TITLE else _shortened(phrase)
    mark = _question_mark(sentence) if question and shortened == phrase and len(phrase) < LONGEST_TITLE else ""
    return shortened[:1].upper() + shortened[1:] + mark


def _question_mark(sentence: str) -> str:
    """The one it has, in its own script."""
    return next((mark for mark in QUESTION_MARKS if mark in sentence[-3:]), "?")


def _ends_in_an_abbreviation(phrase: str) -> bool:
    return phrase.endswith(".") and not ends_sentence(phrase.rsplit(" ", 1)[-1])


def _shortened(phrase: str) -> str:
    """The clauses that fit, or else the words that fit, not ending on a word that wants another one."""
    clause = _CLAUSE.split(phrase)[0]
    is_whole = "".join(tokens(clause)[:1]) not in _UNFINISHED
    if is_whole and len(clause.split()) >= 3 and len(clause) <= LONGEST_TITLE:
        return clause
    words = _cut(phrase).rstrip("…").split()
    while len(words) > 3 and "".join(tokens(words[-1])) in _CLOSERS:
        words.pop()
    return " ".join(words) + "…"


def _cut(text: str) -> str:
    if len(text) <= LONGEST_TITLE:
        return text
    head = text[: LONGEST_TITLE - 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip(" ,;:-") + "…"
