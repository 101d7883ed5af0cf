"""Where a NeMo model is: a `.nemo` file by its path, or a name on the Hugging Face hub. Loads nothing.

Whether NeMo *can* be used is answered without importing it, which takes 7 to 20 s.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Literal

from clip_platform.errors import EngineUnavailable

Device = Literal["auto", "cpu", "cuda"]

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_TIMEOUT_S = 10


def why_unavailable(model: str, *, device: Device = "auto", may_fetch: bool = True) -> str | None:
    """Why a `NemoRecognizer` of this model would not work, as half a sentence for people; None when nothing is known to
    be in the way.

    Looks at installed packages, at the disk and, if `may_fetch`, asks the hub whether it has the model; imports neither
    NeMo nor (unless `device` is "cuda") torch.
    """
    if importlib.util.find_spec("nemo") is None:
        return 'NeMo is not installed (pip install "clip-platform[nemo]")'
    if device == "cuda" and not cuda_is_there():
        return "CUDA was asked for, and torch finds no CUDA device"
    if model_file(model) is not None:
        return None
    if not is_hub_name(model):
        return f"there is no model file at {model}"
    if not may_fetch:
        return f"the model {model} is not on this machine, and fetching it is switched off"
    return _why_not_fetchable(model)


def model_file(model: str) -> Path | None:
    """The `.nemo` file of a path or of a hub name that was fetched before; None when it is not on this machine."""
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if not is_hub_name(model):
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, _file_name(model))
    return Path(cached) if isinstance(cached, str) else None


def fetched(model: str) -> Path:
    """The `.nemo` file of a hub name, fetched unless it was before.

    Raises:
        EngineUnavailable: it could not be fetched.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model, _file_name(model), etag_timeout=_HUB_TIMEOUT_S))
    except OSError as error:
        raise unavailable(model, f"fetching it failed with {type(error).__name__}", detail=str(error)) from error


def unavailable(model: str, reason: str, detail: str = "") -> EngineUnavailable:
    """The error for a model that cannot be used, with what to do about it."""
    return EngineUnavailable(f"the speech model '{model}' cannot be used: {reason}. {_remedy(model)}", detail=detail)


def is_hub_name(model: str) -> bool:
    return _HUB_NAME.fullmatch(model) is not None and not model.endswith(".nemo")


def cuda_is_there() -> bool:
    import torch

    return torch.cuda.is_available()


def _remedy(model: str) -> str:
    """How to get the model onto a machine without network, and what to do without it."""
    name = model if is_hub_name(model) else "nvidia/parakeet-tdt-0.6b-v3"
    return (
        f"Where there is a network, `hf download {name} {_file_name(name)} --local-dir models` fetches "
        f"{'it' if name == model else 'one'}; on a machine without, copy the model's .nemo file there and set "
        "CLIP_PLATFORM_NEMO_MODEL to its path; or set CLIP_PLATFORM_SPEECH_ENGINE=pocketsphinx"
    )


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
