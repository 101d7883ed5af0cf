"""Words by NVIDIA NeMo: CTC, RNNT, TDT and hybrid models, from a `.nemo` file or by a name on the Hugging Face hub.

Needs the extra `nemo`. Whether NeMo *can* be used is answered without importing it, which takes 7 to 20 s.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import tarfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clip_platform.errors import EngineUnavailable
from clip_platform.speech.sound import SAMPLE_RATE_HZ, samples_span
from clip_platform.speech.transcript import EngineIdentity, Word
from clip_platform.timeline import Span, seconds

if TYPE_CHECKING:
    import numpy as np

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_TIMEOUT_S = 10
_BATCH_ON_CPU, _BATCH_ON_GPU = 2, 16
# NeMo pads shorter sounds itself, on both sides, and its times are then those of the padded sound.
_SHORTEST_SOUND = SAMPLE_RATE_HZ

_EUROPEAN_MODELS = ("parakeet-tdt-0.6b-v3", "canary-1b-v2")
_EUROPEAN_LANGUAGES = (
    *("bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it"),
    *("lt", "lv", "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk"),
)
"""What these models' cards list; they tell by themselves which one is spoken."""


def why_unavailable(model: str, *, device: Device = "auto", may_fetch: bool = True) -> str | None:
    """Why a `NemoRecognizer` of this model would not work, as half a sentence for people; None when nothing is known to
    be in the way.

    Looks at installed packages, at the disk and, if `may_fetch`, asks the hub whether it has the model; imports neither
    NeMo nor (unless `device` is "cuda") torch.
    """
    if importlib.util.find_spec("nemo") is None:
        return 'NeMo is not installed (pip install "clip-platform[nemo]")'
    if device == "cuda" and not _cuda_is_there():
        return "CUDA was asked for, and torch finds no CUDA device"
    if model_file(model) is not None:
        return None
    if not _is_hub_name(model):
        return f"there is no model file at {model}"
    if not may_fetch:
        return f"the model {model} is not on this machine, and fetching it is switched off"
    return _why_not_fetchable(model)


def model_file(model: str) -> Path | None:
    """The `.nemo` file of a path or of a hub name that was fetched before; None when it is not on this machine."""
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if not _is_hub_name(model):
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, _file_name(model))
    return Path(cached) if isinstance(cached, str) else None


