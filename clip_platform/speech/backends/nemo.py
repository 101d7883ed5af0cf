"""Words by NVIDIA NeMo: CTC, RNNT, TDT and hybrid models, from a `.nemo` file or by a name on the Hugging Face hub.

Needs the extra `nemo`. Where a model comes from is in `nemo_models`, how tokens become words in `nemo_words`.
"""

from __future__ import annotations

import logging
import tarfile
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from clip_platform.errors import EngineUnavailable, InvalidSetting
from clip_platform.speech.backends import nemo_models
from clip_platform.speech.backends.nemo_models import Device, cuda_is_there, is_hub_name
from clip_platform.speech.backends.nemo_words import ctc_tokens, transducer_tokens, words_of
from clip_platform.speech.sound import SAMPLE_RATE_HZ, samples_span
from clip_platform.speech.transcript import EngineIdentity, Word

if TYPE_CHECKING:
    import numpy as np

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 16
"""Chunks of up to 20 s. On a CPU one keeps all cores busy, and the next report of progress is near."""
# NeMo pads shorter sounds itself, on both sides, and its times are then those of the padded sound.
_SHORTEST_SOUND = SAMPLE_RATE_HZ

_CONFIDENCE = {
    "preserve_frame_confidence": True,
    "preserve_token_confidence": True,
    "exclude_blank": True,
    "method_cfg": {"name": "max_prob", "alpha": 1.0},
}
"""NeMo's settings for: the probability of each token, 0 where it is no likelier than any other and 1 when certain."""

_EUROPEAN_MODEL = "parakeet-tdt-0.6b-v3"
_EUROPEAN_LANGUAGES = (
    *("bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it"),
    *("lt", "lv", "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk"),
)
"""What this model's card lists; it tells by itself which one is spoken."""


