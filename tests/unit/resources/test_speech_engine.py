"""Which speech engine is taken, and what is said when it is not the one that was asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs these tests')

from clip_platform.errors import EngineUnavailable
from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE
from clip_platform.resources.engines import SpeechRecognizerResource


def test_nemo_is_taken_with_its_settings_where_its_model_is():
    resource = SpeechRecognizerResource(model=str(MODEL_FILE), device="cpu", precision="fp32", batch=3)

    with resource.listening() as listener:
        assert listener.recognizer.identity.model == "tiny.nemo"
        assert listener.recognizer.identity.rough is None
        assert listener.recognizer.batch_size == 3
        assert listener.recognizer.stride_s == Fraction(8, 100)


def test_what_precision_it_computes_in_is_part_of_what_a_result_depends_on():
    keys = [SpeechRecognizerResource(model=str(MODEL_FILE), precision=one).key() for one in ("fp32", "bf16")]

    assert keys[0] != keys[1]


def test_nemo_without_its_model_is_refused_with_the_way_to_get_it(tmp_path: Path):
    missing = tmp_path / "parakeet.nemo"

    with pytest.raises(EngineUnavailable, match=rf"there is no model file at {missing}\. .*hf download.*NEMO_MODEL"):
        SpeechRecognizerResource(engine="nemo", model=str(missing)).key()


def test_instead_of_a_missing_model_the_embedded_engine_says_why_it_was_taken(tmp_path: Path):
    with SpeechRecognizerResource(model=str(tmp_path / "parakeet.nemo")).listening() as listener:
        assert listener.recognizer.identity.name == "pocketsphinx"
        assert f"no model file at {tmp_path}" in (listener.recognizer.identity.rough or "")
