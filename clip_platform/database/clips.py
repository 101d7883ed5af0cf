"""The clips a tenant sees, and the stretches that did not become one, with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, text

from clip_platform.database import videos
from clip_platform.database.connection import Database
from clip_platform.errors import NotFound
from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A published clip. Times are the source's, kept to the microsecond; `files` by name (`video`, `srt`, ...).

    `contributions`: objects `{"feature", "value", "points"}` that sum to `score - baseline`. `revision` counts what a
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
    revision: int = field(default=1, compare=False)
    created_at: datetime | None = field(default=None, compare=False)
    updated_at: datetime | None = field(default=None, compare=False)


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


_CLEAR = (
    text("delete from clips where video_id = :video_id"),
    text("delete from clip_candidates where video_id = :video_id"),
)
_ADD_CLIP = text("""
    insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks,
        model)
    values (:video_id, :tenant_id, :clip_id, :rank, :start_s, :end_s, :score, :title,
        cast(:reasons as jsonb), cast(:files as jsonb), cast(:fallbacks as jsonb), :model)""")
_ADD_CANDIDATE = text("""
    insert into clip_candidates (video_id, tenant_id, candidate_id, start_s, end_s, score, text, reason)
    values (:video_id, :tenant_id, :candidate_id, :start_s, :end_s, :score, :text,
        :reason)""")
_COLUMNS = """clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model, baseline, contributions,
    text, aspect, caption_style, platforms, width_px, height_px, edit_revision, revision, created_at, updated_at"""
_CLIPS = text(f"select {_COLUMNS} from clips where video_id = :video_id order by rank, clip_id")  # noqa: S608
_CLIP = text(f"select {_COLUMNS} from clips where video_id = :video_id and clip_id = :clip_id")  # noqa: S608
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
) -> None:
    """Replaces all the video's clips and candidates at once.

    Raises:
        Superseded: the token is not the current attempt's; nothing is written.
    """
    owner = {"video_id": video_id, "tenant_id": tenant_id}
    with db.tenant_transaction(tenant_id) as connection:
        videos.fenced(connection, video_id, token)
        for statement in _CLEAR:
            connection.execute(statement, {"video_id": video_id})
        if clips:
            connection.execute(_ADD_CLIP, [owner | _clip_values(clip) for clip in clips])
        if rejected:
            by_start = sorted(rejected, key=lambda one: (one.start_s, one.end_s))
            connection.execute(_ADD_CANDIDATE, [owner | _candidate_values(candidate) for candidate in by_start])


def find(connection: Connection, video_id: str, clip_id: str) -> ClipRow:
    """
    Raises:
        NotFound: the entered tenant has no such clip.
    """
    row = connection.execute(_CLIP, {"video_id": video_id, "clip_id": clip_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no clip {video_id}.{clip_id}; list the video's clips to find its id")
    return _clip(row)


def of_video(connection: Connection, video_id: str) -> list[ClipRow]:
    """By rank."""
    return [_clip(row) for row in connection.execute(_CLIPS, {"video_id": video_id})]


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


def list_candidates(db: Database, tenant_id: str, video_id: str) -> list[CandidateRow]:
    """By start."""
    with db.tenant_transaction(tenant_id) as connection:
        return candidates(connection, video_id)


def _decimal(moment: Fraction) -> Decimal:
    return Decimal(round(moment * 1_000_000)).scaleb(-6)


def _clip_values(clip: ClipRow) -> dict[str, Any]:
    plain = {"clip_id": clip.clip_id, "rank": clip.rank, "score": clip.score, "title": clip.title, "model": clip.model}
    documents = {
        "reasons": json.dumps(clip.reasons),
        "fallbacks": json.dumps(clip.fallbacks),
        "files": json.dumps({name: asdict(stored) for name, stored in clip.files.items()}),
    }
    return {**plain, **documents, "start_s": _decimal(clip.start_s), "end_s": _decimal(clip.end_s)}


def _candidate_values(candidate: CandidateRow) -> dict[str, Any]:
    times = {"start_s": _decimal(candidate.start_s), "end_s": _decimal(candidate.end_s)}
    words = {"score": candidate.score, "text": candidate.text, "reason": candidate.reason}
    return {"candidate_id": candidate.candidate_id, **words, **times}


def _clip(row: Row[Any]) -> ClipRow:
    values: dict[str, Any] = dict(row._mapping)
    values["files"] = {name: StoredObject(**stored) for name, stored in row.files.items()}
    values |= {name: tuple(values[name]) for name in ("reasons", "fallbacks", "contributions", "platforms")}
    return ClipRow(**values | _times(row))


def _candidate(row: Row[Any]) -> CandidateRow:
    values: dict[str, Any] = dict(row._mapping)
    return CandidateRow(**values | _times(row))


def _times(row: Row[Any]) -> dict[str, Any]:
    return {"start_s": Fraction(row.start_s), "end_s": Fraction(row.end_s)}
