"""Keywords of a tenant: candidates that speak of them are raised before the choice, and say so.

The score itself knows nothing of it: a model is trained on what viewers do, not on what one tenant asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clip_platform.selection.vocabulary import stem, tokens

if TYPE_CHECKING:
    from clip_platform.selection.candidates import ClipCandidate
    from clip_platform.selection.choice import ScoredCandidate

POINTS_A_KEYWORD = 10.0
MOST_POINTS = 20.0
"""However many keywords a stretch speaks of: a poor clip does not become the best one by naming them."""
_BEST = 100.0


def raised(
    scored: Iterable[ScoredCandidate], candidates: Sequence[ClipCandidate], keywords: Sequence[str]
) -> list[ScoredCandidate]:
    """The scores, higher by `POINTS_A_KEYWORD` for each keyword that is spoken of, with the reason first."""
    texts = {candidate.candidate_id: candidate.text for candidate in candidates}
    return [_raised(score, spoken_of(texts.get(score.candidate_id, ""), keywords)) for score in scored]


def spoken_of(text: str, keywords: Sequence[str]) -> list[str]:
    """Those of the keywords whose words follow each other in the text, in any form of the word."""
    said = _padded(text)
    return [keyword for keyword in keywords if _padded(keyword).strip() and _padded(keyword) in said]


def _raised(score: ScoredCandidate, found: Sequence[str]) -> ScoredCandidate:
    points = min(MOST_POINTS, POINTS_A_KEYWORD * len(found), _BEST - score.value)
    if points <= 0:
        return score
    reason = f"it speaks of {', '.join(repr(keyword) for keyword in found)}, which was asked for (+{points:.0f})"
    return replace(score, value=score.value + points, reasons=(reason, *score.reasons))


def _padded(text: str) -> str:
    return f" {' '.join(stem(token) for token in tokens(text))} "
