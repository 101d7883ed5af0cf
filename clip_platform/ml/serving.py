"""The trained model as the pipeline's scorer: the same interface as the heuristic's, with intervals and chances."""

from __future__ import annotations

import numpy as np

from clip_platform.errors import FeatureMismatch
from clip_platform.identifiers import served_name
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.reasons import GROUPS, against_video, parts, reasons
from clip_platform.scoring.features import ClipFeatures
from clip_platform.scoring.scorer import ClipScore, ClipScores, Contribution


class ModelScorer:
    """Scores one tenant's clips. Reasons cost about a millisecond a candidate."""

    def __init__(self, model: EngagementModel, tenant_id: str) -> None:
        self._model = model
        self._tenant_id = tenant_id

    @property
    def model(self) -> str:
        return served_name(self._model.version)

    def score(self, features: ClipFeatures) -> ClipScores:
        """All candidates of one video: reasons and contributions are against their mean, which is the baseline.

        Raises:
            FeatureMismatch: the model was trained on other features.
        """
        if features.digest != self._model.feature_digest:
            raise FeatureMismatch(
                f"{self.model} reads features {self._model.feature_digest} and was given {features.digest}; make "
                "clip_features again with this version (run tag recompute=true), or train a model on the new features"
            )
        if not features.candidate_ids:
            return ClipScores(self.model, features.digest, ())
        values = np.stack([np.asarray(features.columns[name], np.float32) for name in FEATURE_NAMES], axis=1)
        return ClipScores(self.model, features.digest, self._scores(features.candidate_ids, values))

    def _scores(self, names: tuple[str, ...], features: np.ndarray) -> tuple[ClipScore, ...]:
        tenant, video = (np.full(len(names), name) for name in (self._tenant_id, ""))
        scored = self._model.score(features, tenant)
        relative = against_video(parts(self._model, features, tenant), video)
        told = reasons(relative, features, video)
        baseline = float(scored.value.mean())
        points = _in_points(_by_group(relative), scored.value - baseline)
        return tuple(
            ClipScore(
                candidate_id=name,
                value=float(scored.value[row]),
                baseline=baseline,
                contributions=tuple(
                    Contribution(group, float(features[row, _LEADING[group]]), float(points[row, column]))
                    for column, group in enumerate(GROUPS)
                ),
                reasons=tuple(reason.text for reason in told[row]),
                low=float(scored.low[row]),
                high=float(scored.high[row]),
                band=scored.bands[row],
                top_chance=float(scored.top_chance[row]),
            )
            for row, name in enumerate(names)
        )


_LEADING = {group: FEATURE_NAMES.index(words[0].feature) for group, words in GROUPS.items()}


def _by_group(relative: np.ndarray) -> np.ndarray:
    """(n, groups)."""
    return np.stack(
        [sum(relative[:, FEATURE_NAMES.index(word.feature)] for word in words) for words in GROUPS.values()], axis=1
    )


def _in_points(parts_of_raw: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Parts of the raw score as points that sum to `points`, (n,), in the proportions of the parts.

    The score is a rank among clips, which bends the raw score, so each clip has a scale of its own; where the parts
    cancel out, what is left is spread over all of them evenly.
    """
    sums = parts_of_raw.sum(axis=1)
    usual = float(np.abs(points).sum() / max(float(np.abs(sums).sum()), 1e-9))
    own = np.divide(points, sums, out=np.full(len(sums), usual), where=np.abs(sums) > 1e-6)
    scale = np.clip(own, 0.2 * usual, 5 * usual)
    scaled = parts_of_raw * scale[:, None]
    return scaled + ((points - scaled.sum(axis=1)) / parts_of_raw.shape[1])[:, None]
