"""NeMo's real loading and transcribing code, on random models of a few hundred kilobytes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs these tests')

from clip_platform.errors import EngineUnavailable
from clip_platform.speech.backends.nemo import NemoRecognizer, model_file, why_unavailable
from clip_platform.speech.sound import SAMPLE_RATE_HZ
from tests.fakes.speech import spoken
from tests.fakes.tiny_nemo import SENTENCES, save_tiny_model

NAME = "nvidia/parakeet-tdt-0.6b-v2"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: save_tiny_model(kind, folder) for kind in ("ctc", "rnnt", "tdt", "hybrid")}


@pytest.mark.parametrize("kind", ["ctc", "rnnt", "tdt", "hybrid"])
def test_every_kind_of_model_gives_timed_words(kind: str, models: dict[str, Path]):
    sound = spoken("Today we talk about clips.")

    words = NemoRecognizer(str(models[kind]), device="cpu").recognize([sound, np.zeros(1600, np.float32)])

    assert {word.text for word in words[0]} <= {word for sentence in SENTENCES for word in sentence.split()}
    assert words[0]
    assert all(word.span.end <= len(sound) / SAMPLE_RATE_HZ for word in words[0])
    assert all(word.span.end * 10 <= 1 for word in words[1])


def test_reduced_precision_is_taken_when_asked_for(models: dict[str, Path]):
    recognizer = NemoRecognizer(str(models["ctc"]), device="cpu", precision="bfloat16")

    assert len(recognizer.recognize([spoken("That is the best part.")])) == 1


def test_the_identity_names_the_model_and_calls_nothing_rough(models: dict[str, Path]):
    identity = NemoRecognizer(str(models["tdt"])).identity

    assert (identity.name, identity.model, identity.rough) == ("nemo", "tdt.nemo", None)
    assert NemoRecognizer(NAME).identity.model == NAME


def test_a_missing_file_is_named_before_anything_is_loaded(tmp_path: Path):
    missing = str(tmp_path / "absent.nemo")

    assert why_unavailable(missing) == f"there is no model file at {missing}"
    with pytest.raises(EngineUnavailable, match=r"absent\.nemo.*CLIP_PLATFORM_NEMO_MODEL"):
        NemoRecognizer(missing).recognize([spoken("Hello.")])


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    broken = tmp_path / "broken.nemo"
    broken.write_bytes(b"half a download")

    with pytest.raises(EngineUnavailable, match=r"not a \.nemo archive; fetch it again"):
        NemoRecognizer(str(broken)).recognize([spoken("Hello.")])


def test_a_model_in_the_hub_cache_needs_no_network(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    snapshot = tmp_path / "models--nvidia--parakeet-tdt-0.6b-v2" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "parakeet-tdt-0.6b-v2.nemo").write_bytes(models["tdt"].read_bytes())
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    assert model_file(NAME) == snapshot / "parakeet-tdt-0.6b-v2.nemo"
    assert why_unavailable(NAME, may_fetch=False) is None
    assert NemoRecognizer(NAME, device="cpu", may_fetch=False).recognize([spoken("Welcome.")])[0]


def test_a_named_model_that_cannot_be_fetched_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{filename}"
    )

    reason = why_unavailable(NAME)

    assert reason is not None
    assert reason.startswith(f"the model {NAME} is not on this machine and cannot be fetched")
    assert "switched off" in (why_unavailable(NAME, may_fetch=False) or "")
    with pytest.raises(EngineUnavailable, match=r"copy the model's \.nemo file"):
        NemoRecognizer(NAME).recognize([spoken("Hello.")])


def test_without_the_extra_the_reason_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    assert "pip install" in (why_unavailable(NAME) or "")


def test_cuda_where_there_is_none_is_no_silent_cpu(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    assert "no CUDA device" in (why_unavailable(str(models["ctc"]), device="cuda") or "")
    assert why_unavailable(str(models["ctc"])) is None


def test_asking_whether_it_can_be_used_imports_no_nemo(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "nemo.collections.asr.models", None)

    assert why_unavailable(str(models["ctc"])) is None
