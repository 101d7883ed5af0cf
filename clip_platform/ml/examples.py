"""Examples to learn from: one a clip, its features beside what tenants decided and viewers did.

Arrays, not objects: an archive has millions of clips. Labels are made from them elsewhere (`labels`), so that another
label needs no other examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_platform.errors import CorruptArtifact, FeatureMismatch
from clip_platform.ml.cleaning import DECISIONS, CleaningCounts, KnownClip, clean
from clip_platform.scoring.features import FEATURES, feature_digest

if TYPE_CHECKING:
    import pandas as pd

SIGNALS = ("watch_through", "click_through", "like", "share", "save")
"""Rates: completions a view, views an impression, likes, shares and saves a view. Columns of `counts` and `trials`."""
NO_DECISION = -1
REJECTED, EDITED, ACCEPTED, PUBLISHED = range(4)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
_ID_COLUMNS = ("tenant_id", "video_id", "clip_id", "made_on", "heuristic", "explored")


@dataclass(frozen=True, slots=True)
class Examples:
    """One row a clip, in the order of `video` (all clips of a video together).

    Attributes:
        tenant, video, clip: (n,) text.
        made_on: (n,) datetime64[D].
        features: (n, len(FEATURES)) float32 in the order of `FEATURES`; NaN where a value is missing.
        heuristic: (n,) the heuristic's value, 0-100.
        explored: (n,) bool; its video was shown in random order and without scores.
        decision: (n,) int8, index in `DECISIONS` or `NO_DECISION`.
        counts, trials: (n, len(SIGNALS)) float; 0 <= trials. `counts` of a share of views may exceed `trials`.
    """

    tenant: np.ndarray
    video: np.ndarray
    clip: np.ndarray
    made_on: np.ndarray
    features: np.ndarray
    heuristic: np.ndarray
    explored: np.ndarray
    decision: np.ndarray
    counts: np.ndarray
    trials: np.ndarray
    feature_digest: str

    def __len__(self) -> int:
        return len(self.clip)

    def where(self, rows: np.ndarray) -> Examples:
        """Those rows: a mask or indices."""
        arrays = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.type == "np.ndarray"}
        return replace(self, **arrays)

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        """One after the other; at least one part, all of the same features."""
        arrays: dict[str, Any] = {
            one.name: np.concatenate([getattr(part, one.name) for part in parts])
            for one in fields(cls)
            if one.type == "np.ndarray"
        }
        return replace(parts[0], **arrays)

    def column(self, feature: str) -> np.ndarray:
        return self.features[:, FEATURE_NAMES.index(feature)]

    @property
    def watched(self) -> np.ndarray:
        """(n,) bool; anybody saw it anywhere."""
        return self.trials.sum(axis=1) > 0

    @property
    def reviewed(self) -> np.ndarray:
        return self.decision != NO_DECISION


@dataclass(frozen=True, slots=True)
class ExampleCounts:
    """What became of rows and values; `missing_values`: features that are not known and are left to the model."""

    cleaning: CleaningCounts
    clips: int
    watched: int
    reviewed: int
    missing_values: int


def build_examples(
    feedback: pd.DataFrame, features: pd.DataFrame, digest: str, now: datetime
) -> tuple[Examples, ExampleCounts]:
    """All clips of `features`, with what `feedback` says about them.

    Args:
        feedback: rows of `clip_feedback`.
        features: a row a clip: `tenant_id, video_id, clip_id, made_on, heuristic, explored` and the features by name.
        digest: of the features.
        now: aware; nothing later is believed.

    Raises:
        FeatureMismatch: the features were computed by other code.
        CorruptArtifact: columns are missing, a clip comes twice, or a feature is infinite.
    """
    _expect_features(features, digest)
    ordered = features.sort_values(["video_id", "clip_id"], kind="stable").reset_index(drop=True)
    rows, cleaning = clean(feedback, _known(ordered), now)
    values = ordered[list(FEATURE_NAMES)].to_numpy(np.float32)
    if np.isinf(values).any():
        column = FEATURE_NAMES[int(np.flatnonzero(np.isinf(values).any(axis=0))[0])]
        raise CorruptArtifact(f"feature {column} is infinite; materialise clip_features of its videos again")
    places = {key: row for row, key in enumerate(zip(ordered["video_id"], ordered["clip_id"], strict=True))}
    counts, trials = _totals(rows, places, ordered["duration_s"].to_numpy(float))
    examples = Examples(
        tenant=ordered["tenant_id"].to_numpy(str),
        video=ordered["video_id"].to_numpy(str),
        clip=ordered["clip_id"].to_numpy(str),
        made_on=ordered["made_on"].to_numpy("datetime64[D]"),
        features=values,
        heuristic=ordered["heuristic"].to_numpy(float),
        explored=ordered["explored"].to_numpy(bool),
        decision=_decisions(rows, places),
        counts=counts,
        trials=trials,
        feature_digest=digest,
    )
    watched, reviewed = int(examples.watched.sum()), int(examples.reviewed.sum())
    return examples, ExampleCounts(cleaning, len(examples), watched, reviewed, int(np.isnan(values).sum()))


def _expect_features(features: pd.DataFrame, digest: str) -> None:
    if digest != feature_digest():
        raise FeatureMismatch(
            f"the snapshot has features {digest}, this code computes {feature_digest()}; "
            "materialise feature_snapshot again with this version"
        )
    missing = [name for name in (*_ID_COLUMNS, *FEATURE_NAMES) if name not in features.columns]
    if missing:
        raise CorruptArtifact(f"the feature snapshot lacks {', '.join(missing)}; materialise it again")
    twice = features.duplicated(["video_id", "clip_id"])
    if twice.any():
        first = features[twice].iloc[0]
        raise CorruptArtifact(f"clip {first['clip_id']} of {first['video_id']} comes twice; materialise it again")


def _known(features: pd.DataFrame) -> Mapping[tuple[str, str], KnownClip]:
    columns = (features[name] for name in ("video_id", "clip_id", "tenant_id", "duration_s"))
    return {
        (video, clip): KnownClip(tenant, float(length)) for video, clip, tenant, length in zip(*columns, strict=True)
    }


def _totals(
    rows: pd.DataFrame, places: Mapping[tuple[str, str], int], duration_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over platforms and days. A count that was not reported has no trials: unknown is not none."""
    counters = rows[rows["kind"] == "counters"]
    place = _places(counters, places)
    views = counters["views"].to_numpy(float)
    completions = counters["completions"].to_numpy(float)
    by_time = np.minimum(counters["watched_s"].to_numpy(float) / duration_s[place], views)
    completions = np.where(np.isnan(completions), by_time, completions)
    shown = (views, counters["impressions"].to_numpy(float))
    of_views = [(counters[name].to_numpy(float), views) for name in ("likes", "shares", "saves")]
    pairs = [(completions, views), shown, *of_views]
    counts, trials = (np.zeros((len(places), len(SIGNALS))) for _ in range(2))
    for signal, (count, trial) in enumerate(pairs):
        known = ~np.isnan(count) & ~np.isnan(trial)
        counts[:, signal] = np.bincount(place[known], count[known], len(places))
        trials[:, signal] = np.bincount(place[known], trial[known], len(places))
    return counts, trials


def _decisions(rows: pd.DataFrame, places: Mapping[tuple[str, str], int]) -> np.ndarray:
    decided = rows[rows["kind"] == "decision"]
    found = np.full(len(places), NO_DECISION, np.int8)
    found[_places(decided, places)] = [DECISIONS.index(decision) for decision in decided["decision"]]
    return found


def _places(rows: pd.DataFrame, places: Mapping[tuple[str, str], int]) -> np.ndarray:
    return np.array([places[key] for key in zip(rows["video_id"], rows["clip_id"], strict=True)], np.int64)
