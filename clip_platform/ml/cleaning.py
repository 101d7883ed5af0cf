"""From reported rows to what each clip got in all: what is dropped, what is cut to size, and how often.

Rows are those of the table `clip_feedback`, as a data frame with its column names (a snapshot in Parquet, say). The API
refuses most of what is dropped here; snapshots overlap, imports bypass it and clocks are wrong, so nothing is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from clip_platform.errors import CorruptArtifact, InvalidInput

if TYPE_CHECKING:
    import pandas as pd

COUNTERS = ("impressions", "views", "watched_s", "completions", "likes", "shares", "saves")
DECISIONS = ("rejected", "edited", "accepted", "published")
COLUMNS = ("feedback_id", "tenant_id", "video_id", "clip_id", "report_key", "kind", "decision", "platform", "day",
           *COUNTERS, "occurred_at", "received_at")  # fmt: skip
AHEAD_OF_UTC = timedelta(hours=14)
"""The day has begun somewhere that long before it begins in UTC."""
ROUNDING = 1.01
_CLIP = ["video_id", "clip_id"]
_REPORT = ["tenant_id", "video_id", "clip_id", "report_key"]
_SUBJECT = ["tenant_id", "video_id", "clip_id", "kind", "platform", "day"]


@dataclass(frozen=True, slots=True)
class KnownClip:
    """What a report is held against."""

    tenant_id: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class CleaningCounts:
    """Rows by what became of them; `rows` is the sum of `kept` and of all that were dropped.

    Dropped: `repeated` (a report seen before), `unknown` (no such clip), `foreign` (another tenant's clip), `future`
    (a day or time that has not come), `negative` (a counter below zero or not a number), `impossible` (watched longer
    than its views can), `superseded` (a newer report is about the same thing).
    Kept: `decreased` is how many replace one that had counted more (platforms take false views back), `cut` how many
    had more completions than views.
    """

    rows: int = 0
    kept: int = 0
    repeated: int = 0
    unknown: int = 0
    foreign: int = 0
    future: int = 0
    negative: int = 0
    impossible: int = 0
    superseded: int = 0
    decreased: int = 0
    cut: int = 0

    def as_metadata(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def clean(
    rows: pd.DataFrame, clips: Mapping[tuple[str, str], KnownClip], now: datetime
) -> tuple[pd.DataFrame, CleaningCounts]:
    """The rows that count, each about another thing, whatever order they came in.

    Args:
        rows: with `COLUMNS`; more columns are left out.
        clips: by video and clip.
        now: aware; what is dated later is dropped.

    Raises:
        CorruptArtifact: a column is missing, or a kind or decision is none of the platform's.
        InvalidInput: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise InvalidInput(f"now is {now.isoformat()} without a time zone; give an aware time, datetime.now(UTC) say")
    frame, dropped = _readable(rows), {}
    for name, judge in (
        ("repeated", lambda frame: frame.duplicated(_REPORT) | frame.duplicated(["feedback_id"])),
        ("unknown", lambda frame: _facts(frame, clips, "tenant_id").isna()),
        ("foreign", lambda frame: _facts(frame, clips, "tenant_id") != frame["tenant_id"]),
        ("future", lambda frame: _is_future(frame, now)),
        ("negative", lambda frame: ~_are_counts(frame)),
        ("impossible", lambda frame: _is_impossible(frame, _facts(frame, clips, "duration_s"))),
    ):
        wrong = judge(frame)
        dropped[name] = int(wrong.sum())
        frame = frame[~wrong]
    frame, superseded, decreased = _newest(frame)
    frame, cut = _completions_cut(frame)
    counts = CleaningCounts(
        rows=len(rows), kept=len(frame), superseded=superseded, decreased=decreased, cut=cut, **dropped
    )
    return frame.reset_index(drop=True), counts


def _readable(rows: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise CorruptArtifact(
            f"feedback rows lack {', '.join(missing)}; expected the columns of clip_feedback, take the snapshot again"
        )
    frame = rows[list(COLUMNS)].copy()
    for name, allowed in (("kind", ("decision", "counters")), ("decision", (*DECISIONS, None))):
        odd = [value for value in pd.unique(frame[name]) if not (pd.isna(value) or value in allowed)]
        if odd or (name == "kind" and frame[name].isna().any()):
            raise CorruptArtifact(f"feedback has {name} {odd or 'null'}, not one of {allowed}; take the snapshot again")
    for name in COUNTERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce").where(frame[name].notna(), np.nan).astype(float)
        frame.loc[rows[name].notna().to_numpy() & frame[name].isna().to_numpy(), name] = -1.0
    for name in ("occurred_at", "received_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    frame["day"] = pd.to_datetime(frame["day"])
    return frame.sort_values(["occurred_at", "received_at", "feedback_id"], kind="stable")


def _facts(frame: pd.DataFrame, clips: Mapping[tuple[str, str], KnownClip], fact: str) -> pd.Series:
    import pandas as pd

    known = (clips.get(key) for key in zip(frame["video_id"], frame["clip_id"], strict=True))
    values = [None if clip is None else getattr(clip, fact) for clip in known]
    return pd.Series(values, index=frame.index, dtype=float if fact == "duration_s" else object)


def _is_future(frame: pd.DataFrame, now: datetime) -> pd.Series:
    import pandas as pd

    last_day = pd.Timestamp((now + AHEAD_OF_UTC).replace(tzinfo=None)).normalize()
    return (frame["occurred_at"] > pd.Timestamp(now)) | (frame["day"] > last_day)


def _are_counts(frame: pd.DataFrame) -> pd.Series:
    values = frame[list(COUNTERS)]
    return ((values >= 0) & np.isfinite(values) | values.isna()).all(axis=1)


def _is_impossible(frame: pd.DataFrame, duration_s: pd.Series) -> pd.Series:
    longest = duration_s * frame["views"].fillna(0) * ROUNDING
    return frame["watched_s"].notna() & (frame["watched_s"] > longest)


def _newest(frame: pd.DataFrame) -> tuple[pd.DataFrame, int, int]:
    """Of several about the same thing the last one; how many gave way, and how many of those had counted more views."""
    by_subject = frame.groupby(_SUBJECT, dropna=False, sort=False)
    newest = ~frame.duplicated(_SUBJECT, keep="last")
    most = by_subject["views"].transform("max")
    decreased = int((newest & (frame["views"] < most)).sum())
    return frame[newest], int((~newest).sum()), decreased


def _completions_cut(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    too_many = frame["completions"] > frame["views"]
    frame = frame.assign(completions=frame["completions"].where(~too_many, frame["views"]))
    return frame, int(too_many.sum())
