"""By whose scores a video is shown: decided once, when its clips are published, and kept as the log of exploration
and of shadow tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text

Arm = Literal["explore", "champion", "challenger"]


@dataclass(frozen=True, slots=True)
class VideoArm:
    """`explore`: shown in random order and without scores, with chance `exploration_share`. The versions are those of
    the moment; None for the heuristic and for no challenger."""

    video_id: str
    arm: Arm
    champion_version: str | None
    challenger_version: str | None
    exploration_share: float


_DECIDE = text("""
    insert into video_arms (video_id, tenant_id, arm, champion_version, challenger_version, exploration_share)
    values (:video_id, current_setting('app.tenant_id'), :arm, :champion_version, :challenger_version,
        :exploration_share)
    on conflict (video_id) do nothing""")
_FIND = text("""
    select video_id, arm, champion_version, challenger_version, exploration_share from video_arms
    where video_id = :video_id""")


def decide(connection: Connection, arm: VideoArm) -> VideoArm:
    """Keeps the entered tenant's video in this arm, unless one was decided before; the one that holds."""
    values = {
        "video_id": arm.video_id,
        "arm": arm.arm,
        "champion_version": arm.champion_version,
        "challenger_version": arm.challenger_version,
        "exploration_share": arm.exploration_share,
    }
    connection.execute(_DECIDE, values)
    return find(connection, arm.video_id) or arm


def find(connection: Connection, video_id: str) -> VideoArm | None:
    row = connection.execute(_FIND, {"video_id": video_id}).one_or_none()
    return None if row is None else VideoArm(**row._mapping)
