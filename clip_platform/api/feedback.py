"""What a report about a clip must be, and which reports are the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from clip_platform.api.text import normalised
from clip_platform.database.feedback import COUNTS, ClipKey, FeedbackRow, Kind, Report, ReportedClip
from clip_platform.errors import InvalidInput
from clip_platform.upload.preferences import LONGEST_CLIP_S

MOST = 10**12
"""More views than there are people, many times over."""
CLOCK_SKEW = timedelta(minutes=10)
EARLIEST = date(2005, 1, 1)
AHEAD_OF_UTC = timedelta(hours=14)
"""The day has begun somewhere that long before it begins in UTC."""
_ROUNDING = 1.01

Count = Annotated[int, Field(ge=0, le=MOST)]
ReportName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


def _plain_note(note: str) -> str:
    return normalised(note, allowed="\n\t")


Note = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_plain_note)]


class FeedbackReport(BaseModel):
    """Either a decision, or counters of a platform and day: totals, so that a later report of the day replaces."""

    model_config = ConfigDict(extra="forbid")

    report_key: ReportName | None = Field(
        default=None, description="Names the report: sent twice, it counts once. Made from its content when missing."
    )
    decision: Literal["accepted", "edited", "rejected", "published"] | None = None
    platform: Literal["tiktok", "instagram_reels", "youtube_shorts", "linkedin", "x"] | None = None
    day: date | None = Field(default=None, description="In the platform's time zone.")
    impressions: Count | None = None
    views: Count | None = None
    watched_s: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds watched, of all views together."
    )
    completions: Count | None = None
    likes: Count | None = None
    shares: Count | None = None
    saves: Count | None = None
    comments: Count | None = None
    note: Note | None = None
    occurred_at: AwareDatetime | None = Field(
        default=None, description="When it was decided or counted; the newest counts. When it is received, if missing."
    )

    @property
    def kind(self) -> Kind:
        return "decision" if self.decision is not None else "counters"

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        counted = [name for name in (*COUNTS, "watched_s") if getattr(self, name) is not None]
        of_counters = [name for name in ("platform", "day") if getattr(self, name) is not None] + counted
        if self.decision is not None and of_counters:
            raise ValueError(f"a decision has no {', '.join(of_counters)}; send two reports")
        if self.decision is None and not (self.platform and self.day and counted):
            raise ValueError("send a decision, or platform, day and at least one counter")
        if self.watched_s and self.views is None:
            raise ValueError("watched_s needs views, to be held against the clip's length")
        return self

    @model_validator(mode="after")
    def _is_of_the_past(self) -> Self:
        now = datetime.now(UTC)
        if self.occurred_at is not None and self.occurred_at > now + CLOCK_SKEW:
            raise ValueError(
                f"occurred_at {self.occurred_at.isoformat()} is in the future; it is {now.isoformat()} now"
            )
        if self.occurred_at is not None and self.occurred_at.date() < EARLIEST:
            raise ValueError(f"occurred_at {self.occurred_at.isoformat()} is before {EARLIEST}")
        if self.day is not None and not EARLIEST <= self.day <= (now + AHEAD_OF_UTC).date():
            raise ValueError(f"day {self.day} is not between {EARLIEST} and today")
        return self


class FeedbackLine(FeedbackReport):
    """One line of an import."""

    clip_id: Annotated[str, StringConstraints(min_length=3, max_length=200, pattern=r"^[\x21-\x7e]+$")]


def report_of(said: FeedbackReport, clip: ClipKey, facts: ReportedClip, counting: FeedbackRow | None = None) -> Report:
    """The row for it.

    Args:
        counting: the report about the same thing that counts now. Where neither a key nor a time is given, to say the
            same as it is to repeat it, and to go back to what was said before it is a report of its own.

    Raises:
        InvalidInput: viewers cannot have watched that long.
    """
    _expect_watchable(said, facts)
    values = said.model_dump(include={*COUNTS, "decision", "platform", "day", "watched_s", "note", "occurred_at"})
    content = {name: value for name, value in values.items() if name != "occurred_at"}
    if counting is not None and all(getattr(counting, name) == value for name, value in content.items()):
        key = counting.report_key
    else:
        key = derived_key(values, counting.feedback_id if counting else None)
    of_clip: dict[str, Any] = {"clip_revision": facts.revision, "model": facts.model}
    return Report(**clip._asdict(), report_key=said.report_key or key, kind=said.kind, **values, **of_clip)


def derived_key(values: Mapping[str, Any], counting_id: str | None) -> str:
    said = {name: value for name, value in values.items() if value is not None}
    if isinstance(said.get("occurred_at"), datetime):
        said["occurred_at"] = said["occurred_at"].astimezone(UTC)
    content = json.dumps([said, counting_id], sort_keys=True, default=str)
    return "content-" + hashlib.sha256(content.encode()).hexdigest()[:32]


def _expect_watchable(said: FeedbackReport, facts: ReportedClip) -> None:
    longest_s = LONGEST_CLIP_S if facts.is_edited else facts.duration_s
    if said.watched_s is not None and said.watched_s > longest_s * (said.views or 0) * _ROUNDING:
        raise InvalidInput(
            f"watched_s {said.watched_s:g} is more than {said.views} views of {longest_s:g} s can be; "
            "send the seconds of all views together"
        )
