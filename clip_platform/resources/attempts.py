"""One run's hold on one video: its row, its lease, its results and its progress, as plain objects.

The database decides who may write (the attempt's token), the object store keeps the bytes. No Dagster beyond
configuration.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from clip_platform.database import leases, progress, recovery, results, videos
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.errors import ClipPlatformError, InvalidInput, PermanentError, Superseded
from clip_platform.identifiers import StoredObject
from clip_platform.progress import OnProgress, throttled
from clip_platform.resources.connections import DatabaseResource, ObjectStoreResource
from clip_platform.resources.engines import FaceDetectorResource, ScorerResource, SpeechRecognizerResource
from clip_platform.resources.heartbeat import keep_lease
from clip_platform.storage import artifacts
from clip_platform.storage.workspace import Workspace
from clip_platform.upload.preferences import Preferences

T = TypeVar("T")


def fingerprint_of(asset: str, code_version: str, needs: Mapping[str, str], settings: Mapping[str, object]) -> str:
    """Key of a checkpoint: 32 hex digits over everything the result depends on, `needs` being content digests."""
    text = json.dumps([asset, code_version, dict(needs), dict(settings)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class VideoAttempt:
    """An attempt at a video. Everything it commits is refused once a newer attempt has begun (`Superseded`)."""

    database: Database
    workspace: Workspace
    video: VideoRow
    run_id: str
    token: str

    @property
    def tenant_id(self) -> str:
        return self.video.tenant_id

    @property
    def preferences(self) -> Preferences:
        return Preferences.from_mapping(self.video.preferences)

    def source(self) -> Path:
        """The uploaded file, on local disk."""
        return self.workspace.fetch(self.video.source)

    def find(self, asset: str, fingerprint: str) -> results.AssetResult | None:
        return results.find(self.database, self.tenant_id, self.video.video_id, asset, fingerprint)

    def current(self, asset: str) -> results.AssetResult:
        """The latest result of an asset.

        Raises:
            PermanentError: it was never made, or is erased.
        """
        result = results.current(self.database, self.tenant_id, self.video.video_id, asset)
        if result is None:
            raise _never_made(asset, self.video.video_id)
        return result

    def digest_of(self, asset: str) -> str:
        return self.current(asset).artifact.sha256

    def load(self, result: results.AssetResult, cls: type[T]) -> T:
        return artifacts.decode(cls, self.workspace.store.get_bytes(result.artifact))

    def commit(self, asset: str, fingerprint: str, value: object) -> StoredObject:
        """Stores a value and makes it the asset's current result, unless a newer attempt owns the video."""
        data = artifacts.encode(value)
        name = f"{asset}{artifacts.suffix_of(type(value))}"
        artifact = self.workspace.keep_bytes(data, "assets", name)
        result = results.AssetResult(self.video.video_id, asset, fingerprint, artifact, self.video.attempt)
        results.commit(self.database, self.tenant_id, result, self.token)
        return artifact

    def report(self, stage: str, asset: str, share: float, message: str = "") -> None:
        progress.report(self.database, self.tenant_id, self.video.video_id, stage, asset, share, message)

    def complete(self) -> None:
        videos.complete(self.database, self.tenant_id, self.video.video_id, self.token)
        leases.release(self.database, self.tenant_id, self.video.video_id, self.run_id)

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Writes a failure to the video's row, so that tenants and operators see it without Dagster."""
        try:
            yield
        except Superseded:
            raise  # the row belongs to the newer attempt
        except ClipPlatformError as error:
            self._fail(error)
            raise
        except Exception as error:
            self._fail(PermanentError(f"{type(error).__name__}: {error}"))
            raise

    def _fail(self, error: ClipPlatformError) -> None:
        videos.fail(
            self.database,
            self.tenant_id,
            self.video.video_id,
            self.token,
            error_class=error.error_class,
            message=error.message,
            detail=error.detail,
            permanent=isinstance(error, PermanentError),
        )
        leases.release(self.database, self.tenant_id, self.video.video_id, self.run_id)

    @contextmanager
    def keeping_log(self, stage: str) -> Iterator[Path]:
        """A file for what programs say during a stage; kept with the video afterwards, also when the stage fails."""
        path = self.workspace.folder("logs") / f"{self.video.attempt:03d}-{stage}.log"
        try:
            yield path
        finally:
            if path.exists() and path.stat().st_size:
                self.workspace.keep(path, "logs", path.name)


@dataclass
class StageRun:
    """What a stage's declarations see of the run they are part of."""

    stage: str
    attempt: VideoAttempt
    speech_recognizer: SpeechRecognizerResource
    face_detector: FaceDetectorResource
    scorer: ScorerResource
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


class VideosResource(dg.ConfigurableResource):
    """Where videos' rows and bytes are, and where a step may put temporary files."""

    database: dg.ResourceDependency[DatabaseResource]
    object_store: dg.ResourceDependency[ObjectStoreResource]
    scratch: str

    @contextmanager
    def attempt(self, video_id: str, run_id: str) -> Iterator[VideoAttempt]:
        """Joins the run's attempt at the video, or begins one.

        Raises:
            AlreadyRunning: another live process works on the video.
            Superseded: a newer run has begun an attempt since this one did.
            InvalidInput: there is no such video.
        """
        tenant_id = self.tenant_of(video_id)
        # the lease first: beginning an attempt fences the older one, which may be alive and well
        keep_lease(self.database.get(), tenant_id, video_id, run_id)
        with self._joined(tenant_id, video_id, run_id) as attempt:
            yield attempt

    def committed(self, video_id: str, run_id: str, asset: str, fingerprint: str, value: Any) -> StoredObject:
        """Commits one value of a run's attempt; for the IO manager."""
        with self._joined(self.tenant_of(video_id), video_id, run_id) as attempt:
            return attempt.commit(asset, fingerprint, value)

    def loaded(self, video_id: str, asset: str, cls: type[T]) -> T:
        """The current value of an asset."""
        result = results.current(self.database.get(), self.tenant_of(video_id), video_id, asset)
        if result is None:
            raise _never_made(asset, video_id)
        return artifacts.decode(cls, self.object_store.get().get_bytes(result.artifact))

    def abandon(self, video_id: str, run_id: str, reason: str, attempt: int | None = None) -> bool:
        """Records that a run died without a word; False when the video is not that run's any more."""
        return recovery.abandon(self.database.get(), self.tenant_of(video_id), video_id, run_id, reason, attempt)

    def resubmit(self, failed: Sequence[recovery.FailedVideo]) -> list[str]:
        """Submits videos again; ids of those that were still waiting for it."""
        database = self.database.get()
        return [one.video_id for one in failed if recovery.resubmit(database, one.tenant_id, one.video_id)]

    def tenant_of(self, video_id: str) -> str:
        """
        Raises:
            InvalidInput: there is no such video.
        """
        tenant_id = videos.tenant_of(self.database.get(), video_id)
        if tenant_id is None:
            raise InvalidInput(f"video {video_id} is not in the database; submit it first, or delete its partition")
        return tenant_id

    @contextmanager
    def _joined(self, tenant_id: str, video_id: str, run_id: str) -> Iterator[VideoAttempt]:
        database = self.database.get()
        token = videos.join_attempt(database, tenant_id, video_id, run_id)
        video = videos.get(database, tenant_id, video_id)
        with Workspace(self.object_store.get(), Path(self.scratch), tenant_id, video_id) as workspace:
            yield VideoAttempt(database, workspace, video, run_id, token)


def _never_made(asset: str, video_id: str) -> PermanentError:
    return PermanentError(f"{asset} of video {video_id} was never made; materialise it first")