class NemoRecognizer:
    """A `SpeechRecognizer`. Loads its model on first use; calls from several threads wait for each other.

    Args:
        model: path of a `.nemo` file, or `publisher/name` on the Hugging Face hub, which is fetched at most once.
        device: "auto" takes CUDA where there is one.
        precision: of the network's arithmetic; "auto" is bf16 on CUDA and fp32 on a CPU. fp16 needs CUDA.
        language: what the model was trained for; NeMo's models do not say.
        may_fetch: whether a named model may be fetched; otherwise it must be in the hub's cache folder.
        batch_size: how many chunks the network hears at once; by default what suits the device.

    Raises:
        InvalidSetting: there is no such device or precision.
    """

    def __init__(
        self,
        model: str,
        device: Device = "auto",
        precision: Precision = "auto",
        language: str = "en",
        may_fetch: bool = True,
        batch_size: int | None = None,
    ) -> None:
        _check("device", device, get_args(Device))
        _check("precision", precision, get_args(Precision))
        self._name = model
        self._asked_device = device
        self._precision = precision
        self._may_fetch = may_fetch
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._model: Any = None
        self.language = language
        self.preferred_chunk_s = Fraction(20)

    @property
    def languages(self) -> tuple[str, ...]:
        others = _EUROPEAN_LANGUAGES if _EUROPEAN_MODEL in self._name else ()
        return tuple(dict.fromkeys((self.language, *others)))

    @property
    def identity(self) -> EngineIdentity:
        """Raises: EngineUnavailable when NeMo is not installed."""
        try:
            installed = version("nemo_toolkit")
        except PackageNotFoundError as error:
            raise self._unavailable('NeMo is not installed (pip install "clip-platform[nemo]")') from error
        name = self._name if is_hub_name(self._name) else Path(self._name).name
        return EngineIdentity(name="nemo", version=installed, model=name)

    @property
    def batch_size(self) -> int:
        return self._batch_size or (_BATCH_ON_GPU if self._device == "cuda" else _BATCH_ON_CPU)

    @property
    def stride_s(self) -> Fraction:
        """Between two steps of the model, 80 ms for Parakeet: from one spectrum to the next, times those that the
        encoder makes one of. Loads the model. Raises: as `recognize`."""
        with self._lock:
            return _stride_s(self._ready())

    def recognize(self, chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        """As `SpeechRecognizer.recognize`; times are multiples of `stride_s`, confidences the probability of a word's
        least likely token.

        Raises:
            EngineUnavailable: NeMo, its device or its model is not there, or the model is of another kind.
        """
        if not chunks:
            return []
        with self._lock:
            model = self._ready()
            hypotheses = self._transcribed(model, [_long_enough(chunk) for chunk in chunks])
            stride_s = _stride_s(model)
            return [
                words_of(_tokens(model, hypothesis), model.decoding, stride_s, samples_span(0, len(chunk)))
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
        return "cuda" if cuda_is_there() else "cpu"

    def _ready(self) -> Any:
        if self._model is None:
            self._model = self._loaded()
        return self._model

    def _loaded(self) -> Any:
        if self._precision == "fp16" and self._device != "cuda":
            raise self._unusable("precision fp16 needs a CUDA device; choose auto, fp32 or bf16")
        if reason := nemo_models.why_unavailable(self._name, device=self._asked_device, may_fetch=self._may_fetch):
            raise self._unavailable(reason)
        path = nemo_models.model_file(self._name) or nemo_models.fetched(self._name)
        model = self._restored(path)
        if not _is_transducer(model) and not _is_ctc(model):
            raise self._unusable(
                f"a {type(model).__name__} gives no word times; choose a CTC, RNNT, TDT or hybrid model"
            )
        if _is_transducer(model) and not _lstm_runs_in(self._device, self._number()):
            raise self._unusable(
                f"this {self._device} cannot run its LSTM in precision {self._precision}; choose auto or fp32"
            )
        _decode_with_confidence(model)
        model.eval()
        return model

    def _restored(self, path: Path) -> Any:
        if not tarfile.is_tarfile(path):
            raise self._unavailable(f"{path} is not a .nemo archive; fetch it again")
        logging.getLogger("nv_one_logger").setLevel(logging.CRITICAL)  # says at import that it sends nothing
        from nemo.collections.asr.models import ASRModel

        # its own setLevel would change handlers too, which may be others'
        logging.getLogger("nemo_logger").setLevel(logging.ERROR)
        try:
            return ASRModel.restore_from(str(path), map_location=self._device)
        except Exception as error:  # half an archive, another kind of archive, weights of another version, no memory
            raise self._unavailable(
                f"loading {path} failed with {type(error).__name__}; fetch it again, unless memory is short",
                detail=str(error),
            ) from error

    def _transcribed(self, model: Any, sounds: list[np.ndarray]) -> list[Any]:
        import torch

        try:
            with torch.inference_mode(), _arithmetic(self._device, self._number()):
                hypotheses: list[Any] = model.transcribe(
                    sounds, batch_size=len(sounds), return_hypotheses=True, num_workers=0, verbose=False
                )
        except torch.OutOfMemoryError as error:
            raise self._unusable(
                f"{len(sounds)} chunks at once are more than the device's memory holds; set CLIP_PLATFORM_NEMO_BATCH "
                "to fewer"
            ) from error
        return hypotheses

    def _number(self) -> Any:
        """The torch type that the chosen precision computes in."""
        import torch

        automatic = "bf16" if self._device == "cuda" else "fp32"
        chosen = automatic if self._precision == "auto" else self._precision
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[chosen]

    def _unusable(self, reason_and_remedy: str) -> EngineUnavailable:
        return EngineUnavailable(f"the speech model '{self._name}' cannot be used: {reason_and_remedy}")

    def _unavailable(self, reason: str, detail: str = "") -> EngineUnavailable:
        return nemo_models.unavailable(self._name, reason, detail)


def _check(setting: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidSetting(f"NeMo's {setting} is {value!r}; choose one of {', '.join(allowed)}")


def _arithmetic(device: str, number: Any) -> AbstractContextManager[None]:
    """Where the network computes in `number` what can be; its weights stay as they are."""
    import torch

    return torch.autocast(device, number, enabled=number is not torch.float32)


def _lstm_runs_in(device: str, number: Any) -> bool:
    """Some CPUs have no such instructions, and torch no other way."""
    import torch

    try:
        with torch.inference_mode(), _arithmetic(device, number):
            torch.nn.LSTM(2, 2, device=device)(torch.zeros(1, 1, 2, device=device))
    except RuntimeError:
        return False
    return True


def _is_transducer(model: Any) -> bool:
    """RNNT, TDT and hybrid models, of which the transducer is the better half."""
    from nemo.collections.asr.models import EncDecRNNTModel

    return isinstance(model, EncDecRNNTModel)


def _is_ctc(model: Any) -> bool:
    from nemo.collections.asr.models import EncDecCTCModel

    return isinstance(model, EncDecCTCModel)


def _decode_with_confidence(model: Any) -> None:
    """Greedy decoding that keeps when and how surely each token was emitted."""
    from omegaconf import OmegaConf

    kept: dict[str, Any] = {"strategy": "greedy_batch"}
    if _is_transducer(model):  # CTC hands over all its probabilities anyway
        kept |= {"compute_timestamps": True, "rnnt_timestamp_type": "char", "confidence_cfg": _CONFIDENCE}
    OmegaConf.set_struct(model.cfg.decoding, False)
    model.change_decoding_strategy(OmegaConf.merge(model.cfg.decoding, kept), verbose=False)


def _tokens(model: Any, hypothesis: Any) -> Any:
    if _is_transducer(model):
        return transducer_tokens(hypothesis, model.decoding.blank_id)
    return ctc_tokens(hypothesis.y_sequence, model.decoding.blank_id)


def _stride_s(model: Any) -> Fraction:
    return Fraction(str(model.cfg.preprocessor.window_stride)) * model.encoder.subsampling_factor


def _long_enough(chunk: np.ndarray) -> np.ndarray:
    import numpy as np

    sound = np.nan_to_num(np.asarray(chunk, np.float32))
    return np.pad(sound, (0, max(0, _SHORTEST_SOUND - len(sound))))
