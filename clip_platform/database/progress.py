"""How far a video is, asset by asset, as rows and as a notification for whoever shows it live."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from clip_platform.database.connection import Database

CHANNEL = "video_progress"
"""Postgres notifications with the JSON object `{"video", "stage", "asset", "share"}`. A channel knows no tenants, so
nothing a tenant wrote is in it."""


@dataclass(frozen=True, slots=True)
class AssetProgress:
    """`share` is 0..1."""

    stage: str
    asset: str
    share: float
    message: str
    updated_at: datetime


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
    db: Database, tenant_id: str, video_id: str, stage: str, asset: str, share: float, message: str = ""
) -> None:
    """Sets how far an asset is; `share` outside 0..1 is taken as the nearer end."""
    known = min(max(share, 0.0), 1.0)
    values = {"video_id": video_id, "tenant_id": tenant_id, "stage": stage, "asset": asset, "share": known}
    payload = json.dumps({"video": video_id, "stage": stage, "asset": asset, "share": round(known, 4)})
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_REPORT, {**values, "message": message})
        connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})


def read(db: Database, tenant_id: str, video_id: str) -> list[AssetProgress]:
    """All reports of the current attempt, the most recent last."""
    with db.tenant_transaction(tenant_id) as connection:
        return [AssetProgress(**row._mapping) for row in connection.execute(_READ, {"video_id": video_id})]
