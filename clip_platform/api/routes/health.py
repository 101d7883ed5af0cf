"""Whether the API can serve: for load balancers, without a token."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from clip_platform.api.services import Services

router = APIRouter(prefix="/v1/health", tags=["platform"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("", openapi_extra={"security": []})
def get_health(request: Request) -> Health:
    """Answers 503 while the database does not."""
    services: Services = request.app.state.services
    services.database.check()
    return Health()
