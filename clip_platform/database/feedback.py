"""What tenants report about clips: their decisions, and viewers' counters. Rows are added, never changed; of several
about the same thing the newest counts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, text

from clip_platform.identifiers import new_ulid, served_name

Kind = Literal["decision", "counters"]
COUNTS = ("impressions", "views", "completions", "likes", "shares", "saves", "comments")
"""The counters that are whole numbers; `watched_s` is the other one."""


class ClipKey(NamedTuple):
    video_id: str
    clip_id: str


class ReportKey(NamedTuple):
    video_id: str
    clip_id: str
    report_key: str


@dataclass(frozen=True, slots=True)
class ReportedClip:
    """What a report is held against. `model` gave the score that is shown; `is_edited`: it may have been longer when
    it was watched."""

    duration_s: float
    revision: int
    model: str
    is_edited: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A decision, or counters: totals for a platform and day. `occurred_at` None: when it is received."""

    video_id: str
    clip_id: str
    report_key: str
    kind: Kind
    decision: str | None
    platform: str | None
    day: date | None
    impressions: int | None
    views: int | None
    watched_s: float | None
    completions: int | None
    likes: int | None
    shares: int | None
    saves: int | None
    comments: int | None
    note: str | None
    occurred_at: datetime | None
    clip_revision: int
    model: str

    @property
    def key(self) -> ReportKey:
        return ReportKey(self.video_id, self.clip_id, self.report_key)


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """A stored report. `is_current`: no newer one is about the same thing."""

    feedback_id: str
    video_id: str
    clip_id: str
    report_key: str
    kind: Kind
    decision: str | None
    platform: str | None
    day: date | None
    impressions: int | None
    views: int | None
    watched_s: float | None
    completions: int | None
    likes: int | None
    shares: int | None
    saves: int | None
    comments: int | None
    note: str | None
    occurred_at: datetime
    received_at: datetime
    reported_by: str
    clip_revision: int
    model: str | None
    is_current: bool


_CONTENT = """kind, decision, platform, day, impressions, views, watched_s, completions, likes, shares, saves, comments,
    note"""
_STORED = f"""feedback_id, video_id, clip_id, report_key, {_CONTENT}, occurred_at, received_at, reported_by,
    clip_revision, model"""
_ROWS_OF_CLIP = f"""
    select {_STORED}, row_number() over (
        partition by kind, platform, day
        order by occurred_at desc, received_at desc, feedback_id desc) = 1 as is_current
    from clip_feedback where video_id = :video_id and clip_id = :clip_id"""  # noqa: S608
_CLIPS = text("""
    select c.video_id, c.clip_id, c.end_s - c.start_s as duration_s, c.revision, c.model, s.model_version,
        e.clip_id is not null as is_edited
    from jsonb_to_recordset(cast(:keys as jsonb)) as asked(video_id text, clip_id text)
    join clips c on c.video_id = asked.video_id and c.clip_id = asked.clip_id
    join videos v on v.id = c.video_id and v.state <> 'deleting'
    left join clip_edits e on e.video_id = c.video_id and e.clip_id = c.clip_id
    left join score_versions sv on sv.tenant_id = c.tenant_id
    left join clip_scores s on s.model_version = sv.model_version and s.video_id = c.video_id
        and s.clip_id = c.clip_id
    for key share of v""")
_ADD = text(f"""
    insert into clip_feedback (feedback_id, tenant_id, video_id, clip_id, report_key, {_CONTENT}, occurred_at,
        reported_by, clip_revision, model)
    select feedback_id, current_setting('app.tenant_id'), video_id, clip_id, report_key, {_CONTENT},
        coalesce(occurred_at, now()), :reported_by, clip_revision, model
    from jsonb_to_recordset(cast(:reports as jsonb)) as report(feedback_id text, video_id text, clip_id text,
        report_key text, kind text, decision text, platform text, day date, impressions bigint, views bigint,
        watched_s double precision, completions bigint, likes bigint, shares bigint, saves bigint, comments bigint,
        note text, occurred_at timestamptz, clip_revision integer, model text)
    on conflict (tenant_id, video_id, clip_id, report_key) do nothing
    returning video_id, clip_id, report_key""")  # noqa: S608
