"""Talks about several subjects with the truth about where each begins, and how well the boundaries are found.

No punctuation, no hint in the pauses, and as many wrong words as a rough engine makes: only what is said tells the
subjects apart.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.evaluation.topic_texts import THEMES
from clip_platform.selection.embeddings import SentenceEmbedder
from clip_platform.selection.topics import topic_starts
from clip_platform.selection.vocabulary import tokens
from clip_platform.speech.sentences import split_sentences
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

WRONG_WORDS_SHARE = 0.3
TALKS = 12
_SUBJECTS = (3, 6)
_SENTENCES = (7, 12)


@dataclass(frozen=True, slots=True)
class TopicTalk:
    """Words as an engine hears them.

    `sentence_first`, `topic_first`: index of the first word of every true sentence, of every subject; both from 0 on.
    """

    words: tuple[Word, ...]
    sentence_first: tuple[int, ...]
    topic_first: tuple[int, ...]


def topic_talk(seed: int, wrong_words_share: float = WRONG_WORDS_SHARE) -> TopicTalk:
    """A talk of three to six subjects, each of seven to twelve sentences; the same seed gives the same talk."""
    chance = random.Random(seed)  # noqa: S311 - a data set, no secret
    subjects = chance.sample(sorted(THEMES), chance.randint(*_SUBJECTS))
    texts, topic_first, sentence_first, count = [], [], [], 0
    for subject in subjects:
        topic_first.append(count)
        for sentence in THEMES[subject][: chance.randint(*_SENTENCES)]:
            sentence_first.append(count)
            texts.append(tokens(sentence))
            count += len(texts[-1])
    return TopicTalk(
        tuple(_spoken(_misheard(texts, wrong_words_share, chance), chance)), tuple(sentence_first), tuple(topic_first)
    )


def _misheard(texts: Sequence[Sequence[str]], share: float, chance: random.Random) -> list[list[str]]:
    """Each word is replaced with this probability by one said anywhere in the talk."""
    every = [word for text in texts for word in text]
    return [[chance.choice(every) if chance.random() < share else word for word in text] for text in texts]


def _spoken(texts: Sequence[Sequence[str]], chance: random.Random) -> list[Word]:
    """Words with times: longer words take longer, some are followed by a breath, every sentence by a pause."""
    words, now_s = [], 0.0
    for text in texts:
        for word in text:
            end_s = now_s + 0.12 + 0.05 * len(word) * chance.uniform(0.7, 1.3)
            words.append(Word(word, Span(_milliseconds(now_s), _milliseconds(end_s)), None))
            now_s = end_s + (chance.uniform(0.05, 0.3) if chance.random() < 0.08 else 0.02)
        now_s += chance.uniform(0.25, 0.9)
    return words


def _milliseconds(moment_s: float) -> Fraction:
    return Fraction(round(moment_s * 1000), 1000)


def boundary_errors(embedder: SentenceEmbedder | None = None, talks: int = TALKS) -> list[float]:
    """Pk of every talk: by embeddings where an embedder is given, by lexical cohesion otherwise."""
    return [_boundary_error(topic_talk(seed), embedder) for seed in range(talks)]


def _boundary_error(talk: TopicTalk, embedder: SentenceEmbedder | None) -> float:
    sentences = split_sentences(talk.words, "en")
    found = [sentences[first].first_word for first in topic_starts(sentences, embedder)]
    return pk(talk.topic_first, found, len(talk.words))


def pk(truth: Sequence[int], found: Sequence[int], count: int) -> float:
    """Share of pairs, half a mean true segment apart, about which truth and found disagree whether they are in one
    segment; 0 is perfect, a coin about 0.5.

    D. Beeferman, A. Berger, J. Lafferty, "Statistical models for text segmentation", Machine Learning 34, 1999.

    Args:
        truth: index of the first unit of each segment, beginning with 0.
        found: the same, of the segmentation to judge.
        count: units in all.
    """
    apart = max(1, round(count / len(truth) / 2))
    pairs = count - apart
    if pairs <= 0:
        return 0.0

    def together(firsts: Sequence[int], unit: int) -> bool:
        return bisect_right(firsts, unit) == bisect_right(firsts, unit + apart)

    return sum(together(truth, unit) != together(found, unit) for unit in range(pairs)) / pairs
