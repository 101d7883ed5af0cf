"""Where the learning loop's tables are: rows in Postgres seen by the learner and the rescorer, files by tenant and day
in the object store, sealed with the tenant's key, so that a tenant's examples go with its key."""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.resources.connections import DatabaseResource
from clip_platform.resources.videos import VideosResource

if TYPE_CHECKING:
    from clip_platform.database.connection import Database
    from clip_platform.database.learning import MadeClip
    from clip_platform.identifiers import StoredObject
    from clip_platform.ml.tables import Kind
    from clip_platform.scoring.features import ClipFeatures
    from clip_platform.storage.objects import ObjectStore


class LearningResource(dg.ConfigurableResource):
    """`videos`: whose store keeps the files. Written files replace those of the same tenant and day."""

    videos: dg.ResourceDependency[VideosResource]
    learner: dg.ResourceDependency[DatabaseResource]
    rescorer: dg.ResourceDependency[DatabaseResource]

    def rows(self) -> "Database":
        """The learner's door."""
        return self.learner.get()

    def scores(self) -> "Database":
        """The rescorer's door."""
        return self.rescorer.get()

    def store(self) -> "ObjectStore":
        return self.videos.store()

    def tenants(self) -> list[str]:
        from clip_platform.database import learning

        return learning.tenant_ids(self.rows())

    def put(self, kind: "Kind", tenant_id: str, day: date, data: bytes) -> "StoredObject":
        return self.store().put_bytes(_key(kind, tenant_id, day), data)

    def drop(self, kind: "Kind", tenant_id: str, day: date) -> None:
        """Twice is once."""
        self.store().delete(_key(kind, tenant_id, day))

    def get(self, kind: "Kind", tenant_id: str, day: date) -> bytes | None:
        """None where nothing was made that day, or the asset was not materialised."""
        store, key = self.store(), _key(kind, tenant_id, day)
        return b"".join(store.open_stream(key)) if store.exists(key) else None

    def days(self, kind: "Kind", tenant_id: str) -> list[date]:
        """Days that have a file, oldest first."""
        keys = self.store().list_keys(_folder(kind, tenant_id))
        return sorted(date.fromisoformat(key.rsplit("/", 1)[1].removesuffix(_SUFFIX)) for key in keys)

    def features_of(self, clip: "MadeClip") -> "ClipFeatures":
        """Of all candidates of the clip's video, as they were when its clips were made."""
        from clip_platform.scoring.features import ClipFeatures

        return self.videos.loaded(clip.video_id, "clip_features", ClipFeatures)


_SUFFIX = ".parquet"


def _folder(kind: "Kind", tenant_id: str) -> str:
    """Features of another digest are other files: code of two versions may run side by side."""
    if kind == "feedback":
        return f"{tenant_id}/learning/feedback"
    from clip_platform.scoring.features import feature_digest

    return f"{tenant_id}/learning/{kind}-{feature_digest()}"


def _key(kind: "Kind", tenant_id: str, day: date) -> str:
    return f"{_folder(kind, tenant_id)}/{day.isoformat()}{_SUFFIX}"
