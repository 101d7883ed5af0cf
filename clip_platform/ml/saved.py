"""A model as files: `model.json` and LightGBM's own text. Never a pickle, so that reading a model runs no code of it.

`model.json` names the sha256 of the texts; whoever fetched them (the registry) vouches for `model.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clip_platform.errors import CorruptArtifact, FeatureMismatch
from clip_platform.ml import learner
from clip_platform.ml.baseline import HEURISTIC
from clip_platform.ml.calibration import Calibration
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.model import EngagementModel, Heads, Standard
from clip_platform.ml.tenant_parts import TenantPart
from clip_platform.scoring.features import feature_digest

FORMAT = 1
DOCUMENT, LABEL, ACCEPT = "model.json", "label.txt", "accept.txt"
MOST_BYTES = 64 * 2**20
_REMEDY = "fetch it from the registry again, or roll back"


def save(model: EngagementModel, folder: Path) -> None:
    """Writes the model's files; the same model gives the same bytes."""
    texts = {LABEL: model.heads.label.model_to_string()}
    if model.heads.accept is not None:
        texts[ACCEPT] = model.heads.accept.model_to_string()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    document = _document(model) | {"sha256": {name: _sha256(text.encode()) for name, text in texts.items()}}
    (folder / DOCUMENT).write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")


def load(folder: Path) -> EngagementModel:
    """
    Raises:
        CorruptArtifact: a file is missing, damaged, another format, or not the one `model.json` names.
        FeatureMismatch: the model was trained on other features, or starts from another heuristic.
    """
    document = _read_document(folder / DOCUMENT)
    try:
        _expect_ours(document)
        return _model(document, _boosters(folder, document["sha256"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptArtifact(f"{folder / DOCUMENT} is not a model of format {FORMAT}; {_REMEDY}") from error


def _document(model: EngagementModel) -> dict[str, Any]:
    calibration = model.calibration
    return {
        "format": FORMAT,
        "version": model.version,
        "feature_digest": model.feature_digest,
        "features": list(FEATURE_NAMES),
        "heuristic": model.heuristic,
        "slope": model.heads.slope,
        "label_scale": [model.label_scale.mean, model.label_scale.spread],
        "accept_scale": [model.accept_scale.mean, model.accept_scale.spread],
        "tenant_parts": {
            name: [part.slopes.tolist(), part.middle.tolist(), part.spread.tolist()]
            for name, part in model.heads.tenant_parts.items()
        },
        "calibration": {
            name: value.tolist() if isinstance(value := getattr(calibration, name), np.ndarray) else value
            for name in Calibration.__slots__
        },
        "data_digest": model.data_digest,
        "seed": model.seed,
        "facts": dict(model.facts),
    }


def _read_document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(_read(path))
    except ValueError as error:
        raise CorruptArtifact(f"{path} is not JSON; {_REMEDY}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CorruptArtifact(f"{path} is not a model of format {FORMAT}; {_REMEDY}")
    return document


def _expect_ours(document: Mapping[str, Any]) -> None:
    version, digest, heuristic = document["version"], document["feature_digest"], document["heuristic"]
    if digest != feature_digest():
        raise FeatureMismatch(
            f"model {version} was trained on features {digest}, this code computes {feature_digest()}; "
            "train again with this version, or roll back to the code that trained it"
        )
    if heuristic != HEURISTIC:
        raise FeatureMismatch(f"model {version} starts from {heuristic}, this code has {HEURISTIC}; train again")


def _boosters(folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    if LABEL not in digests or set(digests) - {LABEL, ACCEPT}:
        raise CorruptArtifact(f"{folder / DOCUMENT} names {sorted(digests)}, not {LABEL} and {ACCEPT}; {_REMEDY}")
    found = {}
    for name, digest in digests.items():
        content = _read(folder / name)
        if _sha256(content) != digest:
            raise CorruptArtifact(f"{folder / name} is not the file that {DOCUMENT} names; {_REMEDY}")
        found[name] = learner.read(content.decode(), len(FEATURE_NAMES), str(folder / name))
    return found


def _model(document: Mapping[str, Any], boosters: Mapping[str, Any]) -> EngagementModel:
    parts = {name: TenantPart(*map(_array, values)) for name, values in document["tenant_parts"].items()}
    if any(part.slopes.shape != (len(FEATURE_NAMES),) for part in parts.values()):
        raise ValueError("a tenant's part is of other features")
    calibration = document["calibration"]
    values: dict[str, Any] = {name: calibration[name] for name in Calibration.__slots__}
    values = {name: _array(value) if isinstance(value, list) else value for name, value in values.items()}
    return EngagementModel(
        version=str(document["version"]),
        feature_digest=document["feature_digest"],
        heuristic=document["heuristic"],
        heads=Heads(float(document["slope"]), boosters[LABEL], boosters.get(ACCEPT), parts),
        label_scale=Standard(*map(float, document["label_scale"])),
        accept_scale=Standard(*map(float, document["accept_scale"])),
        calibration=Calibration(**values),
        data_digest=str(document["data_digest"]),
        seed=int(document["seed"]),
        facts=document["facts"],
    )


def _array(values: Any) -> np.ndarray:
    array = np.asarray(values, float)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("not a list of numbers")
    return array


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CorruptArtifact(f"{path} is larger than {MOST_BYTES} bytes, no model is; {_REMEDY}")
        return path.read_bytes()
    except OSError as error:
        raise CorruptArtifact(f"{path} cannot be read: {error.strerror}; {_REMEDY}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
