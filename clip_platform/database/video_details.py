"""What a tenant may change about a video itself: its name, and whether it is kept beyond its time."""

from __future__ import annotations

from sqlalchemy import Connection, text

# A pinned video has no end; when it is let go it is dated, and announced, anew.
_CHANGE = text("""
    update videos
    set name = coalesce(cast(:name as text), name), pinned = coalesce(cast(:pinned as boolean), pinned),
        expires_at = case when :pinned then null else expires_at end,
        expiry_announced_at = case when :pinned then null else expiry_announced_at end,
        revision = revision + 1, updated_at = now()
    where id = :video_id and state <> 'deleting'""")


def change(connection: Connection, video_id: str, *, name: str | None = None, pinned: bool | None = None) -> None:
    """None: as it is. For a video that the caller has locked."""
    connection.execute(_CHANGE, {"video_id": video_id, "name": name, "pinned": pinned})
