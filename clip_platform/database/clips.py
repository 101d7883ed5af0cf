"""The clips a tenant sees, and the stretches that did not become one, with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, text

from clip_platform.database import videos
from clip_platform.database.connection import Database
from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A published clip. Times are the source's, kept to the microsecond; `files` by name (`video`, `srt`, ...)."""

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


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A stretch that is no clip. `candidate_id` and `score` are None when it was never a candidate, or never scored."""

    candidate_id: str | None
    start_s: Fraction
    end_s: Fraction
    score: float | None
    text: str
    reason: str


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
_CLIPS = text("""
    select clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model
    from clips where video_id = :video_id order by rank""")
_CANDIDATES = text("""
    select candidate_id, start_s, end_s, score, text, reason from clip_candidates where video_id = :video_id
    order by start_s, end_s, id""")


def publish(
    db: Database,
    tenant_id: str,
    video_id: str,
    token: str,
    clips: Sequence[ClipRow],
    candidates: Sequence[CandidateRow],
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
        if candidates:
            connection.execute(_ADD_CANDIDATE, [owner | _candidate_values(candidate) for candidate in candidates])


def list_clips(db: Database, tenant_id: str, video_id: str) -> list[ClipRow]:
    """By rank."""
    with db.tenant_transaction(tenant_id) as connection:
        return [_clip(row) for row in connection.execute(_CLIPS, {"video_id": video_id})]


def list_candidates(db: Database, tenant_id: str, video_id: str) -> list[CandidateRow]:
    """By start."""
    with db.tenant_transaction(tenant_id) as connection:
        return [_candidate(row) for row in connection.execute(_CANDIDATES, {"video_id": video_id})]


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
    return asdict(candidate) | times


def _clip(row: Row[Any]) -> ClipRow:
    values: dict[str, Any] = dict(row._mapping)
    values["files"] = {name: StoredObject(**stored) for name, stored in row.files.items()}
    values |= {name: tuple(values[name]) for name in ("reasons", "fallbacks")}
    return ClipRow(**values | _times(row))


def _candidate(row: Row[Any]) -> CandidateRow:
    values: dict[str, Any] = dict(row._mapping)
    return CandidateRow(**values | _times(row))


def _times(row: Row[Any]) -> dict[str, Any]:
    return {"start_s": Fraction(row.start_s), "end_s": Fraction(row.end_s)}
