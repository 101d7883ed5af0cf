"""What is written under a clip: title, hashtags and a line of summary. By default all are taken from what is said.

A `ClipWriter` may be anything, a language model too; the one here calls nobody.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

from clip_platform.errors import CheckFailed
from clip_platform.selection.titles import (
    LONGEST_TITLE,
    sentences_of,
    telling,
    title_of,
    title_sentence,
    trimmed,
)
from clip_platform.selection.vocabulary import MARKS, UNSPACED, content_stems, is_content, is_number, tokens, word_set

MOST_HASHTAGS = 5
LONGEST_SUMMARY = 160
"""Characters; what platforms show before "more"."""
_LONGEST_HASHTAG = 30
_PHRASES = 40
_ELIDED = word_set("c d j l m n qu s t un all dall dell nell sull quest quell")  # before an apostrophe: l'abeille
_OF_TIME = word_set("day days week weeks month months year years time times hour hours minute minutes today tomorrow")
_LONGEST_UNSPACED = 6  # more characters of a script without spaces are a sentence rather than a word


@dataclass(frozen=True, slots=True)
class Written:
    """`hashtags` begin with `#` and have no space.

    Raises:
        CheckFailed: one is too long, empty or no hashtag; names it.
    """

    title: str
    hashtags: tuple[str, ...]
    summary: str

    def __post_init__(self) -> None:
        if not 0 < len(self.title) <= LONGEST_TITLE:
            raise CheckFailed(f"title {self.title[:80]!r} has {len(self.title)} characters; 1 to {LONGEST_TITLE} fit")
        if len(self.summary) > LONGEST_SUMMARY:
            raise CheckFailed(
                f"summary {self.summary[:80]!r}… has {len(self.summary)} characters, not {LONGEST_SUMMARY}"
            )
        for hashtag in self.hashtags:
            if not (
                hashtag[:1] == "#"
                and hashtag[1:]
                and all(map(_is_letter, hashtag[1:]))
                and len(hashtag) <= _LONGEST_HASHTAG
            ):
                raise CheckFailed(
                    f"{hashtag[:80]!r} is no hashtag: # and up to {_LONGEST_HASHTAG - 1} letters and digits"
                )


class ClipWriter(Protocol):
    """Writes what stands under a clip."""

    @property
    def name(self) -> str:
        """What it is, as recorded with results; another name, another checkpoint."""
        ...

    def write(self, spoken: Sequence[str], language: str) -> Written:
        """For a clip.

        Args:
            spoken: its sentences in order.
            language: what is spoken, a plain code such as `en`.
        """
        ...


class ExtractiveWriter:
    """A `ClipWriter` that invents nothing: the most telling sentences and the key phrases of the clip itself."""

    name = "extractive"

    def write(self, spoken: Sequence[str], language: str) -> Written:
        text = " ".join(spoken)
        return Written(title_of(spoken), hashtags_of(text, language), summary_of(spoken))


def hashtags_of(text: str, language: str) -> tuple[str, ...]:
    """At most five key phrases of one or two words, the best first; two words only where they are a term or a name.

    R. Campos et al., "YAKE! Keyword extraction from single documents using multiple local features", Information
    Sciences 509, 2020.
    """
    text = unicodedata.normalize("NFC", text)
    extractor, said = _extractor(language), Counter(pairwise(tokens(text)))
    tags: list[str] = []
    known: set[str] = set()
    for phrase, _score in extractor.extract_keywords(text):
        words = [_without_elision(word, language) for word in tokens(phrase)]
        if not all(_names(word) and word not in extractor.stopword_set for word in words) or known & set(words):
            continue
        if len(words) > 1 and not _belong_together(phrase, said):
            continue
        tag = "#" + "".join(word[:1].upper() + word[1:] for word in map(_letters, words))
        if 1 < len(tag) <= _LONGEST_HASHTAG:
            tags.append(tag)
            known.update(words)
    return tuple(tags[:MOST_HASHTAGS])


def _belong_together(phrase: str, said: Counter[tuple[str, str]]) -> bool:
    """Whether two neighbours are a term or a name: said so more than once, or both with a capital."""
    return all(said[pair] > 1 for pair in pairwise(tokens(phrase))) or phrase.istitle()


def _names(word: str) -> bool:
    if UNSPACED.search(word) is not None and len(word) > _LONGEST_UNSPACED:
        return False
    return is_content(word) and not is_number(word) and word not in _OF_TIME


def _without_elision(word: str, language: str) -> str:
    """`l'abeille` names a bee."""
    article, _, noun = word.partition("'")
    return noun if language != "en" and noun and article in _ELIDED else word


def _letters(word: str) -> str:
    return "".join(filter(_is_letter, word))


def _is_letter(character: str) -> bool:
    return character.isalnum() or character in MARKS


@cache
def _extractor(language: str) -> Any:
    from yake import KeywordExtractor

    return KeywordExtractor(lan=language, n=2, top=_PHRASES)


def summary_of(spoken: Sequence[str]) -> str:
    """The sentence that says most of what the clip says, shortened at a word; empty without words.

    It is another sentence than the title's where one has something to say. It keeps its mark.
    """
    sentences = sentences_of(spoken)
    if not sentences:
        return ""
    said = Counter(stem for sentence in sentences for stem in content_stems(sentence))
    title = sentences[title_sentence(sentences)]
    others = [sentence for sentence in sentences if sentence != title and telling(sentence, said) > 0]
    line = trimmed(max(others or [title], key=lambda sentence: telling(sentence, said)))
    if len(line) > LONGEST_SUMMARY:
        line = line[: LONGEST_SUMMARY - 1].rsplit(" ", 1)[0].rstrip(" ,;:-") + "…"
    return line
