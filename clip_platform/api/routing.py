"""All routes of the API, in the order of its documentation."""

from __future__ import annotations

from fastapi import APIRouter

from clip_platform.api.routes import (
    account,
    audit_events,
    documentation,
    erasure_requests,
    health,
    members,
    operators,
    requeueing,
    tokens,
    uploads,
    usage,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    uploads.router,
    requeueing.router,
    account.router,
    members.router,
    tokens.router,
    usage.router,
    audit_events.router,
    erasure_requests.router,
    operators.router,
    documentation.router,
)
