"""Copies finished clips to the tenants' own buckets. A bucket that fails is tried again later; the video is done
whatever becomes of its copies.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clip_platform.database import clips, destination_copies, destinations
from clip_platform.database.connection import Database
from clip_platform.database.destination_copies import DueCopy
from clip_platform.delivery.packages import MEDIA_TYPE_BY_KIND, SUFFIX_BY_KIND
from clip_platform.encryption.columns import ColumnCipher
from clip_platform.errors import CorruptArtifact, DestinationFailed, NotFound, UnsafeAddress
from clip_platform.identifiers import StoredObject
from clip_platform.storage.destinations import Bucket, Credentials, open_bucket, place_of
from clip_platform.storage.objects import ObjectStore

AT_ONCE = 20
"""Clips of one job; a tenant with more waits behind the others."""
ATTEMPTS = 12
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copier:
    """`listed`: endpoints beside the providers' own that the operator lets tenants write to."""

    database: Database
    object_store: ObjectStore
    columns: ColumnCipher
    listed: frozenset[str]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def copy_due(self, tenant_id: str) -> int:
        """Copies what is due for a tenant; how many clips were written. Killed in between, the rest is copied again,
        over what was written.

        Raises:
            StorageUnavailable: our own store or database; to be tried again.
        """
        with self.database.tenant_transaction(tenant_id) as connection:
            found = destination_copies.due(connection, self.clock(), AT_ONCE)
        failing: set[str] = set()
        written = 0
        for copy in found:
            if copy.destination_id in failing:
                continue
            try:
                written += self._copy(tenant_id, copy)
            except (DestinationFailed, UnsafeAddress) as error:
                failing.add(copy.destination_id)
                self._destination_failed(tenant_id, copy, error.message)
        return written

    def _copy(self, tenant_id: str, copy: DueCopy) -> bool:
        """Whether it was written; not when there is nothing to write."""
        try:
            bucket, files = self._prepared(tenant_id, copy)
            for kind in sorted(files, key=lambda kind: kind == "video"):  # whoever sees the video sees all of it
                self._write(bucket, copy, kind, files[kind])
        except (NotFound, CorruptArtifact) as error:
            self._failed(tenant_id, copy, error.message)
            return False
        with self.database.tenant_transaction(tenant_id) as connection:
            destination_copies.written(connection, copy, self.clock())
            destinations.went_well(connection, copy.destination_id, self.clock())
        return True

    def _prepared(self, tenant_id: str, copy: DueCopy) -> tuple[Bucket, Mapping[str, StoredObject]]:
        with self.database.tenant_transaction(tenant_id) as connection:
            row = destinations.get(connection, copy.destination_id)
            files = clips.find(connection, copy.video_id, copy.clip_id).files
        credentials = Credentials.from_json(destinations.credentials_of(self.columns, row))
        bucket = open_bucket(place_of(row.kind, row.location), credentials, self.listed)
        return bucket, {kind: stored for kind, stored in files.items() if kind in SUFFIX_BY_KIND}

    def _write(self, bucket: Bucket, copy: DueCopy, kind: str, stored: StoredObject) -> None:
        """Under a name that stays the same when the clip is rendered again, so that the new one takes its place."""
        name = f"{copy.video_id}/{copy.clip_id}/clip{SUFFIX_BY_KIND[kind]}"
        chunks = _checked(self.object_store.open_stream(stored.key), stored)
        bucket.write(name, chunks, stored.size_bytes, MEDIA_TYPE_BY_KIND[kind])

    def _destination_failed(self, tenant_id: str, copy: DueCopy, error: str) -> None:
        next_at = self._failed(tenant_id, copy, error)
        with self.database.tenant_transaction(tenant_id) as connection:
            destinations.went_wrong(connection, copy.destination_id, error)
            destination_copies.wait(connection, copy.destination_id, next_at)

    def _failed(self, tenant_id: str, copy: DueCopy, error: str) -> datetime:
        """When the next attempt is, or would be."""
        _log.warning("a clip could not be copied", extra={"destination": copy.destination_id, "error": error})
        next_at = self.clock() + min(_FIRST_WAIT * 2**copy.attempts, _LONGEST_WAIT)
        over = copy.attempts + 1 >= ATTEMPTS
        with self.database.tenant_transaction(tenant_id) as connection:
            destination_copies.failed(connection, copy, error, self.clock(), None if over else next_at)
        return next_at


def _checked(chunks: Iterator[bytes], stored: StoredObject) -> Iterator[bytes]:
    """What is not what was stored is not passed off as a clip: the last read fails, and the write with it."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != stored.sha256:
        raise CorruptArtifact(f"object {stored.key} is not what was stored; the clip has to be made again")
