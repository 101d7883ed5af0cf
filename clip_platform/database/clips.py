"""The clips a tenant sees, and the stretches that did not become one, with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from clip_platform.database import events, shown_scores, videos
from clip_platform.database.connection import Database
from clip_platform.database.events import EventType
from clip_platform.database.numbers import decimal_of
from clip_platform.database.shown_scores import Place, ShownScore
from clip_platform.database.videos import VideoRow
from clip_platform.errors import NotFound
from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A published clip. Times are the source's, kept to the microsecond; `files` by name (`video`, `srt`, ...).

    `contributions`: objects `{"feature", "value", "points"}` that sum to `score - baseline`; empty where the score is
    not the heuristic's. `low`, `high`: where it ends with 80 % chance, `band` in a word, `top_chance` its chance to
    be in the best third; None where the heuristic scored. `revision` counts what a
    tenant or a run changed about it; `edit_revision` is the edit of it that the files show, 0 for none.
    """

    clip_id: str
    rank: int
    start_s: Fraction
    end_s: Fraction
    score: float
    title: str
    reasons: tuple[str, ...]
    files: Mapping[str, StoredObject]
    fallbacks: tuple[str, ...]
    model: str
    baseline: float | None = None
    contributions: tuple[Mapping[str, Any], ...] = ()
    text: str = ""
    aspect: str | None = None
    caption_style: str | None = None
    platforms: tuple[str, ...] = ()
    width_px: int | None = None
    height_px: int | None = None
    edit_revision: int = 0
    hashtags: tuple[str, ...] = ()
    summary: str = ""
    signature: bytes = b""
    low: float | None = None
    high: float | None = None
    band: str | None = None
    top_chance: float | None = None
    revision: int = field(default=1, compare=False)
    created_at: datetime | None = field(default=None, compare=False)
    updated_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """A clip as its tenant sees it: `row` with the rank that is shown, and the score that is; None: withheld."""

    row: ClipRow
    score: ShownScore | None


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A stretch that is no clip. `candidate_id` and `score` are None when it was never a candidate, or never scored.

    `row_id` rises with the start within a video, and is what a page begins after.
    """

    candidate_id: str | None
    start_s: Fraction
    end_s: Fraction
    score: float | None
    text: str
    reason: str
    row_id: int | None = field(default=None, compare=False)


_FORGET_OTHERS = text("delete from clips where video_id = :video_id and not clip_id = any(:clip_ids)")
_FORGET_CANDIDATES = text("delete from clip_candidates where video_id = :video_id")
_REMOVED = text("select clip_id from clip_edits where video_id = :video_id and removed")
_SHOWN = text("select clip_id, files -> 'video' ->> 'sha256' as sha256 from clips where video_id = :video_id")
_SET_RENDERED = text("""
    update videos set rendered_revision = greatest(rendered_revision, :revision), updated_at = now()
    where id = :video_id""")
_WRITTEN = (
    *("rank", "start_s", "end_s", "score", "title", "model", "reasons", "files", "fallbacks", "baseline"),
    *("contributions", "text", "aspect", "caption_style", "platforms", "width_px", "height_px", "edit_revision"),
    *("hashtags", "summary", "signature", "low", "high", "band", "top_chance"),
)
_DOCUMENTS = frozenset({"reasons", "files", "fallbacks", "contributions", "platforms", "hashtags"})
# A clip keeps its row: feedback and what clients know of its revision belong to it.
_PUT_CLIP = text(f"""
    insert into clips (video_id, tenant_id, clip_id, {", ".join(_WRITTEN)})
    values (:video_id, :tenant_id, :clip_id, {
    ", ".join(f"cast(:{name} as jsonb)" if name in _DOCUMENTS else f":{name}" for name in _WRITTEN)
})
    on conflict (video_id, clip_id) do update
    set ({", ".join(_WRITTEN)}, revision, updated_at) = (
        {", ".join(f"excluded.{name}" for name in _WRITTEN)}, clips.revision + 1, now())
    where ({", ".join(f"clips.{name}" for name in _WRITTEN)})
        is distinct from ({", ".join(f"excluded.{name}" for name in _WRITTEN)})""")  # noqa: S608
_ADD_CANDIDATE = text("""
    insert into clip_candidates (video_id, tenant_id, candidate_id, start_s, end_s, score, text, reason)
    values (:video_id, :tenant_id, :candidate_id, :start_s, :end_s, :score, :text,
        :reason)""")
_COLUMNS = """clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model, baseline, contributions,
    text, aspect, caption_style, platforms, width_px, height_px, edit_revision, hashtags, summary, signature,
    low, high, band, top_chance, revision, created_at, updated_at"""
_NAMES = tuple(name.strip() for name in _COLUMNS.split(","))
_CLIPS = text(f"select {_COLUMNS} from clips where video_id = :video_id order by rank, clip_id")  # noqa: S608
_CLIP = text(f"select {_COLUMNS} from clips where video_id = :video_id and clip_id = :clip_id")  # noqa: S608
_AS_SHOWN = f"{shown_scores.SHOWN} select {_COLUMNS}, {shown_scores.COLUMNS} from shown"  # noqa: S608
_SHOWN_CLIPS = text(f"{_AS_SHOWN} order by shown_rank, clip_id")
_SHOWN_CLIP = text(f"{_AS_SHOWN} where clip_id = :clip_id")
_SIGNATURES_BEFORE = text("""
    select v.name as video_name, c.start_s, c.signature from clips c join videos v on v.id = c.video_id
    where c.video_id < :video_id and c.signature <> ''
        and v.source_sha256 is distinct from (select source_sha256 from videos where id = :video_id)
    order by c.video_id desc, c.rank limit :most""")
_MOST_SIGNATURES = 20_000
_CANDIDATES = text("""
    select id as row_id, candidate_id, start_s, end_s, score, text, reason from clip_candidates
    where video_id = :video_id and id > :after order by id limit :limit""")


def publish(
    db: Database,
    tenant_id: str,
    video_id: str,
    token: str,
    clips: Sequence[ClipRow],
    rejected: Sequence[CandidateRow],
    edit_revision: int = 0,
) -> None:
    """Makes these the video's clips and candidates, all at once, and tells of every clip whose video is another one.

    By whose scores the video is shown was decided before (`arms`): a score that is withheld is not told of either. A
    clip that its tenant removed meanwhile stays away. `edit_revision` is the video's, up to which edits are in.

    Raises:
        Superseded: the token is not the current attempt's; nothing is written.
    """
    with db.tenant_transaction(tenant_id) as connection:
        video = videos.fenced(connection, video_id, token)
        removed = set(connection.execute(_REMOVED, {"video_id": video_id}).scalars())
        _replace_clips(connection, video, [clip for clip in clips if clip.clip_id not in removed])
        _replace_candidates(connection, video, rejected)
        connection.execute(_SET_RENDERED, {"video_id": video_id, "revision": edit_revision})


def _replace_clips(connection: Connection, video: VideoRow, clips: Sequence[ClipRow]) -> None:
    owner = {"video_id": video.video_id, "tenant_id": video.tenant_id}
    shown = {row.clip_id: row.sha256 for row in connection.execute(_SHOWN, {"video_id": video.video_id})}
    ids = [clip.clip_id for clip in clips]
    connection.execute(_FORGET_OTHERS, {"video_id": video.video_id, "clip_ids": ids})
    for clip in clips:
        connection.execute(_PUT_CLIP, owner | _clip_values(clip))
    place_of = shown_scores.places(connection, video.video_id)
    for clip in clips:
        made = clip.files.get("video")
        if made is not None and shown.get(clip.clip_id) != made.sha256:
            told = _rendered(video, clip, place_of[clip.clip_id])
            events.record(connection, video.tenant_id, EventType.RENDERED, video.video_id, told)


def _rendered(video: VideoRow, clip: ClipRow, place: Place) -> dict[str, Any]:
    """What a receiver learns of a clip; its id, rank and score are those of the API."""
    shown = {"rank": place.rank, "title": clip.title, "score": place.score, "edit_revision": clip.edit_revision}
    times = {"start_s": round(float(clip.start_s), 6), "end_s": round(float(clip.end_s), 6)}
    looks = {"aspect": clip.aspect, "width_px": clip.width_px, "height_px": clip.height_px}
    clip_id = f"{video.video_id}.{clip.clip_id}"
    return events.about(video, video.state.value, clip_id=clip_id, **shown, **times, **looks)


def _replace_candidates(connection: Connection, video: VideoRow, rejected: Sequence[CandidateRow]) -> None:
    owner = {"video_id": video.video_id, "tenant_id": video.tenant_id}
    connection.execute(_FORGET_CANDIDATES, {"video_id": video.video_id})
    by_start = sorted(rejected, key=lambda one: (one.start_s, one.end_s))
    if by_start:
        connection.execute(_ADD_CANDIDATE, [owner | _candidate_values(candidate) for candidate in by_start])


def find(connection: Connection, video_id: str, clip_id: str) -> ClipRow:
    """
    Raises:
        NotFound: the entered tenant has no such clip.
    """
    return _clip(_one(connection, _CLIP, video_id, clip_id))


def of_video(connection: Connection, video_id: str) -> list[ClipRow]:
    """By rank."""
    return [_clip(row) for row in connection.execute(_CLIPS, {"video_id": video_id})]


def find_shown(connection: Connection, video_id: str, clip_id: str) -> ScoredClip:
    """
    Raises:
        NotFound: the entered tenant has no such clip.
    """
    return _scored(_one(connection, _SHOWN_CLIP, video_id, clip_id))


def shown_of_video(connection: Connection, video_id: str) -> list[ScoredClip]:
    """By the rank that is shown; all of one moment, so that scores of two versions never stand beside each other."""
    return [_scored(row) for row in connection.execute(_SHOWN_CLIPS, {"video_id": video_id})]


def candidates(
    connection: Connection, video_id: str, after: int | None = None, limit: int | None = None
) -> list[CandidateRow]:
    """What did not become a clip, by start; `after` is the last `row_id` of the page before."""
    values = {"video_id": video_id, "after": after or 0, "limit": limit}
    return [_candidate(row) for row in connection.execute(_CANDIDATES, values)]


def list_clips(db: Database, tenant_id: str, video_id: str) -> list[ClipRow]:
    """By rank."""
    with db.tenant_transaction(tenant_id) as connection:
        return of_video(connection, video_id)


@dataclass(frozen=True, slots=True)
class ClipSignature:
    """Of a clip of an earlier video: its name for people, and `selection.duplicates`' signature."""

    video_name: str
    start_s: Fraction
    signature: bytes


