"""`/v1/account`: what a tenant sets for all its videos."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from clip_platform.api.access import TenantSession, owner, viewer
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.text import PlainText
from clip_platform.api.transactions import Transacted
from clip_platform.database import tenants
from clip_platform.upload.preferences import Preferences

router = APIRouter(prefix="/v1/account", route_class=Transacted, tags=["account"])


class Account(BaseModel):
    id: str
    name: str
    default_preferences: dict[str, Any] = Field(description="Laid under the preferences of every new video.")
    retention_days: int | None = Field(description="Null: as the installation's operator set it.")
    created_at: datetime
    closing_at: datetime | None = Field(description="When closing was asked for; nothing can be added since.")


class AccountChange(BaseModel):
    """What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: PlainText | None = None
    default_preferences: dict[str, JsonValue] | None = None
    retention_days: int | None = Field(default=None, ge=1, le=36500)


@router.get("", summary="The tenant's settings")
def get_account(session: Annotated[TenantSession, viewer("account")], response: Response) -> Account:
    row = tenants.own(session.connection)
    set_etag(response, row.revision)
    return _shown(row)


@router.patch("", summary="Change the tenant's settings")
def change_account(
    session: Annotated[TenantSession, owner("account")],
    change: AccountChange,
    precondition: IfMatch,
    response: Response,
) -> Account:
    row = tenants.own(session.connection, lock=True)
    precondition.check(row.revision)
    given = change.model_dump(exclude_unset=True)
    preferences = given.get("default_preferences") or (
        {} if "default_preferences" in given else row.default_preferences
    )
    Preferences.from_mapping(preferences)
    changed = tenants.change(
        session.connection,
        name=given.get("name") or row.name,
        default_preferences=preferences,
        retention_days=given.get("retention_days", row.retention_days),
    )
    session.audit("account.changed", f"tenant:{row.tenant_id}", fields=sorted(given))
    set_etag(response, changed.revision)
    return _shown(changed)


def _shown(row: tenants.TenantRow) -> Account:
    return Account(
        id=row.tenant_id,
        name=row.name,
        default_preferences=dict(row.default_preferences),
        retention_days=row.retention_days,
        created_at=row.created_at,
        closing_at=row.closing_at,
    )
