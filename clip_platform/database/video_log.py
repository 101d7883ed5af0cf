"""What each stage said about one video, for its tenant: short lines without paths or anything of another video."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

Level = Literal["info", "warning", "error"]
LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class LogLine:
    """`line_id` rises with time; `attempt` counts from 1."""

    line_id: int
    attempt: int
    stage: str
    level: Level
    message: str
    at: datetime


_SAY = text("""
    insert into video_log (video_id, tenant_id, attempt, stage, level, message)
    values (:video_id, :tenant_id, :attempt, :stage, :level, :message)""")
_PAGE = text("""
    select id as line_id, attempt, stage, level, message, at from video_log
    where video_id = :video_id and (cast(:after_id as bigint) is null or id > :after_id)
    order by id limit :limit""")


def say(
    connection: Connection, tenant_id: str, video_id: str, attempt: int, stage: str, level: Level, message: str
) -> None:
    """Adds a line; what is longer than `LONGEST_MESSAGE` characters is cut."""
    values = {"video_id": video_id, "tenant_id": tenant_id, "attempt": attempt, "stage": stage, "level": level}
    connection.execute(_SAY, {**values, "message": _short(message)})


def page(connection: Connection, video_id: str, limit: int, after_id: int | None = None) -> list[LogLine]:
    """The video's lines, oldest first; `after_id` is the last one of the page before."""
    values = {"video_id": video_id, "limit": limit, "after_id": after_id}
    return [LogLine(**row._mapping) for row in connection.execute(_PAGE, values)]


def _short(message: str) -> str:
    one_line = " ".join(message.replace("\0", "").split())
    return one_line if len(one_line) <= LONGEST_MESSAGE else f"{one_line[: LONGEST_MESSAGE - 1]}…"
