"""Small random NeMo models: what they hear is nonsense, its form is real."""

from __future__ import annotations

from pathlib import Path

from benchmarks.random_nemo import Kind, Size, save_random_model

SENTENCES = ["welcome to the show", "today we talk about clips", "that is the best part", "thank you for watching"]
WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})
TINY = Size(width=32, layers=1, heads=4, mels=40, channels=16, predictor=32, predictor_layers=1, feed_forward=2)


def save_tiny_model(kind: Kind, folder: Path) -> Path:
    """Writes `folder/kind.nemo`."""
    return save_random_model(kind, folder, TINY, WORDS)
