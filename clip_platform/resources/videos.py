"""The resource behind every step: where videos' rows and bytes are. Database and store are loaded when first used."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from clip_platform.errors import InvalidInput
from clip_platform.identifiers import StoredObject
from clip_platform.progress import OnProgress
from clip_platform.resources.connections import DatabaseResource, ObjectStoreResource
from clip_platform.upload.acceptance import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from clip_platform.database.recovery import FailedVideo
    from clip_platform.resources.attempts import VideoAttempt
    from clip_platform.resources.stage_run import MadeFrom
    from clip_platform.storage.objects import ObjectStore

T = TypeVar("T")


class VideosResource(dg.ConfigurableResource):
    """Where videos' rows and bytes are, where a step may put temporary files, and what is taken as a video.
    `outbound_allow`: networks beside the public internet that sources may be fetched from."""

    database: dg.ResourceDependency[DatabaseResource]
    object_store: dg.ResourceDependency[ObjectStoreResource]
    scratch: str
    max_upload_bytes: int = DEFAULT_LIMITS.max_bytes
    max_upload_duration_s: float = DEFAULT_LIMITS.max_duration_s
    outbound_allow: str = ""

    @property
    def limits(self) -> Limits:
        return Limits(max_bytes=self.max_upload_bytes, max_duration_s=self.max_upload_duration_s)

    def store(self) -> "ObjectStore":
        """Its uses of tenants' keys are in their audit trails."""
        return self.object_store.get(self.database.get())

    @contextmanager
    def attempt(self, video_id: str, run_id: str) -> Iterator["VideoAttempt"]:
        """Joins the run's attempt at the video, or begins one.

        Raises:
            AlreadyRunning: another live process works on the video.
            Superseded: a newer run has begun an attempt since this one did.
            InvalidInput: there is no such video.
        """
        from clip_platform.resources.heartbeat import keep_lease

        tenant_id = self.tenant_of(video_id)
        # the lease first: beginning an attempt fences the older one, which may be alive and well
        keep_lease(self.database.get(), tenant_id, video_id, run_id)
        with self._joined(tenant_id, video_id, run_id) as attempt:
            yield attempt

    def fetch_source(self, attempt: "VideoAttempt", on_progress: OnProgress) -> StoredObject:
        """Fetches a video that was registered by an address; see `resources.fetching`."""
        from clip_platform.encryption.opening import keys_at
        from clip_platform.network.addresses import Allowed
        from clip_platform.network.http import outbound
        from clip_platform.resources.fetching import fetch_source

        store = self.object_store
        columns = keys_at(store.master_key, store.keys_url, make=store.make_master).columns
        allowed = Allowed.parse(self.outbound_allow)
        return fetch_source(attempt, columns, outbound(allowed), self.max_upload_bytes, on_progress)

    def committed(
        self, video_id: str, run_id: str, asset: str, fingerprint: str, value: Any, made_from: "MadeFrom"
    ) -> StoredObject:
        """Commits one value of a run's attempt; for the IO manager."""
        with self._joined(self.tenant_of(video_id), video_id, run_id) as attempt:
            return attempt.commit(asset, fingerprint, value, made_from)

    def loaded(self, video_id: str, asset: str, cls: type[T]) -> T:
        """The current value of an asset."""
        from clip_platform.database import results
        from clip_platform.resources.attempts import never_made
        from clip_platform.storage import artifacts

        result = results.current(self.database.get(), self.tenant_of(video_id), video_id, asset)
        if result is None:
            raise never_made(asset, video_id)
        return artifacts.decode(cls, self.store().get_bytes(result.artifact))

    def abandon(self, video_id: str, run_id: str, reason: str, attempt: int | None = None) -> bool:
        """Records that a run died without a word; False when the video is not that run's any more."""
        from clip_platform.database import recovery

        return recovery.abandon(self.database.get(), self.tenant_of(video_id), video_id, run_id, reason, attempt)

    def requeue(self, video_id: str) -> None:
        """Gives a video all its chances again.

        Raises:
            NotFound: there is no such video.
            Conflict: it is being processed.
        """
        from clip_platform.database import videos

        videos.requeue(self.database.get(), self.tenant_of(video_id), video_id)

    def resubmit(self, failed: Sequence["FailedVideo"]) -> list[str]:
        """Submits videos again; ids of those that were still waiting for it."""
        from clip_platform.database import recovery

        database = self.database.get()
        return [one.video_id for one in failed if recovery.resubmit(database, one.tenant_id, one.video_id)]

    def tenant_of(self, video_id: str) -> str:
        """
        Raises:
            InvalidInput: there is no such video.
        """
        from clip_platform.database import videos

        tenant_id = videos.tenant_of(self.database.get(), video_id)
        if tenant_id is None:
            raise InvalidInput(f"video {video_id} is not in the database; submit it first, or delete its partition")
        return tenant_id

    @contextmanager
    def _joined(self, tenant_id: str, video_id: str, run_id: str) -> Iterator["VideoAttempt"]:
        from clip_platform.resources.attempts import joined

        where = (self.database.get(), self.store(), Path(self.scratch))
        with joined(*where, tenant_id, video_id, run_id) as attempt:
            yield attempt
