"""What a store must do to take a file in parts from a client that holds no credentials of ours.

The client asks for signed addresses and sends each part straight to the store; the platform never carries the bytes.
Keys are whole: `<tenant>/videos/<video_id>/source/upload`. Databases and HTTP are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

MAX_PARTS = 10_000
"""Of one upload: S3's limit, which is the lowest (Azure takes 50 000 blocks)."""

MAX_EXPIRY_S = 7 * 24 * 3600
"""Of a signed address: the longest that S3's signature version 4 can say."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part as the client announced it.

    Attributes:
        number: from 1.
        size_bytes: exact; the signature holds the client to it where the store can.
        md5: base64 of the 16 bytes, as in Content-MD5.
    """

    number: int
    size_bytes: int
    md5: str


@dataclass(frozen=True, slots=True)
class SignedPart:
    """What the client must send: a PUT to `url` with exactly these headers."""

    number: int
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that lies in the store.

    Attributes:
        md5: base64; None where the store keeps none. The announced one is then trusted only after verification.
    """

    number: int
    size_bytes: int
    md5: str | None


class PartStore(Protocol):
    """Uploads in parts and downloads by signed address, on one object store.

    Every method that reaches the store raises `StorageUnavailable` when it does not answer, and `UploadExpired` when
    it no longer knows the upload.
    """

    def begin(self, key: str, content_type: str, size_bytes: int, part_count: int) -> str:
        """Open an upload; the store's own id of it.

        Raises:
            LimitExceeded: more than `MAX_PARTS` parts.
        """
        ...

    def sign_parts(self, key: str, upload_id: str, parts: Sequence[Part], expires_in_s: int) -> list[SignedPart]:
        """Addresses to send these parts to, in the order asked for. No network."""
        ...

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """What has arrived, by number; for a client that resumes."""
        ...

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Join the parts to one object. Doing it twice is doing it once.

        Raises:
            ChecksumMismatch: a stored part is not what was announced.
            Conflict: a part is missing.
        """
        ...

    def abort(self, key: str, upload_id: str) -> None:
        """Forget the upload and its parts. Doing it twice is doing it once; a completed object stays."""
        ...

    def abort_all(self, tenant_id: str) -> int:
        """Forget every upload of the tenant's that was begun, also those nobody remembers; how many."""
        ...

    def delete_versions(self, tenant_id: str) -> int:
        """Delete every object of the tenant's with all its versions, where a bucket keeps them: there deleting through
        the object store only hides. How many; 0 for a store that keeps none, or whose versions go by its own policy."""
        ...

    def sign_download(self, key: str, file_name: str, content_type: str, expires_in_s: int) -> str:
        """An address that answers GET, ranges too, with a Content-Disposition that saves under `file_name`."""
        ...
