"""NeMo on a CUDA device: as precise as it is fast."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs these tests')

from clip_platform.evaluation.tiny_asr.accuracy import held_out_lines
from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE
from clip_platform.evaluation.tiny_asr.corpus import record
from clip_platform.speech.backends.nemo import NemoRecognizer, Precision
from tests.fakes.tiny_nemo import save_tiny_model

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    return [record(line).samples for line in held_out_lines()[:16]]


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "fp16"])
def test_every_precision_hears_the_same_words_at_the_same_times_as_a_cpu(
    precision: Precision, sounds: list[np.ndarray]
):
    on_cpu = NemoRecognizer(str(MODEL_FILE), device="cpu").recognize(sounds)

    recognizer = NemoRecognizer(str(MODEL_FILE), device="cuda", precision=precision)
    on_gpu = recognizer.recognize(sounds)

    pairs = list(zip(itertools.chain(*on_cpu), itertools.chain(*on_gpu), strict=True))
    assert all(a.text == b.text for a, b in pairs)
    assert all(abs(a.span.start - b.span.start) <= recognizer.stride_s for a, b in pairs)


@pytest.mark.parametrize("kind", ["rnnt", "tdt", "hybrid"])
def test_transducers_tell_how_sure_they_are(kind: str, tmp_path: Path, sounds: list[np.ndarray]):
    answers = NemoRecognizer(str(save_tiny_model(kind, tmp_path)), device="cuda").recognize(sounds)

    words = list(itertools.chain(*answers))
    assert words
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)
