"""Which engines analyse and write: chosen by configuration alone, built when first used.

`key()` says what a result depends on, without loading an engine; it is part of every checkpoint's key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg

from clip_platform.errors import InvalidSetting
from clip_platform.timeline import total_s

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    import numpy as np

    from clip_platform.selection.embeddings import SentenceEmbedder
    from clip_platform.selection.writing import ClipWriter
    from clip_platform.speakers.voices import VoiceEmbedder
    from clip_platform.speech.transcript import SpeechRecognizer
    from clip_platform.speech.transcription import VoiceActivity
    from clip_platform.vision.tracks import FaceDetector


@dataclass(frozen=True, slots=True)
class Listener:
    """What it takes to transcribe: an engine for words, and one that knows when somebody speaks."""

    recognizer: SpeechRecognizer
    find_speech: VoiceActivity


class SpeechRecognizerResource(dg.ConfigurableResource):
    """`engine`: nemo, pocketsphinx, or auto: NeMo when it is installed and its model is there or can be fetched,
    otherwise the embedded engine, which says loudly that it is rough and why it was taken. `speaker_model`: a NeMo
    model that tells voices apart, by name or path; without one faces alone tell speakers apart."""

    engine: Literal["auto", "nemo", "pocketsphinx"] = "auto"
    model: str = "nvidia/parakeet-tdt-0.6b-v3"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    batch: int | None = None
    speaker_model: str | None = None

    def key(self) -> Mapping[str, object]:
        """Raises: EngineUnavailable when NeMo is asked for and cannot be used."""
        if self._instead() is None:
            return {"engine": "nemo", "model": self.model, "precision": self.precision}
        return {"engine": "pocketsphinx"}

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """The engine and its voice activity; what they hold is freed afterwards."""
        from clip_platform.speech.backends.silero import SileroVoiceActivity

        instead = self._instead()
        if instead is None:
            from clip_platform.speech.backends.nemo import NemoRecognizer

            with closing(NemoRecognizer(self.model, self.device, self.precision, batch_size=self.batch)) as words:
                yield Listener(words, SileroVoiceActivity())
            return
        from clip_platform.speech.backends.pocketsphinx import PocketsphinxRecognizer

        with PocketsphinxRecognizer(instead_of=instead or None) as recognizer:
            yield Listener(recognizer, SileroVoiceActivity())

    def voices_key(self) -> Mapping[str, object]:
        """Empty without a speaker model."""
        return {} if self.speaker_model is None else {"speaker_model": self.speaker_model}

    def voices(self) -> VoiceEmbedder | None:
        """What tells voices apart; None without a speaker model."""
        return None if self.speaker_model is None else _voice_embedder(self.speaker_model, self.device)

    def speech_s(self, samples: np.ndarray) -> float:
        """How long somebody speaks in these samples, mono at 16 kHz: a `media.choice.SpeechSeconds`."""
        from clip_platform.progress import silent
        from clip_platform.speech.sound import HeldSound

        return float(total_s(_voice_activity()(HeldSound(samples), silent)))

    def _instead(self) -> str | None:
        """Why not NeMo; empty when it was not asked for, None when NeMo it is."""
        if self.engine == "pocketsphinx":
            return ""
        why = _why_not_nemo(self.model, self.device)
        if why is not None and self.engine == "nemo":
            from clip_platform.speech.backends.nemo_models import unavailable

            raise unavailable(self.model, why)
        return why


def _voice_embedder(model: str, device: Literal["auto", "cpu", "cuda"]) -> VoiceEmbedder:
    from clip_platform.speakers.backends.nemo_voices import NemoVoiceEmbedder

    return NemoVoiceEmbedder(model, device)


@cache
def _voice_activity() -> VoiceActivity:
    from clip_platform.speech.backends.silero import SileroVoiceActivity

    return SileroVoiceActivity()


@cache
def _why_not_nemo(model: str, device: Literal["auto", "cpu", "cuda"]) -> str | None:
    """Asked once a process: the answer may involve the network."""
    from clip_platform.speech.backends.nemo_models import why_unavailable

    return why_unavailable(model, device=device)


class SentenceEmbedderResource(dg.ConfigurableResource):
    """`model`: a sentence-transformers model by name or path; without one, selection goes by words alone."""

    model: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def key(self) -> Mapping[str, object]:
        """Empty without a model, so that checkpoints older than embeddings are found."""
        if self.model is None:
            return {}
        from clip_platform.selection.backends.sentence_transformer import engine_version

        return {"sentence_model": self.model, "sentence_engine": engine_version()}

    def get(self) -> SentenceEmbedder | None:
        return None if self.model is None else _sentence_embedder(self.model, self.device)


@cache
def _sentence_embedder(model: str, device: str) -> SentenceEmbedder:
    from clip_platform.selection.backends.sentence_transformer import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(model, None if device == "auto" else device)


class ClipWriterResource(dg.ConfigurableResource):
    """Takes titles, hashtags and summaries from what is said. A language model is another resource of this name with
    these two methods, given to `build_definitions`."""

    def key(self) -> Mapping[str, object]:
        return {"writer": self.get().name}

    def get(self) -> ClipWriter:
        from clip_platform.selection.writing import ExtractiveWriter

        return ExtractiveWriter()


class FaceDetectorResource(dg.ConfigurableResource):
    """`engine`: haar (ships with OpenCV), yunet or insightface (each needs `model`: a file, a folder), of which only
    the last one computes on a GPU. InsightFace's own model packs may be used for non-commercial research only, of which
    the log warns."""

    engine: Literal["haar", "yunet", "insightface"] = "haar"
    model: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def key(self) -> Mapping[str, object]:
        return {"engine": self.engine, "model": self.model}

    def get(self) -> FaceDetector:
        return _face_detector(self.engine, self.model, self.device)


@cache
def _face_detector(engine: str, model: str | None, device: Literal["auto", "cpu", "cuda"]) -> FaceDetector:
    if engine == "haar":
        from clip_platform.vision.backends.opencv import HaarDetector

        return HaarDetector()
    if model is None:
        raise InvalidSetting(f"face engine {engine} needs a model; set CLIP_PLATFORM_FACE_MODEL to its file or folder")
    if engine == "yunet":
        from clip_platform.vision.backends.opencv import YuNetDetector

        return YuNetDetector(Path(model))
    if engine == "insightface":
        from clip_platform.vision.backends.insightface import LICENCE, InsightFaceDetector, providers_for

        logger.warning("face engine insightface with the models in %s: %s", model, LICENCE)
        return InsightFaceDetector(Path(model), providers=providers_for(device))
    raise InvalidSetting(f"face engine {engine!r} is unknown; choose haar, yunet or insightface")
