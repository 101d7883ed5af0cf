"""A clip as its tenant sees it: what is published, with the edits over it that are not rendered yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from clip_platform.api import stored_values
from clip_platform.api.access import TenantSession
from clip_platform.database import clips, edits, videos
from clip_platform.database.clips import ClipRow, ScoredClip
from clip_platform.database.edits import EditRow
from clip_platform.database.shown_scores import ShownScore
from clip_platform.database.videos import VideoRow
from clip_platform.errors import InvalidInput, NotFound
from clip_platform.selection.choice import SelectedClips
from clip_platform.upload.preferences import LONGEST_CLIP_S, SHORTEST_CLIP_S

RenderingState = Literal["ready", "rendering", "failed"]


@dataclass(frozen=True, slots=True)
class ShownClip:
    """`row` says what is wanted; `state`, whether the files show it already. `score` None: it is withheld."""

    video_id: str
    row: ClipRow
    score: ShownScore | None
    state: RenderingState
    version: str
    """Changes with whatever a tenant or a run changes."""

    @property
    def public_id(self) -> str:
        return f"{self.video_id}.{self.row.clip_id}"


def split_id(public_id: str) -> tuple[str, str]:
    """Video and clip of an id as the API gives it out.

    Raises:
        NotFound: it is no such id.
    """
    video_id, dot, clip_id = public_id.partition(".")
    if not (video_id and dot and clip_id):
        raise NotFound(f"there is no clip {public_id[:100]}; a clip's id is VIDEO.CLIP, as the video's clips list it")
    return video_id, clip_id


def find(session: TenantSession, public_id: str) -> ShownClip:
    """
    Raises:
        NotFound.
    """
    video_id, clip_id = split_id(public_id)
    clip = clips.find_shown(session.connection, video_id, clip_id)
    video = videos.find(session.connection, video_id)
    return _shown(video, clip, edit_of(session, video_id, clip_id))


def locked(session: TenantSession, public_id: str) -> ShownClip:
    """As `find`; nobody else edits the video's clips, and no run publishes them, until the transaction ends."""
    videos.locked(session.connection, find(session, public_id).video_id)
    return find(session, public_id)


def of_video(session: TenantSession, video_id: str) -> list[ShownClip]:
    """By the rank that is shown."""
    video = videos.find(session.connection, video_id)
    by_clip = {edit.clip_id: edit for edit in edits.of_video(session.connection, video_id)}
    found = clips.shown_of_video(session.connection, video_id)
    return [_shown(video, clip, by_clip.get(clip.row.clip_id)) for clip in found]


def edit_of(session: TenantSession, video_id: str, clip_id: str) -> EditRow | None:
    return next((edit for edit in edits.of_video(session.connection, video_id) if edit.clip_id == clip_id), None)


def change(session: TenantSession, shown: ShownClip, changes: Mapping[str, Any]) -> ShownClip:
    """Keeps the edit, to be rendered soon; the clip as it will be.

    Raises:
        InvalidInput: it would lie outside the source, or be too short or too long.
    """
    video_id, clip_id = shown.video_id, shown.row.clip_id
    if changes.keys() & {"start_s", "end_s"}:
        _expect_fitting(session, shown, changes)
    edits.put(session.connection, video_id, clip_id, **changes)
    return find(session, shown.public_id)


def remove(session: TenantSession, public_id: str) -> bool:
    """Takes the clip away for good; False when that was done before.

    Raises:
        NotFound.
    """
    video_id, clip_id = split_id(public_id)
    edit = edit_of(session, video_id, clip_id)
    if edit is not None and edit.removed:
        return False
    locked(session, public_id)
    edits.remove(session.connection, video_id, clip_id)
    return True


def _shown(video: VideoRow, clip: ScoredClip, edit: EditRow | None) -> ShownClip:
    row = clip.row
    if edit is None:
        return ShownClip(video.video_id, row, clip.score, "ready", str(row.revision))
    state = edits.rendering_state(video, edit.revision)
    wanted = row if state == "ready" else _overlaid(row, edit)
    return ShownClip(video.video_id, wanted, clip.score, state, f"{row.revision}-{edit.revision}")


def _overlaid(row: ClipRow, edit: EditRow) -> ClipRow:
    named = {
        name: getattr(edit, name) for name in ("start_s", "end_s", "title", "aspect", "caption_style", "platforms")
    }
    return replace(row, **{name: value for name, value in named.items() if value is not None})


def _expect_fitting(session: TenantSession, shown: ShownClip, changes: Mapping[str, Any]) -> None:
    edit = edit_of(session, shown.video_id, shown.row.clip_id)
    start_s, end_s = (changes.get(name, getattr(edit, name, None)) for name in ("start_s", "end_s"))
    if start_s is None and end_s is None:
        return
    if start_s is None or end_s is None:
        chosen_start_s, chosen_end_s = _chosen(session, shown)
        start_s, end_s = (
            start_s if start_s is not None else chosen_start_s,
            end_s if end_s is not None else chosen_end_s,
        )
    _expect_within(start_s, end_s, videos.find(session.connection, shown.video_id).duration_s)


def _chosen(session: TenantSession, shown: ShownClip) -> tuple[Fraction, Fraction]:
    """Where the machine cut the clip."""
    selected = stored_values.find(session, shown.video_id, "selected_clips", SelectedClips)
    for clip in selected.clips if selected else ():
        if clip.clip_id == shown.row.clip_id:
            return clip.span.start, clip.span.end
    return shown.row.start_s, shown.row.end_s


def _expect_within(start_s: Fraction, end_s: Fraction, source_s: Fraction | None) -> None:
    duration_s = float(end_s - start_s)
    if not SHORTEST_CLIP_S <= duration_s <= LONGEST_CLIP_S:
        raise InvalidInput(
            f"from start_s {float(start_s):g} to end_s {float(end_s):g} it lasts {duration_s:g} s; a clip lasts "
            f"{SHORTEST_CLIP_S:g} to {LONGEST_CLIP_S:g} s"
        )
    if source_s is not None and end_s > source_s:
        raise InvalidInput(f"end_s {float(end_s):g} is after the end of the video, which lasts {float(source_s):g} s")
