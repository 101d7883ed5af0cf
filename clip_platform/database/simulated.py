"""Rows of a simulated past: videos, clips and feedback of days that are over, which no role of the platform may write.

Runs as the embedded server's superuser and on no other server; row-level security does not apply to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql

from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class PastVideo:
    """A complete video; `features` is its `clip_features`, `arm` by whose scores it was shown."""

    video_id: str
    tenant_id: str
    name: str
    made_at: datetime
    duration_s: float
    features: StoredObject
    fingerprint: str
    arm: str
    champion_version: str | None
    challenger_version: str | None
    exploration_share: float


@dataclass(frozen=True, slots=True)
class PastClip:
    """`outlook`: low, high, band and chance to be in the best third; None from the heuristic."""

    video_id: str
    tenant_id: str
    clip_id: str
    rank: int
    start_s: float
    end_s: float
    score: float
    model: str
    title: str
    made_at: datetime
    reasons: tuple[str, ...] = ()
    outlook: tuple[float, float, str, float] | None = None


@dataclass(frozen=True, slots=True)
class PastReport:
    """A decision, or counters of a platform and day by name."""

    feedback_id: str
    video_id: str
    tenant_id: str
    clip_id: str
    report_key: str
    received_at: datetime
    decision: str | None = None
    day: date | None = None
    counters: tuple[int, int, int, int, int, int] | None = None
    """Impressions, views, completions, likes, shares, saves."""


PREFIX = "sim-"
"""Of the ids of simulated tenants."""


def has_tenants(connection: psycopg.Connection) -> bool:
    """Whether there is a simulated past already."""
    return connection.execute("select from tenants where starts_with(tenant_id, %s) limit 1", [PREFIX]).rowcount > 0


def ensure_tenants(connection: psycopg.Connection, tenant_ids: Iterable[str]) -> None:
    for tenant_id in tenant_ids:
        connection.execute(
            "insert into tenants (tenant_id, name) values (%s, %s) on conflict do nothing",
            [tenant_id, tenant_id.replace("-", " ").title()],
        )


def add_videos(connection: psycopg.Connection, videos: Sequence[PastVideo], clips: Sequence[PastClip]) -> None:
    """All or none."""
    with connection.transaction():
        _copy(connection, "videos", _VIDEO, (_video(video) for video in videos))
        _copy(connection, "asset_results", _RESULT, (_result(video) for video in videos))
        _copy(connection, "video_arms", _ARM, (_arm(video) for video in videos))
        _copy(connection, "clips", _CLIP, (_clip(clip) for clip in clips))


def add_reports(connection: psycopg.Connection, reports: Sequence[PastReport]) -> None:
    """All or none."""
    with connection.transaction():
        _copy(connection, "clip_feedback", _REPORT, (_report(report) for report in reports))


def shown_values(connection: psycopg.Connection) -> dict[tuple[str, str], float]:
    """The score that its tenant sees of each clip, by video and clip."""
    rows = connection.execute(
        """select c.video_id, c.clip_id, coalesce(s.value, c.score) from clips c
           left join score_versions v on v.tenant_id = c.tenant_id
           left join clip_scores s on s.video_id = c.video_id and s.clip_id = c.clip_id
               and s.model_version = v.model_version"""
    )
    return {(video, clip): value for video, clip, value in rows}


_VIDEO = ("id", "tenant_id", "name", "source_key", "source_sha256", "source_size_bytes", "preferences", "state",
          "duration_s", "created_at", "updated_at")  # fmt: skip
_RESULT = ("video_id", "tenant_id", "asset", "fingerprint", "artifact_key", "artifact_sha256", "artifact_size_bytes",
           "attempt", "is_current", "created_at")  # fmt: skip
_ARM = ("video_id", "tenant_id", "arm", "champion_version", "challenger_version", "exploration_share", "decided_at")
_CLIP = ("video_id", "tenant_id", "clip_id", "rank", "start_s", "end_s", "score", "title", "reasons", "files",
         "fallbacks", "model", "low", "high", "band", "top_chance", "created_at", "updated_at")  # fmt: skip
_REPORT = ("feedback_id", "tenant_id", "video_id", "clip_id", "report_key", "kind", "decision", "platform", "day",
           "impressions", "views", "completions", "likes", "shares", "saves", "occurred_at", "received_at",
           "reported_by", "clip_revision")  # fmt: skip


def _video(video: PastVideo) -> tuple[Any, ...]:
    source = (f"{video.tenant_id}/videos/{video.video_id}/source", "", 1)
    made = (video.made_at, video.made_at)
    return (video.video_id, video.tenant_id, video.name, *source, "{}", "completed", video.duration_s, *made)


def _result(video: PastVideo) -> tuple[Any, ...]:
    stored = (video.features.key, video.features.sha256, video.features.size_bytes)
    return (video.video_id, video.tenant_id, "clip_features", video.fingerprint, *stored, 1, True, video.made_at)


def _arm(video: PastVideo) -> tuple[Any, ...]:
    versions = (video.champion_version, video.challenger_version)
    return (video.video_id, video.tenant_id, video.arm, *versions, video.exploration_share, video.made_at)


def _clip(clip: PastClip) -> tuple[Any, ...]:
    named = (clip.video_id, clip.tenant_id, clip.clip_id, clip.rank, clip.start_s, clip.end_s, clip.score, clip.title)
    outlook = clip.outlook or (None, None, None, None)
    return (*named, json.dumps(clip.reasons), "{}", "[]", clip.model, *outlook, clip.made_at, clip.made_at)


def _report(report: PastReport) -> tuple[Any, ...]:
    about = (report.feedback_id, report.tenant_id, report.video_id, report.clip_id, report.report_key)
    counters = report.counters or (None,) * 6
    kind = (
        ("decision", report.decision, None, None)
        if report.counters is None
        else ("counters", None, "shorts", report.day)
    )
    return (*about, *kind, *counters, report.received_at, report.received_at, "simulation", 1)


def _copy(connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
