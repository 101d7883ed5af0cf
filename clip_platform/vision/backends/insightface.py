"""SCRFD face detection (Guo et al., ICLR 2022) and ArcFace embeddings (CVPR 2019) through InsightFace, models on disk.

InsightFace's code is MIT; its pretrained packs (buffalo, antelope) are for non-commercial research only. Nothing is
ever downloaded: the operator names a folder of models and answers for their licence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clip_platform.errors import EngineUnavailable
from clip_platform.vision import pictures
from clip_platform.vision.backends.opencv import inside_picture
from clip_platform.vision.tracks import Box, DetectedFace, Points

if TYPE_CHECKING:
    import numpy as np

LICENCE = (
    "InsightFace's code is MIT, but its pretrained packs (buffalo, antelope) are licensed for non-commercial research "
    "only; for commercial use name models that you are licensed to use, or choose the yunet or haar engine"
)
_REMEDY = (
    "name a folder with a detection model (det_10g.onnx, say; InsightFace's own packs are for non-commercial use), "
    "or choose the haar or yunet detector"
)
SMALLEST_PICTURE_PX = 8
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class InsightFaceDetector:
    """Finds faces, and identifies them where the folder also holds a recognition model.

    Args:
        pack: folder of ONNX models, one of them a detector.
        least_confidence: faces below are not reported, 0..1.
        input_px: side of the square the picture is fitted into for the network, a multiple of 32.
        providers: ONNX Runtime's, the preferred first; `CUDAExecutionProvider` needs onnxruntime-gpu.

    Raises:
        EngineUnavailable: the package, the folder, a detection model or a provider is missing, or a model is
            unreadable.
    """

    needs_colour = True

    def __init__(
        self,
        pack: Path,
        *,
        least_confidence: float = 0.5,
        input_px: int = 640,
        providers: Sequence[str] = (_CPU,),
    ) -> None:
        _check_folder(pack)
        self._pack = pack
        self._analysis = _load(pack, providers)
        _check_providers(self._analysis, providers)
        on_gpu = any(provider != _CPU for provider in providers)
        self._analysis.prepare(ctx_id=0 if on_gpu else -1, det_thresh=least_confidence, det_size=(input_px, input_px))

    @property
    def name(self) -> str:
        from importlib.metadata import version

        return f"insightface {version('insightface')} {self._pack.name}"

    def detect(self, picture: np.ndarray) -> list[DetectedFace]:
        height, width = picture.shape[:2]
        if min(height, width) < SMALLEST_PICTURE_PX:
            return []
        found = []
        for face in self._analysis.get(pictures.colour(picture)):
            left, top, right, bottom = (float(value) for value in face.bbox)
            inside = inside_picture(Box(left, top, right - left, bottom - top), width, height)
            if inside is not None:
                confidence = min(max(float(face.det_score), 0.0), 1.0)
                found.append(DetectedFace(inside, confidence, _embedding(face), _landmarks(face)))
        return found


def providers_for(device: Literal["auto", "cpu", "cuda"]) -> tuple[str, ...]:
    """ONNX Runtime's providers for a device; "auto" takes CUDA where there is one that it was built for."""
    if device == "cuda" or (device == "auto" and _cuda_is_there()):
        return (_CUDA, _CPU)
    return (_CPU,)


def _cuda_is_there() -> bool:
    import onnxruntime

    if _CUDA not in onnxruntime.get_available_providers():
        return False
    import torch

    return torch.cuda.is_available()


def _check_providers(analysis: Any, wanted: Sequence[str]) -> None:
    """ONNX Runtime falls back to the CPU in silence when CUDA's libraries do not load."""
    for model in analysis.models.values():
        taken = model.session.get_providers()[0]
        if taken != wanted[0]:
            raise EngineUnavailable(
                f"face detection was to run with {wanted[0]}, but ONNX Runtime took {taken}: its CUDA and cuDNN "
                "versions must be those that are installed; or set CLIP_PLATFORM_DEVICE=cpu"
            )


def _check_folder(pack: Path) -> None:
    if not pack.is_dir():
        raise EngineUnavailable(f"the InsightFace pack {pack} is not a folder; {_REMEDY}")
    if not any(pack.glob("*.onnx")):
        raise EngineUnavailable(f"the InsightFace pack {pack} holds no .onnx file; {_REMEDY}")


def _load(pack: Path, providers: Sequence[str]) -> Any:
    try:
        import onnxruntime
        from insightface.app import FaceAnalysis
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError as error:
        raise EngineUnavailable(
            "the insightface engine is configured but not installed; pip install 'clip-platform[insightface]'",
            detail=str(error),
        ) from error
    missing = sorted(set(providers) - set(onnxruntime.get_available_providers()))
    if missing:
        raise EngineUnavailable(
            f"ONNX Runtime {onnxruntime.__version__} has no {', '.join(missing)}; "
            "install onnxruntime-gpu, or set CLIP_PLATFORM_DEVICE to auto or cpu"
        )
    if _CUDA in providers:
        onnxruntime.preload_dlls()  # finds the CUDA and cuDNN that pip installed, whether torch was imported or not
    # Given as a path that exists, so that its name is never looked up in the download catalogue.
    wanted = ["detection", "recognition"]
    try:
        return FaceAnalysis(name=str(pack.resolve()), allowed_modules=wanted, providers=list(providers))
    except AssertionError as error:
        raise EngineUnavailable(f"the InsightFace pack {pack} holds no detection model; {_REMEDY}") from error
    except (failures.Fail, failures.InvalidArgument, failures.InvalidGraph, failures.InvalidProtobuf) as error:
        raise EngineUnavailable(
            f"a model in the InsightFace pack {pack} cannot be read; download it again", detail=str(error)
        ) from error


def _embedding(face: Any) -> tuple[float, ...] | None:
    vector = face.get("embedding")
    return None if vector is None else tuple(float(value) for value in face.normed_embedding)


def _landmarks(face: Any) -> Points | None:
    """InsightFace lists eyes, nose and corners of the mouth, the picture's left ones first."""
    points = face.get("kps")
    return None if points is None else tuple((float(x), float(y)) for x, y in points)
