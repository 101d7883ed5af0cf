"""Words by NVIDIA NeMo: CTC, RNNT, TDT and hybrid models, from a `.nemo` file or by a name on the Hugging Face hub.

Needs the extra `nemo`. Where a model comes from is in `nemo_models`, what is asked of it in `nemo_network`, how tokens
become words in `nemo_words`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from clip_platform.errors import InvalidSetting
from clip_platform.speech.backends import nemo_models
from clip_platform.speech.backends.nemo_models import Device, cuda_is_there, is_hub_name
from clip_platform.speech.backends.nemo_network import Network, Precision, load_network
from clip_platform.speech.backends.nemo_words import words_of
from clip_platform.speech.sound import samples_span
from clip_platform.speech.transcript import EngineIdentity, Word

if TYPE_CHECKING:
    import numpy as np

_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 16
"""Chunks of up to 20 s. On a CPU one keeps all cores busy, and the next report of progress is near."""
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

    wants_one_voice = False
    margin_s = Fraction(0)
    batches_at_once = 1

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
        self._network: Network | None = None
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
            raise nemo_models.unavailable(
                self._name, 'NeMo is not installed (pip install "clip-platform[nemo]")'
            ) from error
        name = self._name if is_hub_name(self._name) else Path(self._name).name
        return EngineIdentity(name="nemo", version=installed, model=name)

    @property
    def batch_size(self) -> int:
        return self._batch_size or (_BATCH_ON_GPU if self._device == "cuda" else _BATCH_ON_CPU)

    @property
    def stride_s(self) -> Fraction:
        """Between two steps of the model, 80 ms for Parakeet. Loads the model. Raises: as `recognize`."""
        with self._lock:
            return self._ready().stride_s

    def recognize(self, chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        """As `SpeechRecognizer.recognize`; times are multiples of `stride_s`, confidences the probability of a word's
        least likely token.

        Raises:
            EngineUnavailable: NeMo, its device or its model is not there, or the model is of another kind.
        """
        if not chunks:
            return []
        with self._lock:
            network = self._ready()
            emitted = network.tokens(chunks)
            return [
                words_of(tokens, network.model.decoding, network.stride_s, samples_span(0, len(chunk)))
                for tokens, chunk in zip(emitted, chunks, strict=True)
            ]

    def close(self) -> None:
        """Lets go of the model; the next `recognize` loads it again."""
        with self._lock:
            self._network = None

    @property
    def _device(self) -> str:
        if self._asked_device != "auto":
            return self._asked_device
        return "cuda" if cuda_is_there() else "cpu"

    def _ready(self) -> Network:
        if self._network is None:
            reason = nemo_models.why_unavailable(self._name, device=self._asked_device, may_fetch=self._may_fetch)
            if reason is not None:
                raise nemo_models.unavailable(self._name, reason)
            path = nemo_models.model_file(self._name) or nemo_models.fetched(self._name)
            self._network = load_network(self._name, path, self._device, self._precision)
        return self._network


def _check(setting: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidSetting(f"NeMo's {setting} is {value!r}; choose one of {', '.join(allowed)}")
