"""Loading a `.nemo` archive, whatever kind of model is in it."""

from __future__ import annotations

import logging
import tarfile
from pathlib import Path
from typing import Any, Protocol

from clip_platform.errors import EngineUnavailable


class Refusal(Protocol):
    """Makes the error for a model that cannot be used."""

    def __call__(self, model: str, reason: str, detail: str = "") -> EngineUnavailable: ...


def restored(name: str, path: Path, device: str, refusal: Refusal) -> Any:
    """The model of an archive, on a device; NeMo says only what is an error meanwhile.

    Raises:
        EngineUnavailable: as `refusal` makes it; it is no archive, half of one, of another version, or memory is short.
    """
    if not tarfile.is_tarfile(path):
        raise refusal(name, f"{path} is not a .nemo archive; fetch it again")
    logging.getLogger("nv_one_logger").setLevel(logging.CRITICAL)  # says at import that it sends nothing
    from nemo.collections.asr.models import ASRModel

    # its own setLevel would change handlers too, which may be others'
    logging.getLogger("nemo_logger").setLevel(logging.ERROR)
    try:
        return ASRModel.restore_from(str(path), map_location=device)
    except Exception as error:  # NeMo lets through whatever tarfile, YAML, Hydra and torch raise
        reason = f"loading {path} failed with {type(error).__name__}; fetch it again, unless memory is short"
        raise refusal(name, reason, detail=str(error)) from error