def signatures_before(db: Database, tenant_id: str, video_id: str) -> list[ClipSignature]:
    """Of the tenant's clips of videos that are older than this one and have another source; the newest 20,000."""
    values = {"video_id": video_id, "most": _MOST_SIGNATURES}
    with db.tenant_transaction(tenant_id) as connection:
        rows = connection.execute(_SIGNATURES_BEFORE, values)
        return [ClipSignature(row.video_name, Fraction(row.start_s), bytes(row.signature)) for row in rows]


def list_candidates(db: Database, tenant_id: str, video_id: str) -> list[CandidateRow]:
    """By start."""
    with db.tenant_transaction(tenant_id) as connection:
        return candidates(connection, video_id)


def _one(connection: Connection, statement: TextClause, video_id: str, clip_id: str) -> Row[Any]:
    row = connection.execute(statement, {"video_id": video_id, "clip_id": clip_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no clip {video_id}.{clip_id}; list the video's clips to find its id")
    return row


def _clip_values(clip: ClipRow) -> dict[str, Any]:
    values = {name: getattr(clip, name) for name in ("clip_id", *_WRITTEN)}
    values["files"] = {name: asdict(stored) for name, stored in clip.files.items()}
    values |= {name: json.dumps(values[name]) for name in _DOCUMENTS}
    return {**values, "start_s": decimal_of(clip.start_s), "end_s": decimal_of(clip.end_s)}


def _candidate_values(candidate: CandidateRow) -> dict[str, Any]:
    times = {"start_s": decimal_of(candidate.start_s), "end_s": decimal_of(candidate.end_s)}
    words = {"score": candidate.score, "text": candidate.text, "reason": candidate.reason}
    return {"candidate_id": candidate.candidate_id, **words, **times}


def _scored(row: Row[Any]) -> ScoredClip:
    return ScoredClip(replace(_clip(row), rank=row.shown_rank), shown_scores.shown_score(row))


def _clip(row: Row[Any]) -> ClipRow:
    values: dict[str, Any] = {name: getattr(row, name) for name in _NAMES}
    values["files"] = {name: StoredObject(**stored) for name, stored in row.files.items()}
    values |= {name: tuple(values[name]) for name in ("reasons", "fallbacks", "contributions", "platforms", "hashtags")}
    values["signature"] = bytes(row.signature)
    return ClipRow(**values | _times(row))


def _candidate(row: Row[Any]) -> CandidateRow:
    values: dict[str, Any] = dict(row._mapping)
    return CandidateRow(**values | _times(row))


def _times(row: Row[Any]) -> dict[str, Any]:
    return {"start_s": Fraction(row.start_s), "end_s": Fraction(row.end_s)}
