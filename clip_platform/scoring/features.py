"""The features of a clip: names, units, meaning, order and digest. Train and serve import this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about a clip. `unit` is SI or a plain word (`words/s`, `share`, `count`, `dB`)."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """One row per candidate, one column per feature; `columns[name][row]` belongs to `candidate_ids[row]`. Stored as Parquet."""

    digest: str
    candidate_ids: tuple[str, ...]
    columns: Mapping[str, tuple[float, ...]]
