"""All routes of the API, in the order of its documentation."""

from __future__ import annotations

from fastapi import APIRouter

from clip_platform.api.routes import documentation, health, uploads, usage

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    uploads.router,
    usage.router,
    documentation.router,
)