class NemoRecognizer:
    """A `SpeechRecognizer`. Loads its model on first use; calls from several threads wait for each other.

    Args:
        model: path of a `.nemo` file, or `publisher/name` on the Hugging Face hub, which is fetched at most once.
        device: "auto" takes CUDA where there is one.
        precision: "auto" is bfloat16 on CUDA and float32 on a CPU.
        language: what the model was trained for; NeMo's models do not say.
        may_fetch: whether a named model may be fetched; otherwise it must be in the hub's cache folder.
    """

    def __init__(
        self,
        model: str,
        device: Device = "auto",
        precision: Precision = "auto",
        language: str = "en",
        may_fetch: bool = True,
    ) -> None:
        self._name = model
        self._asked_device = device
        self._precision = precision
        self._may_fetch = may_fetch
        self._lock = threading.Lock()
        self._model: Any = None
        self.language = language
        self.preferred_chunk_s = Fraction(20)

    @property
    def languages(self) -> tuple[str, ...]:
        european = any(name in self._name for name in _EUROPEAN_MODELS)
        return tuple(dict.fromkeys((self.language, *_EUROPEAN_LANGUAGES))) if european else (self.language,)

    @property
    def identity(self) -> EngineIdentity:
        """Raises: EngineUnavailable when NeMo is not installed."""
        try:
            installed = version("nemo_toolkit")
        except PackageNotFoundError as error:
            raise self._unavailable('NeMo is not installed (pip install "clip-platform[nemo]")') from error
        name = self._name if _is_hub_name(self._name) else Path(self._name).name
        return EngineIdentity(name="nemo", version=installed, model=name)

    @property
    def batch_size(self) -> int:
        return _BATCH_ON_GPU if self._device == "cuda" else _BATCH_ON_CPU

    def recognize(self, chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        """As `SpeechRecognizer.recognize`; times are multiples of the model's step, 80 ms for Parakeet.

        Raises:
            EngineUnavailable: NeMo, its device or its model is not there, or the model gives no word times.
        """
        if not chunks:
            return []
        with self._lock:
            if self._model is None:
                self._model = self._loaded()
            hypotheses = self._transcribed([_long_enough(chunk) for chunk in chunks])
        return [
            _words(self._word_times(hypothesis), samples_span(0, len(chunk)))
            for hypothesis, chunk in zip(hypotheses, chunks, strict=True)
        ]

    def close(self) -> None:
        """Lets go of the model; the next `recognize` loads it again."""
        with self._lock:
            self._model = None

    @property
    def _device(self) -> str:
        if self._asked_device != "auto":
            return self._asked_device
        return "cuda" if _cuda_is_there() else "cpu"

    def _loaded(self) -> Any:
        if reason := why_unavailable(self._name, device=self._asked_device, may_fetch=self._may_fetch):
            raise self._unavailable(reason)
        path = model_file(self._name) or self._fetched()
        if not tarfile.is_tarfile(path):
            raise self._unavailable(f"{path} is not a .nemo archive; fetch it again")
        logging.getLogger("nv_one_logger").setLevel(logging.CRITICAL)  # says at import that it sends nothing
        from nemo.collections.asr.models import ASRModel

        # its own setLevel would change handlers too, which may be others'
        logging.getLogger("nemo_logger").setLevel(logging.ERROR)
        model = ASRModel.restore_from(str(path), map_location=self._device)
        model.eval()
        return model

    def _fetched(self) -> Path:
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(self._name, _file_name(self._name), etag_timeout=_HUB_TIMEOUT_S))
        except OSError as error:
            raise self._unavailable(f"fetching it failed with {type(error).__name__}", detail=str(error)) from error

    def _transcribed(self, sounds: list[np.ndarray]) -> list[Any]:
        import torch

        reduced = self._precision == "bfloat16" or (self._precision == "auto" and self._device == "cuda")
        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=reduced):
            hypotheses: list[Any] = self._model.transcribe(
                sounds, batch_size=len(sounds), timestamps=True, num_workers=0, verbose=False
            )
        return hypotheses

    def _word_times(self, hypothesis: Any) -> Iterable[Mapping[str, Any]]:
        times = getattr(hypothesis, "timestamp", None)
        if not isinstance(times, Mapping) or "word" not in times:
            raise self._unavailable("the model gives no word times; choose a CTC, RNNT, TDT or hybrid model")
        found: Iterable[Mapping[str, Any]] = times["word"]
        return found

    def _unavailable(self, reason: str, detail: str = "") -> EngineUnavailable:
        return EngineUnavailable(
            f"the speech model '{self._name}' cannot be used: {reason}. On a machine without network, copy the model's "
            ".nemo file there and set CLIP_PLATFORM_NEMO_MODEL to its path; or set "
            "CLIP_PLATFORM_SPEECH_ENGINE=pocketsphinx",
            detail=detail,
        )


def _is_hub_name(model: str) -> bool:
    return _HUB_NAME.fullmatch(model) is not None and not model.endswith(".nemo")


def _file_name(model: str) -> str:
    """The archive inside a hub repository; NeMo's own rule."""
    return f"{model.partition('/')[2]}.nemo"


def _why_not_fetchable(model: str) -> str | None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        # Not `hf_hub_download(dry_run=True)`: without network that retries for 24 s.
        get_hf_file_metadata(hf_hub_url(model, _file_name(model)), timeout=_HUB_TIMEOUT_S)
    except (OSError, HTTPError) as error:
        return f"the model {model} is not on this machine and cannot be fetched ({type(error).__name__})"
    return None


def _cuda_is_there() -> bool:
    import torch

    return torch.cuda.is_available()


def _long_enough(chunk: np.ndarray) -> np.ndarray:
    import numpy as np

    sound = np.nan_to_num(np.asarray(chunk, np.float32))
    return np.pad(sound, (0, max(0, _SHORTEST_SOUND - len(sound))))


def _words(times: Iterable[Mapping[str, Any]], chunk: Span) -> tuple[Word, ...]:
    """NeMo gives one empty word for silence, and may place a word beyond the end of the sound."""
    found = []
    for entry in times:
        start, end = seconds(float(entry["start"])), seconds(float(entry["end"]))
        if entry["word"].strip() and start < chunk.end:
            span = Span(max(start, chunk.start), min(max(end, start), chunk.end))
            found.append(Word(entry["word"].strip(), span))
    return tuple(found)
