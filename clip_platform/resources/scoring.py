"""Who scores one video: by its arm the champion, the challenger or the heuristic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_platform.database.arms import VideoArm

if TYPE_CHECKING:
    from clip_platform.resources.training import Serving
    from clip_platform.scoring.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Scoring:
    """`fallback` says why the heuristic, or an older copy, scores where a champion should."""

    scorer: Scorer
    arm: VideoArm
    fallback: str | None


def scoring_of(
    serving: Serving, exploration_share: float, tenant_id: str, video_id: str, decided: VideoArm | None
) -> Scoring:
    from clip_platform.ml.gates import arm_of
    from clip_platform.ml.serving import ModelScorer
    from clip_platform.scoring.heuristic import HeuristicScorer

    champion, challenger = serving.champion, serving.challenger
    version = None if challenger is None else challenger.version
    arm = decided or VideoArm(
        video_id=video_id,
        arm=arm_of(video_id, version, exploration_share),
        champion_version=None if champion is None else champion.version,
        challenger_version=version,
        exploration_share=exploration_share,
    )
    model = champion
    if arm.arm == "challenger" and challenger is not None and challenger.version == arm.challenger_version:
        model = challenger
    scorer: Scorer = HeuristicScorer() if model is None else ModelScorer(model, tenant_id)
    return Scoring(scorer, arm, serving.fallback)
