"""Sentence vectors by any sentence-transformers model, by name or path."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_platform.errors import EngineUnavailable

if TYPE_CHECKING:
    import numpy as np

_BATCH = 64


class SentenceTransformerEmbedder:
    """A `SentenceEmbedder`; the model is loaded on first use and stays.

    Args:
        model: a name on the Hugging Face hub, or a folder that `SentenceTransformer.save` wrote.
        device: `cpu`, `cuda`, or None for the best there is.

    Raises:
        EngineUnavailable: by `embed`; the package is not installed, or the model is neither there nor can be fetched.
    """

    def __init__(self, model: str, device: str | None = None) -> None:
        self._model, self._device = model, device
        self._loaded: Any = None

    @property
    def name(self) -> str:
        return f"sentence-transformers {self._model}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        if self._loaded is None:
            self._loaded = _load(self._model, self._device)
        if not texts:
            return np.zeros((0, self._loaded.get_embedding_dimension()), np.float32)
        vectors = self._loaded.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, np.float32)


def engine_version() -> str:
    """Of the installed package, without loading it; empty where there is none."""
    try:
        return version("sentence-transformers")
    except ModuleNotFoundError:
        return ""


def _load(model: str, device: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise EngineUnavailable(
            f"sentence model {model!r} needs sentence-transformers, which is not installed; run "
            '`pip install "clip-platform[topics]"`, or unset CLIP_PLATFORM_SENTENCE_MODEL for topics by words alone'
        ) from error
    try:
        return SentenceTransformer(model, device=device)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise EngineUnavailable(
            f"sentence model {model!r} cannot be loaded; {_remedy(model)}", detail=f"{type(error).__name__}: {error}"
        ) from error


def _remedy(model: str) -> str:
    if Path(model).exists():
        return "the folder must be one that SentenceTransformer.save wrote"
    return (
        "name a folder that holds it, or a model on the Hugging Face hub; for a machine without internet run "
        f"`hf download {model} --local-dir FOLDER` elsewhere, copy it and set CLIP_PLATFORM_SENTENCE_MODEL=FOLDER"
    )
