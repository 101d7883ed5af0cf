"""What a stage's declarations see of the run they are part of. Light: it is loaded with the code location."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clip_platform.progress import OnProgress, throttled
from clip_platform.resources.engines import FaceDetectorResource, ScorerResource, SpeechRecognizerResource
from clip_platform.upload.acceptance import Limits
from clip_platform.upload.preferences import Preferences

if TYPE_CHECKING:
    from clip_platform.database.videos import VideoRow
    from clip_platform.resources.attempts import VideoAttempt
    from clip_platform.storage.workspace import Workspace

T = TypeVar("T")


def fingerprint_of(asset: str, code_version: str, needs: Mapping[str, str], settings: Mapping[str, object]) -> str:
    """Key of a checkpoint: 32 hex digits over everything the result depends on, `needs` being content digests."""
    text = json.dumps([asset, code_version, dict(needs), dict(settings)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class StageRun:
    """What a stage's declarations see of the run they are part of."""

    stage: str
    attempt: VideoAttempt
    speech_recognizer: SpeechRecognizerResource
    face_detector: FaceDetectorResource
    scorer: ScorerResource
    limits: Limits
    recompute: bool = False
    _assets: Sequence[str] = ()

    @property
    def video(self) -> VideoRow:
        return self.attempt.video

    @property
    def preferences(self) -> Preferences:
        return self.attempt.preferences

    @property
    def workspace(self) -> Workspace:
        return self.attempt.workspace

    def source(self) -> Path:
        return self.attempt.source()

    def value(self, asset: str, cls: type[T]) -> T:
        """The current value of an asset of this video."""
        return self.attempt.load(self.attempt.current(asset), cls)

    @property
    def on_progress(self) -> OnProgress:
        """Reports the share done of the assets being made."""
        return throttled(lambda share: self._report(min(share, 0.999)))

    def begin(self, assets: Sequence[str]) -> None:
        self._assets = tuple(assets)
        self._report(0.0)

    def finish(self, assets: Sequence[str], *, resumed: bool) -> None:
        self._assets = tuple(assets)
        self._report(1.0, "resumed" if resumed else "")

    def _report(self, share: float, message: str = "") -> None:
        for asset in self._assets:
            self.attempt.report(self.stage, asset, share, message)