_KNOWN = text(f"""
    select video_id, clip_id, report_key, {_CONTENT} from clip_feedback f
    join jsonb_to_recordset(cast(:keys as jsonb)) as asked(video_id text, clip_id text, report_key text)
        using (video_id, clip_id, report_key)""")  # noqa: S608
_ONE = text(f"select * from ({_ROWS_OF_CLIP}) rows where report_key = :report_key")  # noqa: S608
_NEWEST = text(f"""
    select * from ({_ROWS_OF_CLIP}) rows
    where is_current and kind = :kind and platform is not distinct from cast(:platform as text)
        and day is not distinct from cast(:day as date)""")  # noqa: S608
_PAGE = text(f"""
    select * from ({_ROWS_OF_CLIP}) rows
    where (cast(:before_id as text) is null or feedback_id < :before_id) and (is_current or not :current)
    order by feedback_id desc limit :limit""")  # noqa: S608
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('feedback/' || :clip, 0))")


def reported_clips(connection: Connection, keys: Collection[ClipKey]) -> dict[ClipKey, ReportedClip]:
    """Those of the entered tenant's clips that there are."""
    asked = json.dumps([key._asdict() for key in sorted(set(keys))])
    return {
        ClipKey(row.video_id, row.clip_id): ReportedClip(
            duration_s=float(row.duration_s),
            revision=row.revision,
            model=served_name(row.model_version) if row.model_version else row.model,
            is_edited=row.is_edited,
        )
        for row in connection.execute(_CLIPS, {"keys": asked})
    }


def add(connection: Connection, reports: Sequence[Report], reported_by: str) -> set[ReportKey]:
    """Stores those whose key is new for their clip; returns their keys."""
    documents = json.dumps([asdict(report) | {"feedback_id": f"fbk_{new_ulid()}"} for report in reports], default=str)
    added = connection.execute(_ADD, {"reports": documents, "reported_by": reported_by})
    return {ReportKey(*row) for row in added}


def contents(connection: Connection, keys: Iterable[ReportKey]) -> dict[ReportKey, Mapping[str, Any]]:
    """What was reported under these keys: kind, decision and counters by name."""
    asked = json.dumps([key._asdict() for key in keys])
    found: dict[ReportKey, Mapping[str, Any]] = {}
    for row in connection.execute(_KNOWN, {"keys": asked}).mappings():
        content = dict(row)
        found[ReportKey(*(content.pop(name) for name in ReportKey._fields))] = content
    return found


def content_of(report: Report) -> dict[str, Any]:
    """As `contents` has it."""
    names = ("kind", "decision", "platform", "day", *COUNTS, "watched_s", "note")
    return {name: getattr(report, name) for name in names}


def find(connection: Connection, key: ReportKey) -> FeedbackRow:
    """The stored report of a key that was added."""
    return FeedbackRow(**connection.execute(_ONE, key._asdict()).one()._mapping)


def newest(
    connection: Connection, clip: ClipKey, kind: Kind, platform: str | None, day: date | None
) -> FeedbackRow | None:
    """The decision, or the counters of a platform and day, that count now. Whoever asks goes on alone with the clip's
    feedback until the transaction ends."""
    connection.execute(_ONE_AT_A_TIME, {"clip": f"{clip.video_id}.{clip.clip_id}"})
    row = connection.execute(_NEWEST, {**clip._asdict(), "kind": kind, "platform": platform, "day": day}).one_or_none()
    return None if row is None else FeedbackRow(**row._mapping)


def page(
    connection: Connection, clip: ClipKey, limit: int, before_id: str | None = None, *, current: bool = False
) -> list[FeedbackRow]:
    """Last received first; with `current` only what counts now."""
    values = {**clip._asdict(), "limit": limit, "before_id": before_id, "current": current}
    return [FeedbackRow(**row._mapping) for row in connection.execute(_PAGE, values)]
