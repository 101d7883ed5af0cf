"""What tenants want of clips otherwise than the machine chose, until a run has rendered it.

Each edit raises its video's `edit_revision`; a run renders all there are at once and says up to which revision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Literal, TypedDict, Unpack

from sqlalchemy import Connection, Row, text

from clip_platform.database.numbers import decimal_of
from clip_platform.database.videos import VideoRow
from clip_platform.errors import NotFound


class Changes(TypedDict, total=False):
    """What is not named stays as it is; None: as the machine chose. Times are the source's, in seconds."""

    start_s: Fraction | None
    end_s: Fraction | None
    title: str | None
    aspect: str | None
    caption_style: str | None
    platforms: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class EditRow:
    """A clip's edits; None: as the machine chose. `revision` is the video's edit revision when it was last written."""

    clip_id: str
    revision: int
    start_s: Fraction | None
    end_s: Fraction | None
    title: str | None
    aspect: str | None
    caption_style: str | None
    platforms: tuple[str, ...] | None
    removed: bool
    updated_at: datetime


_COLUMNS = "clip_id, revision, start_s, end_s, title, aspect, caption_style, platforms, removed, updated_at"
_NEXT = text("""
    update videos set edit_revision = edit_revision + 1, updated_at = now()
    where id = :video_id and state <> 'deleting' returning tenant_id, edit_revision""")
_KNOWN = text("select from clips where video_id = :video_id and clip_id = :clip_id")
_TOUCH = text("""
    insert into clip_edits (video_id, tenant_id, clip_id, revision)
    values (:video_id, :tenant_id, :clip_id, :revision)
    on conflict (video_id, clip_id) do update set revision = excluded.revision, updated_at = now()""")
_SET_TIMES = text("""
    update clip_edits set
        start_s = case when :has_start_s then cast(:start_s as numeric) else start_s end,
        end_s = case when :has_end_s then cast(:end_s as numeric) else end_s end
    where video_id = :video_id and clip_id = :clip_id""")
_SET_LOOKS = text("""
    update clip_edits set
        title = case when :has_title then cast(:title as text) else title end,
        aspect = case when :has_aspect then cast(:aspect as text) else aspect end,
        caption_style = case when :has_caption_style then cast(:caption_style as text) else caption_style end,
        platforms = case when :has_platforms then cast(:platforms as jsonb) else platforms end
    where video_id = :video_id and clip_id = :clip_id""")
_REMOVE = text("update clip_edits set removed = true where video_id = :video_id and clip_id = :clip_id")
_HIDE = text("delete from clips where video_id = :video_id and clip_id = :clip_id")
_OF_VIDEO = text(f"select {_COLUMNS} from clip_edits where video_id = :video_id order by clip_id")  # noqa: S608


def put(connection: Connection, video_id: str, clip_id: str, **changes: Unpack[Changes]) -> int:
    """Writes what is to be otherwise about a clip; the revision it will be rendered in.

    Raises:
        NotFound: the entered tenant has no such clip.
    """
    identity = {"video_id": video_id, "clip_id": clip_id}
    revision = _touch(connection, identity)
    times = {"start_s": changes.get("start_s"), "end_s": changes.get("end_s")}
    looks = {name: changes.get(name) for name in ("title", "aspect", "caption_style")}
    platforms = changes.get("platforms")
    named = {f"has_{name}": name in changes for name in Changes.__annotations__}
    plain = {name: None if moment is None else decimal_of(moment) for name, moment in times.items()}
    document = None if platforms is None else json.dumps(list(platforms))
    connection.execute(_SET_TIMES, {**identity, **named, **plain})
    connection.execute(_SET_LOOKS, {**identity, **named, **looks, "platforms": document})
    return revision


def remove(connection: Connection, video_id: str, clip_id: str) -> int:
    """Takes a clip away at once and for good; the revision in which the rest is published without it.

    Raises:
        NotFound: the entered tenant has no such clip.
    """
    identity = {"video_id": video_id, "clip_id": clip_id}
    revision = _touch(connection, identity)
    connection.execute(_REMOVE, identity)
    connection.execute(_HIDE, identity)
    return revision


def of_video(connection: Connection, video_id: str) -> list[EditRow]:
    """By clip id."""
    return [_edit(row) for row in connection.execute(_OF_VIDEO, {"video_id": video_id})]


def rendering_state(video: VideoRow, revision: int) -> Literal["ready", "rendering", "failed"]:
    """Where an edit of this revision is: its clip is published, is going to be, or cannot be and is as it was."""
    if revision <= video.rendered_revision:
        return "ready"
    return "failed" if revision <= video.failed_revision else "rendering"


def _touch(connection: Connection, identity: Mapping[str, str]) -> int:
    video = connection.execute(_NEXT, {"video_id": identity["video_id"]}).one_or_none()
    if video is None or not connection.execute(_KNOWN, identity).rowcount:
        raise NotFound(
            f"there is no clip {identity['video_id']}.{identity['clip_id']}; list the video's clips to find its id"
        )
    connection.execute(_TOUCH, {**identity, "tenant_id": video.tenant_id, "revision": video.edit_revision})
    revision: int = video.edit_revision
    return revision


def _edit(row: Row[Any]) -> EditRow:
    values: dict[str, Any] = dict(row._mapping)
    values |= {name: None if values[name] is None else Fraction(values[name]) for name in ("start_s", "end_s")}
    values["platforms"] = None if row.platforms is None else tuple(row.platforms)
    return EditRow(**values)
