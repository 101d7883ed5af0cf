"""How badly a run of sentences holds together as one subject: by its words, or by its sentences' vectors.

Both count in prices of a boundary: splitting a run must make its parts cheaper by more than 1 in all.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

_PRIOR_WORDS = 150.0
_WORDS_PRICE_NATS = 6.5
_VECTORS_PRICE = 1.4


class Cohesion(Protocol):
    """Costs of runs of sentences."""

    def costs(self, first: int) -> Iterator[float]:
        """Of the run `first..first`, then of `first..first + 1`, and so on to the last sentence."""
        ...


class LexicalCohesion:
    """A run is cheap when its words come again and again within it, beyond what the whole talk says.

    The cost is minus the logarithm of the probability of the run's words under a unigram model of its own, which begins
    as the talk's (a Dirichlet prior worth `_PRIOR_WORDS` words) and learns word by word, over that of the talk's model:
    M. Utiyama, H. Isahara, "A statistical model for domain-independent text segmentation", ACL 2001, with the prior of
    J. Eisenstein, R. Barzilay, "Bayesian unsupervised topic segmentation", EMNLP 2008. Prior and price were chosen on
    generated talks (`evaluation.topic_talks`, seeds 100-139) with 0, 15 and 30 % of the words wrong.

    Args:
        stems: the content words of every sentence.
    """

    def __init__(self, stems: Sequence[Sequence[str]]) -> None:
        said = Counter(stem for sentence in stems for stem in sentence)
        shares = {stem: count / said.total() for stem, count in said.items()}
        self._coded = [[(stem, _PRIOR_WORDS * shares[stem], shares[stem]) for stem in sentence] for sentence in stems]

    def costs(self, first: int) -> Iterator[float]:
        counts: dict[str, int] = {}
        words, gain = _PRIOR_WORDS, 0.0
        for sentence in itertools.islice(self._coded, first, None):
            for stem, prior, share in sentence:
                count = counts.get(stem, 0)
                gain += math.log((count + prior) / (words * share))
                counts[stem] = count + 1
                words += 1.0
            yield -gain / _WORDS_PRICE_NATS


class VectorCohesion:
    """A run is cheap when its sentences' vectors lie close to their mean: their squared distances from it over the
    talk's mean squared distance (change points of the mean; R. Killick, P. Fearnhead, I. Eckley, JASA 107, 2012).

    Args:
        vectors: shape (sentences, dimensions).
    """

    def __init__(self, vectors: np.ndarray) -> None:
        import numpy as np

        centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
        squares = np.square(centred).sum(axis=1)
        self._sums = np.vstack([np.zeros(centred.shape[1]), np.cumsum(centred, axis=0)])
        self._squares = np.concatenate([[0.0], np.cumsum(squares)])
        self._usual = max(float(squares.mean()), 1e-12)

    def costs(self, first: int) -> Iterator[float]:
        import numpy as np

        block = 128
        for start in range(first, len(self._squares) - 1, block):
            ends = slice(start + 1, start + 1 + block)
            sums = self._sums[ends] - self._sums[first]
            counts = np.arange(start + 1 - first, start + 1 - first + len(sums))
            scatter = self._squares[ends] - self._squares[first] - np.square(sums).sum(axis=1) / counts
            yield from (scatter / self._usual / _VECTORS_PRICE).tolist()
