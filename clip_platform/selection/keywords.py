"""Keywords of a tenant: candidates that speak of them are raised before the choice, and say so.

The score itself knows nothing of it: a model is trained on what viewers do, not on what one tenant asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clip_platform.selection.vocabulary import UNSPACED, stem, tokens

if TYPE_CHECKING:
    from clip_platform.selection.candidates import ClipCandidate, ClipCandidates
    from clip_platform.selection.choice import ScoredCandidate
    from clip_platform.selection.embeddings import SentenceEmbedder

POINTS_A_KEYWORD = 10.0
MOST_POINTS = 20.0
"""However many keywords a stretch speaks of: a poor clip does not become the best one by naming them."""
AKIN = 0.35
"""Cosine of a sentence and a keyword from which the sentence speaks of it; in MiniLM's space sentences on other
subjects stay below 0.25 to "money", "honey" or "boats"."""
_BEST = 100.0


def raised(
    scored: Iterable[ScoredCandidate],
    candidates: Sequence[ClipCandidate],
    keywords: Sequence[str],
    akin: Mapping[str, Sequence[str]] | None = None,
) -> list[ScoredCandidate]:
    """The scores, higher by `POINTS_A_KEYWORD` for each keyword that is spoken of, with the reason first.

    Args:
        akin: by candidate, keywords it speaks of in other words, see `akin_keywords`: worth half as much.
    """
    texts = {candidate.candidate_id: candidate.text for candidate in candidates}
    raised_ones = []
    for score in scored:
        literal = spoken_of(texts.get(score.candidate_id, ""), keywords)
        meant = [keyword for keyword in (akin or {}).get(score.candidate_id, ()) if keyword not in literal]
        raised_ones.append(_raised(score, literal, meant))
    return raised_ones


def akin_keywords(
    candidates: ClipCandidates, keywords: Sequence[str], embedder: SentenceEmbedder
) -> Mapping[str, Sequence[str]]:
    """By candidate, the keywords that one of its sentences comes near in meaning (cosine of `AKIN` or more).

    Raises:
        EngineUnavailable: see the embedder.
    """
    if not keywords or not candidates.sentences:
        return {}
    near = embedder.embed([sentence.text for sentence in candidates.sentences]) @ embedder.embed(keywords).T >= AKIN
    return {
        one.candidate_id: [
            keyword
            for number, keyword in enumerate(keywords)
            if near[one.first_sentence : one.last_sentence + 1, number].any()
        ]
        for one in candidates.candidates
    }


def spoken_of(text: str, keywords: Sequence[str]) -> list[str]:
    """Those of the keywords whose words follow each other in the text, in any form of the word.

    In scripts without spaces a keyword is found inside what stands together.
    """
    said = _padded(text)
    return [keyword for keyword in keywords if (sought := _sought(keyword)).strip() and sought in said]


def _sought(keyword: str) -> str:
    words = _padded(keyword)
    return words.strip() if UNSPACED.search(keyword) else words


def _raised(score: ScoredCandidate, literal: Sequence[str], meant: Sequence[str]) -> ScoredCandidate:
    wanted = POINTS_A_KEYWORD * (len(literal) + len(meant) / 2)
    points = min(MOST_POINTS, wanted, _BEST - score.value)
    if points <= 0:
        return score
    named = f"of {_listed(literal)}" if literal else ""
    near = f"{' and ' if literal else ''}near {_listed(meant)}" if meant else ""
    reason = f"it speaks {named}{near}, which was asked for (+{points:.0f})"
    return replace(score, value=score.value + points, reasons=(reason, *score.reasons))


def _listed(keywords: Sequence[str]) -> str:
    return ", ".join(repr(keyword) for keyword in keywords)


def _padded(text: str) -> str:
    return f" {' '.join(stem(token) for token in tokens(text))} "
