"""Face detection takes the GPU where there is one, and never the CPU in silence instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.random_scrfd import save_random_scrfd
from clip_platform.errors import EngineUnavailable
from clip_platform.resources.engines import FaceDetectorResource
from clip_platform.vision.backends.insightface import providers_for

BOTH = ("CUDAExecutionProvider", "CPUExecutionProvider")


@pytest.fixture
def pack(tmp_path: Path) -> str:
    save_random_scrfd(tmp_path, channels=(4, 4, 4, 4, 4), repeats=(0, 0, 0, 0, 0), head=4)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("built_for", "device_there", "taken"),
    [(BOTH, True, BOTH), (BOTH, False, BOTH[1:]), (BOTH[1:], True, BOTH[1:])],
)
def test_auto_takes_cuda_where_there_is_a_device_and_a_runtime_for_it(
    built_for: tuple[str, ...], device_there: bool, taken: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: list(built_for))
    monkeypatch.setattr("torch.cuda.is_available", lambda: device_there)

    assert providers_for("auto") == taken
    assert providers_for("cpu") == BOTH[1:]
    assert providers_for("cuda") == BOTH


def test_a_runtime_that_falls_back_to_the_cpu_is_an_error(pack: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: list(BOTH))

    with pytest.raises(
        EngineUnavailable, match="with CUDAExecutionProvider, but ONNX Runtime took CPUExecutionProvider"
    ):
        FaceDetectorResource(engine="insightface", model=pack, device="cuda").get()


def test_a_runtime_without_cuda_is_named_with_what_to_do(pack: str):
    with pytest.raises(EngineUnavailable, match="install onnxruntime-gpu, or set CLIP_PLATFORM_DEVICE to auto or cpu"):
        FaceDetectorResource(engine="insightface", model=pack, device="cuda").get()


def test_without_a_gpu_the_cpu_looks_for_faces(pack: str):
    assert FaceDetectorResource(engine="insightface", model=pack).get().name.startswith("insightface")
