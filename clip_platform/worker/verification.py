"""Whether what arrived is what was announced: size, every part's MD5, and the whole file's SHA-256 when given.

Only a verified video is submitted. A store's word is not taken: under SSE-KMS an ETag is no MD5, and a SAS binds none.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from clip_platform.database import events, uploads, usage
from clip_platform.database.connection import Database
from clip_platform.database.events import EventType
from clip_platform.database.uploads import AnnouncedPart, Session
from clip_platform.errors import ChecksumMismatch, CorruptArtifact, NotFound
from clip_platform.storage.objects import ObjectStore
from clip_platform.upload.parts import Cut, named
from clip_platform.upload.states import VideoState


@dataclass(frozen=True, slots=True)
class _Found:
    sha256: str
    size_bytes: int


def verify(database: Database, object_store: ObjectStore, tenant_id: str, video_id: str) -> VideoState | None:
    """Reads an uploaded object once, in constant memory; submits its video or rejects it. Doing it twice is doing it
    once. Returns the video's state, None when it is gone.

    Raises:
        StorageUnavailable: nothing is decided; to be tried again.
    """
    try:
        with database.tenant_transaction(tenant_id) as connection:
            session, parts = uploads.find(connection, video_id), uploads.announced(connection, video_id)
        if session.state is not VideoState.VERIFYING:
            return _without_refused_bytes(object_store, session)
        found = _compare(object_store, session, parts)
        with database.tenant_transaction(tenant_id) as connection:
            _settle(connection, tenant_id, session, found)
            session = uploads.find(connection, video_id)
    except NotFound:
        return None
    return _without_refused_bytes(object_store, session)


def _without_refused_bytes(object_store: ObjectStore, session: Session) -> VideoState:
    """Also where an earlier attempt was killed before it could."""
    if session.state is VideoState.REJECTED:
        object_store.delete(session.object_key)
    return session.state


def _settle(connection: Connection, tenant_id: str, session: Session, found: _Found | str) -> None:
    video_id = session.video_id
    if isinstance(found, str):
        error = {"class": ChecksumMismatch.__name__, "message": found}
        if uploads.reject(connection, video_id, error["class"], found):
            told = {"video_id": video_id, "state": VideoState.REJECTED.value, "attempt": 0, "error": error}
            events.record(connection, tenant_id, EventType.FAILED, video_id, told)
    elif uploads.accept(connection, video_id, session.object_key, found.sha256, found.size_bytes):
        usage.charge(connection, f"stored/{video_id}", "stored_bytes", found.size_bytes, video_id)


def _compare(object_store: ObjectStore, session: Session, parts: Sequence[AnnouncedPart]) -> _Found | str:
    """What was found, or what is wrong with it."""
    try:
        return read_and_check(object_store.open_stream(session.object_key), session, parts)
    except (ChecksumMismatch, CorruptArtifact) as error:  # the second: gone, or sealed bytes that do not open
        return error.message


def read_and_check(chunks: Iterable[bytes], session: Session, parts: Sequence[AnnouncedPart]) -> _Found:
    """
    Raises:
        ChecksumMismatch: names the part, or what else differs.
    """
    whole = hashlib.sha256()
    part_digests = _PartDigests(session.whole)
    for chunk in chunks:
        whole.update(chunk)
        part_digests.update(chunk)
    found = _Found(whole.hexdigest(), part_digests.size_bytes)
    if found.size_bytes != session.whole.size_bytes:
        raise ChecksumMismatch(
            f"{found.size_bytes} bytes arrived, {session.whole.size_bytes} were announced; upload the file again"
        )
    announced = {part.number: part.md5 for part in parts}
    differing = [number for number, md5 in part_digests.ended().items() if announced.get(number) != md5]
    if differing:
        raise ChecksumMismatch(
            f"part {named(differing)} arrived with other bytes than announced; upload the file again"
        )
    if session.sha256 not in (None, found.sha256):
        raise ChecksumMismatch(
            f"the file arrived with SHA-256 {found.sha256}, announced was {session.sha256}; upload the file again"
        )
    return found


class _PartDigests:
    """MD5 of each part, base64, of bytes that come in pieces of any size."""

    def __init__(self, whole: Cut) -> None:
        self.size_bytes = 0
        self._part_size_bytes = whole.part_size_bytes
        self._digests: dict[int, str] = {}
        self._open = _md5()

    def update(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            room_bytes = self._part_size_bytes - self.size_bytes % self._part_size_bytes
            piece, rest = rest[:room_bytes], rest[room_bytes:]
            self._open.update(piece)
            self.size_bytes += len(piece)
            if self.size_bytes % self._part_size_bytes == 0:
                self._end_part()

    def ended(self) -> dict[int, str]:
        """By part number; nothing more may be added."""
        if self.size_bytes % self._part_size_bytes:
            self._end_part()
        return self._digests

    def _end_part(self) -> None:
        self._digests[len(self._digests) + 1] = base64.b64encode(self._open.digest()).decode()
        self._open = _md5()


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)
