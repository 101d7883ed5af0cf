"""One run's hold on one video: its row, its results and its progress, as a plain object.

The database decides who may write (the attempt's token), the object store keeps the bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from clip_platform.database import edits, leases, progress, results, video_log, videos
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.errors import ClipPlatformError, CorruptArtifact, PermanentError, Superseded
from clip_platform.identifiers import StoredObject
from clip_platform.resources.stage_run import MadeFrom
from clip_platform.storage import artifacts
from clip_platform.storage.objects import ObjectStore
from clip_platform.storage.workspace import Workspace
from clip_platform.upload.preferences import Preferences

T = TypeVar("T")
_log = logging.getLogger(__name__)


def stored_objects(value: object) -> Iterator[StoredObject]:
    """Every object that a value names, however deep."""
    if isinstance(value, StoredObject):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from stored_objects(getattr(value, one.name))
    elif isinstance(value, tuple | list):
        for element in value:
            yield from stored_objects(element)
    elif isinstance(value, Mapping):
        yield from stored_objects(tuple(value.values()))


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
            raise never_made(asset, self.video.video_id)
        return result

    def digest_of(self, asset: str) -> str:
        return self.current(asset).artifact.sha256

    def load(self, result: results.AssetResult, cls: type[T]) -> T:
        return artifacts.decode(cls, self.workspace.store.get_bytes(result.artifact))

    def restore(self, result: results.AssetResult, cls: type[T]) -> T | None:
        """A checkpoint's value; None, to be made again, when its bytes or bytes it names are gone or not as stored."""
        try:
            value = self.load(result, cls)
        except CorruptArtifact as error:
            _log.warning(
                "a stored result is damaged and made again", extra={"asset": result.asset, "error": str(error)}
            )
            return None
        damaged = [stored.key for stored in stored_objects(value) if not self.workspace.store.holds(stored)]
        if damaged:
            _log.warning("stored files are damaged and made again", extra={"asset": result.asset, "objects": damaged})
        return None if damaged else value

    def commit(self, asset: str, fingerprint: str, value: object, made_from: MadeFrom) -> StoredObject:
        """Stores a value and makes it the asset's current result, unless a newer attempt owns the video."""
        data = artifacts.encode(value)
        name = f"{asset}{artifacts.suffix_of(type(value))}"
        artifact = self.workspace.keep_bytes(data, "assets", name)
        result = results.AssetResult(
            self.video.video_id,
            asset,
            fingerprint,
            artifact,
            self.video.attempt,
            code_version=made_from.code_version,
            needs=made_from.needs,
            reads=made_from.reads,
        )
        results.commit(self.database, self.tenant_id, result, self.token)
        return artifact

    def report(self, stage: str, asset: str, share: float, message: str = "") -> None:
        progress.report(self.database, self.tenant_id, self.video.video_id, self.token, stage, asset, share, message)

    def say(self, stage: str, level: video_log.Level, message: str) -> None:
        """A line for the tenant."""
        with self.database.tenant_transaction(self.tenant_id) as connection:
            video_log.say(connection, self.tenant_id, self.video.video_id, self.video.attempt, stage, level, message)

    def edits(self) -> tuple[int, list[edits.EditRow]]:
        """The edits of this video's clips so far, and the revision up to which these are all."""
        with self.database.tenant_transaction(self.tenant_id) as connection:
            revision = videos.find(connection, self.video.video_id).edit_revision
            found = edits.of_video(connection, self.video.video_id)
        return max([revision, *(one.revision for one in found)]), found

    def arrived(self, source: StoredObject) -> None:
        """The bytes of a video that was registered by an address are stored."""
        self.video = videos.set_source(self.database, self.tenant_id, self.video.video_id, self.token, source)

    def probed(self, duration_s: Fraction) -> None:
        videos.set_duration(self.database, self.tenant_id, self.video.video_id, self.token, duration_s)

    def complete(self) -> None:
        videos.complete(self.database, self.tenant_id, self.video.video_id, self.token)
        leases.release(self.database, self.tenant_id, self.video.video_id, self.run_id)

    @contextmanager
    def recording_failure(self, tell: Callable[[ClipPlatformError], None]) -> Iterator[None]:
        """Writes a failure to the video's row, so that tenants and operators see it without Dagster, and tells it."""
        try:
            yield
        except Superseded:
            raise  # the row belongs to the newer attempt
        except ClipPlatformError as error:
            self._fail(error)
            tell(error)
            raise
        except Exception as error:
            bug = PermanentError(f"{type(error).__name__}: {error}")
            self._fail(bug)
            tell(bug)
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


@contextmanager
def joined(
    database: Database, store: ObjectStore, scratch: Path, tenant_id: str, video_id: str, run_id: str
) -> Iterator[VideoAttempt]:
    """The run's attempt at the video, which is begun unless it is the current one; scratch is removed afterwards.

    Raises:
        Superseded: a newer run has begun an attempt since this one did.
    """
    token = videos.join_attempt(database, tenant_id, video_id, run_id)
    video = videos.get(database, tenant_id, video_id)
    with Workspace(store, scratch, tenant_id, video_id) as workspace:
        yield VideoAttempt(database, workspace, video, run_id, token)


def never_made(asset: str, video_id: str) -> PermanentError:
    return PermanentError(f"{asset} of video {video_id} was never made; materialise it first")
