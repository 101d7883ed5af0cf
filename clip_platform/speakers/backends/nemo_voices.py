"""Vectors of voices by a NeMo speaker model (`EncDecSpeakerLabelModel`: TitaNet, ECAPA, SpeakerNet), from a `.nemo`
file or by a name on the Hugging Face hub. Needs the extra `nemo`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clip_platform.errors import EngineUnavailable
from clip_platform.speech.backends.nemo_archive import restored
from clip_platform.speech.backends.nemo_models import (
    Device,
    cuda_is_there,
    fetched,
    is_hub_name,
    model_file,
    why_unavailable,
)
from clip_platform.speech.sound import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np

_KNOWN_MODEL = "nvidia/speakerverification_en_titanet_large"


class NemoVoiceEmbedder:
    """A `VoiceEmbedder`. Loads its model on first use; calls from several threads wait for each other.

    Args:
        model: path of a `.nemo` file, or `publisher/name` on the Hugging Face hub, which is fetched at most once.
        device: "auto" takes CUDA where there is one.
        may_fetch: whether a named model may be fetched; otherwise it must be in the hub's cache folder.
    """

    def __init__(self, model: str, device: Device = "auto", *, may_fetch: bool = True) -> None:
        self._name = model
        self._asked_device = device
        self._may_fetch = may_fetch
        self._lock = threading.Lock()
        self._model: Any = None

    def embed(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """As `VoiceEmbedder.embed`.

        Raises:
            EngineUnavailable: NeMo, its device or its model is not there, or the model is of another kind.
        """
        import numpy as np
        import torch

        with self._lock, torch.inference_mode():
            model = self._ready()
            signal = torch.from_numpy(np.stack(sounds).astype(np.float32)).to(model.device)
            lengths = torch.full((len(sounds),), signal.shape[1], device=model.device)
            _, vectors = model(input_signal=signal, input_signal_length=lengths)
            return np.asarray(vectors.float().cpu().numpy())

    def _ready(self) -> Any:
        if self._model is None:
            reason = why_unavailable(self._name, device=self._asked_device, may_fetch=self._may_fetch)
            if reason is not None:
                raise _unavailable(self._name, reason)
            self._model = self._restored()
        return self._model

    def _restored(self) -> Any:
        try:
            path = model_file(self._name) or fetched(self._name)
        except EngineUnavailable as error:
            raise _unavailable(self._name, "it could not be fetched", detail=str(error)) from error
        model = restored(self._name, path, self._device, _unavailable)
        from nemo.collections.asr.models import EncDecSpeakerLabelModel

        if not isinstance(model, EncDecSpeakerLabelModel):
            raise _unavailable(self._name, f"a {type(model).__name__} tells no voices apart; choose a speaker model")
        if model.cfg.preprocessor.sample_rate != SAMPLE_RATE_HZ:
            rate = model.cfg.preprocessor.sample_rate
            raise _unavailable(self._name, f"it hears {rate} samples a second; choose one for {SAMPLE_RATE_HZ}")
        return model.eval()

    @property
    def _device(self) -> str:
        if self._asked_device != "auto":
            return self._asked_device
        return "cuda" if cuda_is_there() else "cpu"


def _unavailable(model: str, reason: str, detail: str = "") -> EngineUnavailable:
    """The error for a model that cannot be used, with how to get it onto a machine without network."""
    name = model if is_hub_name(model) else _KNOWN_MODEL
    file = f"{name.partition('/')[2]}.nemo"
    return EngineUnavailable(
        f"the speaker model '{model}' cannot be used: {reason}. Where there is a network, `hf download {name} {file} "
        "--local-dir models` fetches a speaker model; on a machine without, copy the .nemo file there and set "
        "CLIP_PLATFORM_SPEAKER_MODEL to its path; or leave it unset, and faces alone tell speakers apart",
        detail=detail,
    )
