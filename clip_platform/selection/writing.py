"""What is written under a clip: title, hashtags and a line of summary. By default all are taken from what is said.

A `ClipWriter` may be anything, a language model too; the one here calls nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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
from clip_platform.selection.vocabulary import content_stems, is_content, is_number, tokens

MOST_HASHTAGS = 5
LONGEST_SUMMARY = 160
"""Characters; what platforms show before "more"."""
_LONGEST_HASHTAG = 30
_PHRASES = 12


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
            if not (hashtag[:1] == "#" and hashtag[1:].isalnum() and len(hashtag) <= _LONGEST_HASHTAG):
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
    """At most five key phrases of one or two words, the best first.

    R. Campos et al., "YAKE! Keyword extraction from single documents using multiple local features", Information
    Sciences 509, 2020.
    """
    tags: dict[str, str] = {}
    for phrase, _score in _extractor(language).extract_keywords(text):
        words = tokens(phrase)
        tag = "#" + "".join(word[:1].upper() + word[1:] for word in ("".join(filter(str.isalnum, w)) for w in words))
        known = any(set(words) & set(tokens(other)) for other in tags.values())
        if all(map(_names, words)) and 1 < len(tag) <= _LONGEST_HASHTAG and not known:
            tags[tag] = phrase
    return tuple(tags)[:MOST_HASHTAGS]


def _names(word: str) -> bool:
    return is_content(word) and not is_number(word)


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
