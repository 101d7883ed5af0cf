"""Which engines analyse and score: chosen by configuration alone, built when first used.

`key()` says what a result depends on, without loading an engine; it is part of every checkpoint's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.errors import InvalidSetting

if TYPE_CHECKING:
    from clip_platform.scoring.scorer import Scorer
    from clip_platform.speech.transcript import SpeechRecognizer
    from clip_platform.vision.tracks import FaceDetector


class ScorerResource(dg.ConfigurableResource):  # type: ignore[misc]
    """The heuristic, until a trained champion serves."""

    def key(self) -> Mapping[str, object]:
        from clip_platform.scoring.features import feature_digest

        return {"model": self.get().model, "features": feature_digest()}

    def get(self) -> Scorer:
        from clip_platform.scoring.heuristic import HeuristicScorer

        return HeuristicScorer()


class FaceDetectorResource(dg.ConfigurableResource):  # type: ignore[misc]
    """`engine`: haar (ships with OpenCV), yunet or insightface (each needs `model`: a file, a folder)."""

    engine: str = "haar"
    model: str | None = None

    def key(self) -> Mapping[str, object]:
        return {"engine": self.engine, "model": self.model}

    def get(self) -> FaceDetector:
        return _face_detector(self.engine, self.model)


@cache
def _face_detector(engine: str, model: str | None) -> FaceDetector:
    if engine == "haar":
        from clip_platform.vision.backends.opencv import HaarDetector

        return HaarDetector()
    if model is None:
        raise InvalidSetting(f"face engine {engine} needs a model; set CLIP_PLATFORM_FACE_MODEL to its file or folder")
    if engine == "yunet":
        from clip_platform.vision.backends.opencv import YuNetDetector

        return YuNetDetector(Path(model))
    if engine == "insightface":
        from clip_platform.vision.backends.insightface import InsightFaceDetector

        return InsightFaceDetector(Path(model))
    raise InvalidSetting(f"face engine {engine!r} is unknown; choose haar, yunet or insightface")
