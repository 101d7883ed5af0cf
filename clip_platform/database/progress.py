"""How far a video is, asset by asset, as rows and as a notification for whoever shows it live."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from clip_platform.database import events, videos
from clip_platform.database.connection import Database
from clip_platform.upload.states import VideoState

CHANNEL = "video_progress"
"""Postgres notifications with the JSON object `{"video", "stage", "asset", "share"}`. A channel knows no tenants, so
nothing a tenant wrote is in it."""

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "media": {"uploaded_video": 3, "media_info": 1, "audio_track": 3},
    "speech": {"transcript": 33, "acoustic_features": 3},
    "vision": {"shots": 10, "face_tracks": 10},
    "clips": {
        "speaker_turns": 1,
        "clip_candidates": 0.5,
        "clip_features": 1,
        "clip_scores": 0.25,
        "selected_clips": 0.25,
    },
    "rendering": {"edited_clips": 0.5, "rendered_clips": 30.5},
    "delivery": {"clip_packages": 2.5, "published_clips": 0.5},
}
"""Share of the whole in percent, by stage and asset: about the time each takes on two cores with the embedded engines.
Stages are in the order they run, but speech and vision, of which neither waits for the other."""
_BESIDE = {"speech": "vision", "vision": "speech"}


@dataclass(frozen=True, slots=True)
class AssetProgress:
    """`share` is 0..1."""

    stage: str
    asset: str
    share: float
    message: str
    updated_at: datetime


_IS_FIRST = text("select not exists (select from progress where video_id = :video_id and stage = :stage)")
_REPORT = text("""
    insert into progress (video_id, tenant_id, stage, asset, share, message)
    values (:video_id, :tenant_id, :stage, :asset, :share, :message)
    on conflict (video_id, stage, asset) do update
    set share = excluded.share, message = excluded.message, updated_at = now()""")
_NOTIFY = text("select pg_notify(:channel, :payload)")
_READ = text("""
    select stage, asset, share, message, updated_at from progress where video_id = :video_id
    order by updated_at, stage, asset""")


def report(
    db: Database, tenant_id: str, video_id: str, token: str, stage: str, asset: str, share: float, message: str = ""
) -> None:
    """Sets how far an asset is; `share` outside 0..1 is taken as the nearer end. The first word of a stage in an
    attempt is an event.

    Raises:
        Superseded: the token is not the current attempt's, or its video is being deleted.
    """
    known = min(max(share, 0.0), 1.0)
    values = {"video_id": video_id, "tenant_id": tenant_id, "stage": stage, "asset": asset, "share": known}
    payload = json.dumps({"video": video_id, "stage": stage, "asset": asset, "share": round(known, 4)})
    with db.tenant_transaction(tenant_id) as connection:
        video = videos.still(connection, video_id, token)
        is_first = connection.execute(_IS_FIRST, values).scalar_one()
        connection.execute(_REPORT, {**values, "message": message})
        if is_first and video.state is VideoState.PROCESSING:
            _tell_stage(connection, video, stage)
        connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})


def _tell_stage(connection: Connection, video: videos.VideoRow, stage: str) -> None:
    percent = round(overall(of_video(connection, video.video_id)), 1)
    payload = events.about(video, video.state.value, stage=stage, percent=percent)
    events.record(connection, video.tenant_id, events.EventType.STAGE_CHANGED, video.video_id, payload)


def read(db: Database, tenant_id: str, video_id: str) -> list[AssetProgress]:
    """All reports of the current attempt, the most recent last."""
    with db.tenant_transaction(tenant_id) as connection:
        return of_video(connection, video_id)


def of_video(connection: Connection, video_id: str) -> list[AssetProgress]:
    """As `read`, in the caller's transaction."""
    return [AssetProgress(**row._mapping) for row in connection.execute(_READ, {"video_id": video_id})]


def overall(reports: Iterable[AssetProgress]) -> float:
    """How far the whole video is, 0..100, by `WEIGHTS`.

    What says nothing although a stage that waits for it has spoken was not part of the run, and counts as done: a video
    whose clips are only rendered again does not begin at zero.
    """
    shares = {(one.stage, one.asset): one.share for one in reports}
    spoken = {stage for stage, _asset in shares}
    order = list(WEIGHTS)
    percent = 0.0
    for number, stage in enumerate(order):
        waiting = set(order[number + 1 :]) - {_BESIDE.get(stage)}
        silent = 0.0 if spoken.isdisjoint(waiting) else 1.0
        percent += sum(weight * shares.get((stage, asset), silent) for asset, weight in WEIGHTS[stage].items())
    return min(percent, 100.0)
