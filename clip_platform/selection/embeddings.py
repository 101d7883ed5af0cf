"""What selection needs of a model that turns sentences into vectors. Which one it is, is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class SentenceEmbedder(Protocol):
    """Texts of like meaning get vectors of like direction."""

    @property
    def name(self) -> str:
        """Engine and model, as recorded with results."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """One vector a text.

        Returns:
            float32, shape (len(texts), dimensions), each row of length 1; no rows without texts.
        """
        ...
