"""All routes of the API, in the order of its documentation."""

from __future__ import annotations

from fastapi import APIRouter

from clip_platform.api.routes import (
    account,
    audit_events,
    candidates,
    clips,
    destinations,
    documentation,
    erasure_receipts,
    erasure_requests,
    feedback,
    files,
    health,
    lineage,
    members,
    operators,
    requeueing,
    tokens,
    transcripts,
    uploads,
    usage,
    video_events,
    videos,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    uploads.router,
    videos.router,
    video_events.router,
    transcripts.router,
    candidates.router,
    requeueing.router,
    clips.router,
    files.router,
    lineage.router,
    feedback.router,
    destinations.router,
    webhooks.router,
    account.router,
    members.router,
    tokens.router,
    usage.router,
    audit_events.router,
    erasure_requests.router,
    erasure_receipts.router,
    operators.router,
    documentation.router,
)
