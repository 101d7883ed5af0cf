"""What a stage's declarations see of the run they are part of. Light: it is loaded with the code location."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clip_platform.errors import CheckFailed, ClipPlatformError, InvalidInput, UnreadableFile
from clip_platform.progress import OnProgress, throttled
from clip_platform.resources.engines import (
    ClipWriterResource,
    FaceDetectorResource,
    SentenceEmbedderResource,
    SpeechRecognizerResource,
)
from clip_platform.resources.scorer import ScorerResource
from clip_platform.upload.acceptance import Limits
from clip_platform.upload.preferences import Preferences

if TYPE_CHECKING:
    from clip_platform.database.videos import VideoRow
    from clip_platform.identifiers import StoredObject
    from clip_platform.resources.attempts import VideoAttempt
    from clip_platform.resources.scoring import Scoring
    from clip_platform.selection.duplicates import EarlierClip
    from clip_platform.selection.edits import ClipEdits
    from clip_platform.storage.workspace import Workspace

T = TypeVar("T")


def fingerprint_of(asset: str, code_version: str, needs: Mapping[str, str], settings: Mapping[str, object]) -> str:
    """Key of a checkpoint: 32 hex digits over everything the result depends on, `needs` being content digests."""
    text = json.dumps([asset, code_version, dict(needs), dict(settings)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What went into a checkpoint's key, kept with the result as its lineage."""

    code_version: str
    needs: Mapping[str, str]
    reads: Mapping[str, object]

    def fingerprint(self, asset: str) -> str:
        return fingerprint_of(asset, self.code_version, self.needs, self.reads)

    def as_json(self) -> dict[str, object]:
        plain: dict[str, object] = json.loads(json.dumps(asdict(self), sort_keys=True, default=str))
        return plain


@dataclass
class StageRun:
    """What a stage's declarations see of the run they are part of."""

    stage: str
    attempt: VideoAttempt
    speech_recognizer: SpeechRecognizerResource
    face_detector: FaceDetectorResource
    sentence_embedder: SentenceEmbedderResource
    scorer: ScorerResource
    clip_writer: ClipWriterResource
    limits: Limits
    fetch: Callable[[VideoAttempt, OnProgress], StoredObject]
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

    def fetched(self) -> StoredObject:
        """The source, fetched from the address that its tenant gave."""
        return self.fetch(self.attempt, self.on_progress)

    def value(self, asset: str, cls: type[T]) -> T:
        """The current value of an asset of this video."""
        return self.attempt.load(self.attempt.current(asset), cls)

    @property
    def on_progress(self) -> OnProgress:
        """Reports the share done of the assets being made."""
        return throttled(lambda share: self._report(min(share, 0.999)))

    @cached_property
    def edits(self) -> ClipEdits:
        """The edits of this video's clips, read once a step: what comes later is the next run's."""
        from clip_platform.resources.clip_edits import read_edits

        return read_edits(self.attempt)

    @cached_property
    def earlier_clips(self) -> Sequence[EarlierClip]:
        """Of the tenant's videos that were there before this one: what is said there is not offered again."""
        from clip_platform.resources.earlier_clips import read_earlier_clips

        return read_earlier_clips(self.attempt)

    @cached_property
    def scoring(self) -> Scoring:
        """Who scores this video, decided once a step; the arm that it was published in stays."""
        from clip_platform.database import arms

        with self.attempt.database.tenant_transaction(self.attempt.tenant_id) as connection:
            decided = arms.find(connection, self.video.video_id)
        return self.scorer.for_video(self.attempt.tenant_id, self.video.video_id, decided)

    def keep_arm(self) -> None:
        """Logs by whose scores the video is shown; decided once."""
        from clip_platform.database import arms

        with self.attempt.database.tenant_transaction(self.attempt.tenant_id) as connection:
            arms.decide(connection, self.scoring.arm)

    def begin(self, assets: Sequence[str]) -> None:
        self._assets = tuple(assets)
        self._report(0.0)
        self.attempt.say(self.stage, "info", f"{', '.join(assets)}: begun")

    def finish(self, assets: Sequence[str], *, resumed: bool, computed_s: float) -> None:
        self._assets = tuple(assets)
        self._report(1.0, "resumed" if resumed else "")
        how = "taken from an earlier attempt" if resumed else f"ready after {computed_s:.1f} s"
        self.attempt.say(self.stage, "info", f"{', '.join(assets)}: {how}")

    def warn(self, asset: str, problem: str) -> None:
        """Tells the tenant what is second best."""
        self.attempt.say(self.stage, "warning", f"{asset}: {problem}")

    def failed(self, error: ClipPlatformError) -> None:
        """Tells the tenant why there is no result; of a fault of ours only which kind it is."""
        # a file that cannot be read is one of ours, and named with its folder
        own = isinstance(error, InvalidInput | CheckFailed) and not isinstance(error, UnreadableFile)
        why = error.message if own else "a fault of the platform; its operator can see more"
        self.attempt.say(self.stage, "error", f"failed ({error.error_class}): {why}")

    def _report(self, share: float, message: str = "") -> None:
        for asset in self._assets:
            self.attempt.report(self.stage, asset, share, message)
