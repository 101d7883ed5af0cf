"""NeMo's real loading and transcribing code, on random models of a few hundred kilobytes."""

from __future__ import annotations

import io
import itertools
import sys
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs these tests')

from clip_platform.errors import EngineUnavailable, InvalidSetting, NoSpeech
from clip_platform.speech.backends.nemo import NemoRecognizer
from clip_platform.speech.backends.nemo_models import model_file, why_unavailable
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound, samples_span
from clip_platform.speech.transcription import transcribe
from tests.fakes.speech import spoken
from tests.fakes.tiny_nemo import SENTENCES, save_tiny_model

NAME = "nvidia/parakeet-tdt-0.6b-v2"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: save_tiny_model(kind, folder) for kind in ("ctc", "rnnt", "tdt", "hybrid")}


@pytest.mark.parametrize("kind", ["ctc", "rnnt", "tdt", "hybrid"])
def test_every_kind_of_model_gives_words_with_times_and_confidences(kind: str, models: dict[str, Path]):
    sound = spoken("Today we talk about clips.")
    recognizer = NemoRecognizer(str(models[kind]), device="cpu")

    words, of_short = recognizer.recognize([sound, np.zeros(1600, np.float32)])

    assert recognizer.stride_s == Fraction(8, 100)
    assert {word.text for word in words} <= {word for sentence in SENTENCES for word in sentence.split()}
    assert words
    assert all(word.span.start % recognizer.stride_s == 0 for word in words)
    assert all(a.span.start <= b.span.start for a, b in itertools.pairwise(words))
    assert all(word.span.end <= len(sound) / SAMPLE_RATE_HZ for word in words)
    assert all(word.span.end * 10 <= 1 for word in of_short)
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)


@pytest.mark.parametrize("kind", ["ctc", "tdt"])
def test_words_of_a_chunk_are_put_where_the_chunk_is(kind: str, models: dict[str, Path]):
    sound = np.concatenate([np.zeros(2 * SAMPLE_RATE_HZ, np.float32), spoken("Today we talk about clips.")])
    speech = (samples_span(2 * SAMPLE_RATE_HZ, len(sound)),)

    result = transcribe(HeldSound(sound), NemoRecognizer(str(models[kind]), "cpu"), lambda _sound, _report: speech)

    assert all(2 <= word.span.start < word.span.end <= len(sound) / SAMPLE_RATE_HZ for word in result.words)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(result.words))
    assert result.language == "en"


def test_reduced_precision_is_taken_when_asked_for(models: dict[str, Path]):
    sound = spoken("That is the best part.")
    full, reduced = (
        NemoRecognizer(str(models["ctc"]), device="cpu", precision=precision).recognize([sound])[0]
        for precision in ("fp32", "bf16")
    )

    assert [word.confidence for word in full] != [word.confidence for word in reduced]


def test_a_precision_that_the_machine_cannot_do_is_refused_by_name(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("clip_platform.speech.backends.nemo_network._lstm_runs_in", lambda _device, _precision: False)

    with pytest.raises(EngineUnavailable, match=r"tdt\.nemo.*precision bf16; choose auto or fp32"):
        NemoRecognizer(str(models["tdt"]), "cpu", "bf16").recognize([spoken("Hello.")])
    with pytest.raises(EngineUnavailable, match="fp16 needs a CUDA device; choose auto, fp32 or bf16"):
        NemoRecognizer(str(models["ctc"]), "cpu", "fp16").recognize([spoken("Hello.")])


def test_how_many_chunks_are_heard_at_once_is_a_choice(models: dict[str, Path]):
    assert NemoRecognizer(str(models["ctc"]), "cpu").batch_size == 1
    assert NemoRecognizer(str(models["ctc"]), "cuda").batch_size == 16
    assert NemoRecognizer(str(models["ctc"]), "cuda", batch_size=64).batch_size == 64


def test_silence_does_not_even_load_the_model():
    silence = HeldSound(np.zeros(60 * SAMPLE_RATE_HZ, np.float32))

    with pytest.raises(NoSpeech, match="nobody speaks"):
        transcribe(silence, NemoRecognizer("/nowhere/absent.nemo"), SileroVoiceActivity())


def test_the_identity_names_the_model_and_calls_nothing_rough(models: dict[str, Path]):
    identity = NemoRecognizer(str(models["tdt"])).identity

    assert (identity.name, identity.model, identity.rough) == ("nemo", "tdt.nemo", None)
    assert NemoRecognizer(NAME).identity.model == NAME


def test_a_missing_file_is_named_before_anything_is_loaded(tmp_path: Path):
    missing = str(tmp_path / "absent.nemo")

    assert why_unavailable(missing) == f"there is no model file at {missing}"
    with pytest.raises(EngineUnavailable, match=r"absent\.nemo.*hf download .*CLIP_PLATFORM_NEMO_MODEL"):
        NemoRecognizer(missing).recognize([spoken("Hello.")])


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    broken = tmp_path / "broken.nemo"
    broken.write_bytes(b"half a download")

    with pytest.raises(EngineUnavailable, match=r"not a \.nemo archive; fetch it again"):
        NemoRecognizer(str(broken)).recognize([spoken("Hello.")])


@pytest.mark.parametrize("spoil", [lambda content: content[: len(content) // 2], lambda _content: an_archive()])
def test_half_a_model_and_another_archive_are_refused(spoil, models: dict[str, Path], tmp_path: Path):
    (tmp_path / "half.nemo").write_bytes(spoil(models["ctc"].read_bytes()))

    with pytest.raises(EngineUnavailable, match=r"loading .*half\.nemo failed with \w+; fetch it again") as failure:
        NemoRecognizer(str(tmp_path / "half.nemo"), "cpu").recognize([spoken("Hello.")])
    assert failure.value.detail


def an_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("letter.txt"))
    return buffer.getvalue()


def test_a_device_or_precision_that_does_not_exist_is_named():
    with pytest.raises(InvalidSetting, match="device is 'tpu'; choose one of auto, cpu, cuda"):
        NemoRecognizer(NAME, device="tpu")
    with pytest.raises(InvalidSetting, match="precision is 'int8'; choose one of auto, fp32, bf16, fp16"):
        NemoRecognizer(NAME, precision="int8")


def test_models_that_cannot_tell_times_of_our_sound_are_refused_by_what_they_are(
    models: dict[str, Path], tmp_path: Path
):
    from nemo.collections.asr.models import ASRModel

    model = ASRModel.restore_from(str(models["ctc"]), map_location="cpu")
    model.cfg.sample_rate = 8000
    model.save_to(str(tmp_path / "telephone.nemo"))

    with pytest.raises(EngineUnavailable, match=r"telephone\.nemo.* 8000 samples a second; choose one for 16000"):
        NemoRecognizer(str(tmp_path / "telephone.nemo"), "cpu").recognize([spoken("Hello.")])


def test_too_little_memory_for_a_batch_says_which_setting_helps(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    def no_memory(*_sounds: object, **_options: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 80 GiB")

    monkeypatch.setattr("nemo.collections.asr.models.EncDecCTCModelBPE.transcribe", no_memory)

    with pytest.raises(EngineUnavailable, match=r"2 chunks at once .* set CLIP_PLATFORM_NEMO_BATCH to fewer"):
        NemoRecognizer(str(models["ctc"]), "cpu").recognize([spoken("Hello."), spoken("Welcome.")])


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
    with pytest.raises(EngineUnavailable, match=f"hf download {NAME} .*copy the model's .nemo file"):
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
