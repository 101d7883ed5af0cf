"""Values that stages left in the object store, as routes read them."""

from __future__ import annotations

from typing import TypeVar

from clip_platform.api.access import TenantSession
from clip_platform.database import results
from clip_platform.errors import Conflict
from clip_platform.storage import artifacts

T = TypeVar("T")


def find(session: TenantSession, video_id: str, asset: str, cls: type[T]) -> T | None:
    """The asset's latest value; None when it has not been made."""
    for result in results.all_current(session.connection, video_id):
        if result.asset == asset:
            return artifacts.decode(cls, session.services.object_store.get_bytes(result.artifact))
    return None


def current(session: TenantSession, video_id: str, asset: str, cls: type[T]) -> T:
    """
    Raises:
        Conflict: it has not been made yet.
    """
    value = find(session, video_id, asset, cls)
    if value is None:
        raise Conflict(
            f"the {asset.replace('_', ' ')} of video {video_id} is not made yet; ask again when it is further"
        )
    return value
