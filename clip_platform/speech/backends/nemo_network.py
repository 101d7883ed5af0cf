"""One NeMo network in memory: loaded, checked and asked. Where its file comes from, what a word is: not known here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clip_platform.errors import EngineUnavailable
from clip_platform.speech.backends.nemo_archive import restored
from clip_platform.speech.backends.nemo_models import unavailable
from clip_platform.speech.backends.nemo_words import Token, ctc_tokens, transducer_tokens
from clip_platform.speech.sound import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np

Precision = Literal["auto", "fp32", "bf16", "fp16"]

# NeMo pads shorter sounds itself, on both sides, and its times are then those of the padded sound.
_SHORTEST_SOUND = SAMPLE_RATE_HZ
_CONFIDENCE = {
    "preserve_frame_confidence": True,
    "preserve_token_confidence": True,
    "exclude_blank": True,
    "method_cfg": {"name": "max_prob", "alpha": 1.0},
}
"""NeMo's settings for: the probability of each token, 0 where it is no likelier than any other and 1 when certain."""


@dataclass(frozen=True, slots=True)
class Network:
    """A loaded model of the given name; made by `load_network`."""

    name: str
    model: Any
    device: str
    precision: Precision

    @property
    def stride_s(self) -> Fraction:
        """From one spectrum to the next, times those that the encoder makes one step of."""
        return Fraction(str(self.model.cfg.preprocessor.window_stride)) * self.model.encoder.subsampling_factor

    def tokens(self, sounds: Sequence[np.ndarray]) -> list[list[Token]]:
        """What it emits for each sound: float32 mono at 16 kHz, shape (samples,); all are heard at once.

        Raises:
            EngineUnavailable: that takes more memory than the device has.
        """
        import torch

        try:
            with torch.inference_mode(), _arithmetic(self.device, self.precision):
                hypotheses = self.model.transcribe(
                    [_long_enough(sound) for sound in sounds],
                    batch_size=len(sounds),
                    return_hypotheses=True,
                    num_workers=0,
                    verbose=False,
                )
        except torch.OutOfMemoryError as error:
            raise _unusable(
                self.name,
                f"{len(sounds)} chunks at once are more than the device's memory holds; set CLIP_PLATFORM_NEMO_BATCH "
                "to fewer",
            ) from error
        return [self._emitted(hypothesis) for hypothesis in hypotheses]

    def _emitted(self, hypothesis: Any) -> list[Token]:
        blank = self.model.decoding.blank_id
        if _is_transducer(self.model):
            return transducer_tokens(hypothesis, blank)
        return ctc_tokens(hypothesis.y_sequence, blank)


def load_network(name: str, path: Path, device: str, precision: Precision) -> Network:
    """The network of a `.nemo` file, on a device.

    Raises:
        EngineUnavailable: the file is no model, the model is of another kind, or the precision is not for this device.
    """
    if precision == "fp16" and device != "cuda":
        raise _unusable(name, "precision fp16 needs a CUDA device; choose auto, fp32 or bf16")
    model = restored(name, path, device, unavailable)
    _check_kind(name, model)
    if _is_transducer(model) and not _lstm_runs_in(device, precision):
        raise _unusable(name, f"this {device} cannot run its LSTM in precision {precision}; choose auto or fp32")
    _decode_with_confidence(model)
    model.eval()
    return Network(name, model, device, precision)


def _check_kind(name: str, model: Any) -> None:
    from nemo.collections.asr.models import EncDecCTCModel

    if not _is_transducer(model) and not isinstance(model, EncDecCTCModel):
        kind = type(model).__name__
        raise _unusable(name, f"a {kind} gives no word times; choose a CTC, RNNT, TDT or hybrid model")
    if not hasattr(model.encoder, "subsampling_factor"):
        kind = type(model.encoder).__name__
        raise _unusable(name, f"its {kind} does not tell how long a step is; choose a model with a Conformer encoder")
    if model.cfg.sample_rate != SAMPLE_RATE_HZ:
        raise _unusable(name, f"it hears {model.cfg.sample_rate} samples a second; choose one for {SAMPLE_RATE_HZ}")


def _is_transducer(model: Any) -> bool:
    """RNNT, TDT and hybrid models, of which the transducer is the better half."""
    from nemo.collections.asr.models import EncDecRNNTModel

    return isinstance(model, EncDecRNNTModel)


def _decode_with_confidence(model: Any) -> None:
    """Greedy decoding that keeps when and how surely each token was emitted."""
    from omegaconf import OmegaConf

    kept: dict[str, Any] = {"strategy": "greedy_batch"}
    if _is_transducer(model):  # CTC hands over all its probabilities anyway
        kept |= {"compute_timestamps": True, "rnnt_timestamp_type": "char", "confidence_cfg": _CONFIDENCE}
    OmegaConf.set_struct(model.cfg.decoding, False)
    model.change_decoding_strategy(OmegaConf.merge(model.cfg.decoding, kept), verbose=False)


def _arithmetic(device: str, precision: Precision) -> AbstractContextManager[None]:
    """Where the network computes in that precision what can be; its weights stay as they are."""
    import torch

    automatic = "bf16" if device == "cuda" else "fp32"
    chosen = automatic if precision == "auto" else precision
    number = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[chosen]
    return torch.autocast(device, number, enabled=number is not torch.float32)


def _lstm_runs_in(device: str, precision: Precision) -> bool:
    """Some CPUs have no such instructions, and torch no other way."""
    import torch

    try:
        with torch.inference_mode(), _arithmetic(device, precision):
            torch.nn.LSTM(2, 2, device=device)(torch.zeros(1, 1, 2, device=device))
    except RuntimeError:
        return False
    return True


def _long_enough(chunk: np.ndarray) -> np.ndarray:
    import numpy as np

    sound = np.nan_to_num(np.asarray(chunk, np.float32))
    return np.pad(sound, (0, max(0, _SHORTEST_SOUND - len(sound))))


def _unusable(name: str, reason_and_remedy: str) -> EngineUnavailable:
    return EngineUnavailable(f"the speech model '{name}' cannot be used: {reason_and_remedy}")
