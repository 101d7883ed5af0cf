"""Which scorer ranks a video's candidates: chosen by what serves, and by the video's arm."""

from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.resources.models import ModelsResource

if TYPE_CHECKING:
    from clip_platform.database.arms import VideoArm
    from clip_platform.resources.scoring import Scoring


class ScorerResource(dg.ConfigurableResource):
    """The champion of `models`, for videos of a shadow test's other half the challenger, and the heuristic where no
    model serves. `exploration_share` of videos are shown in random order, whoever scores."""

    models: dg.ResourceDependency[ModelsResource]
    exploration_share: float = 0.1
    is_expected: bool = False
    """Whether a registry was named, so that its absence is news."""

    def features_key(self) -> str:
        """What features the scorers read."""
        from clip_platform.scoring.features import feature_digest

        return feature_digest()

    def for_video(self, tenant_id: str, video_id: str, decided: "VideoArm | None" = None) -> "Scoring":
        """Who scores a video, and why.

        Args:
            decided: the arm the video was published in, to which it keeps while that arm's model serves.
        """
        from clip_platform.resources.scoring import scoring_of

        serving = self.models.serving(is_expected=self.is_expected)
        return scoring_of(serving, self.exploration_share, tenant_id, video_id, decided)
