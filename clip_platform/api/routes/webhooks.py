"""`/v1/webhook-endpoints` and `/v1/webhook-deliveries`: who is told of what, and how that went."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from clip_platform.api.access import TenantSession, editor, viewer
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.text import plain_text
from clip_platform.api.transactions import Transacted
from clip_platform.database import webhooks
from clip_platform.database.events import EventType
from clip_platform.database.webhooks import AttemptRow, DeliveryRow, DeliveryState, EndpointRow, EndpointState
from clip_platform.errors import InvalidInput
from clip_platform.network.addresses import Allowed
from clip_platform.network.urls import MAX_URL_CHARACTERS, expect_safe_url

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=Transacted)

Viewing = Annotated[TenantSession, viewer("webhooks")]
Editing = Annotated[TenantSession, editor("webhooks")]
EndpointId = Annotated[str, Path(pattern=r"^whe_[0-9A-HJKMNP-TV-Z]{26}$")]
DeliveryId = Annotated[str, Path(pattern=r"^whd_[0-9A-HJKMNP-TV-Z]{26}$")]
Url = Annotated[
    str, Field(min_length=1, max_length=MAX_URL_CHARACTERS, description="https, on the public internet, at port 443.")
]
if TYPE_CHECKING:
    Description = str
else:
    Description = plain_text(500, min_characters=0, lines=True)
EventTypes = Annotated[
    list[str],
    Field(min_length=1, max_length=20, description=f"Of {', '.join(EventType)}; `*` alone is all of them."),
]


class NewWebhookEndpoint(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Url
    description: Description = ""
    event_types: EventTypes = Field(default_factory=lambda: ["*"])


class WebhookEndpointChange(BaseModel):
    """What is missing stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    description: Description | None = None
    event_types: EventTypes | None = None
    enabled: bool | None = Field(default=None, description="Disabling gives up what waits; enabling begins afresh.")


class SecretRotation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(
        default=24, ge=0, le=168, description="How long the secret before signs too; 0 when it has leaked."
    )


class WebhookEndpoint(BaseModel):
    id: str
    url: str
    description: str
    event_types: list[str]
    state: EndpointState = Field(
        description="Failing: its last delivery failed; it is disabled when none succeeds for three days."
    )
    state_reason: str | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime


class WebhookEndpointWithSecret(WebhookEndpoint):
    secret: str = Field(description="Verifies signatures (standardwebhooks.com). Shown this once.")


class WebhookDelivery(BaseModel):
    id: str
    endpoint_id: str
    event_id: str = Field(description="The header `webhook-id`: the same at every attempt.")
    event_type: str
    video_id: str | None
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None = Field(description="Null: at once, after what waits before it, or never again.")
    created_at: datetime
    ended_at: datetime | None


class WebhookAttempt(BaseModel):
    attempt: int
    at: datetime
    duration_ms: int
    status: int | None = Field(description="The receiver's; null when it did not answer.")
    error: str | None


class TestEvent(BaseModel):
    event_id: str


@router.get("/webhook-endpoints", summary="Webhook endpoints, newest first")
def list_webhook_endpoints(session: Viewing, limit: Limit = 50, cursor: Cursor = None) -> Page[WebhookEndpoint]:
    position = read_cursor(cursor, {"id": str})
    rows = webhooks.page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, _shown, lambda row: {"id": row.endpoint_id})


@router.post(
    "/webhook-endpoints",
    status_code=201,
    response_model=WebhookEndpointWithSecret,
    summary="Be told of events",
)
def create_webhook_endpoint(session: Editing, new: NewWebhookEndpoint, once: Once, response: Response) -> Response:
    return once.answer(201, lambda: _create(session, new, response))


@router.get("/webhook-endpoints/{endpoint_id}", summary="One webhook endpoint")
def get_webhook_endpoint(session: Viewing, endpoint_id: EndpointId, response: Response) -> WebhookEndpoint:
    return _tagged(webhooks.find(session.connection, endpoint_id), response)


@router.patch("/webhook-endpoints/{endpoint_id}", summary="Change, disable or enable a webhook endpoint")
def change_webhook_endpoint(
    session: Editing, endpoint_id: EndpointId, change: WebhookEndpointChange, if_match: IfMatch, response: Response
) -> WebhookEndpoint:
    if_match.check(webhooks.find(session.connection, endpoint_id).revision)
    changed = _change(session, endpoint_id, change)
    session.audit("webhook_endpoint.changed", f"webhook_endpoint:{endpoint_id}", **change.model_dump(exclude_none=True))
    return _tagged(changed, response)


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204, summary="Delete a webhook endpoint")
def delete_webhook_endpoint(session: Editing, endpoint_id: EndpointId) -> None:
    webhooks.remove(session.connection, endpoint_id)
    session.audit("webhook_endpoint.deleted", f"webhook_endpoint:{endpoint_id}")


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    response_model=WebhookEndpointWithSecret,
    summary="Make a new secret; the one before works on for a while",
)
def rotate_webhook_secret(
    session: Editing, endpoint_id: EndpointId, rotation: SecretRotation, once: Once, response: Response
) -> Response:
    return once.answer(200, lambda: _rotate(session, endpoint_id, rotation, response))


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    status_code=202,
    response_model=TestEvent,
    summary="Send a `webhook.test` event to this endpoint",
)
def send_test_webhook(session: Editing, endpoint_id: EndpointId, once: Once) -> Response:
    return once.answer(202, lambda: _test(session, endpoint_id))


@router.get("/webhook-endpoints/{endpoint_id}/deliveries", summary="What was sent to it, newest first")
def list_webhook_deliveries(
    session: Viewing,
    endpoint_id: EndpointId,
    state: Annotated[DeliveryState | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WebhookDelivery]:
    webhooks.find(session.connection, endpoint_id)
    position = read_cursor(cursor, {"id": str})
    before_id = position["id"] if position else None
    rows = webhooks.deliveries(session.connection, endpoint_id, state, limit + 1, before_id)
    return page_of(rows, limit, _shown_delivery, lambda row: {"id": row.delivery_id})


@router.get("/webhook-deliveries/{delivery_id}", summary="One delivery")
def get_webhook_delivery(session: Viewing, delivery_id: DeliveryId) -> WebhookDelivery:
    return _shown_delivery(webhooks.find_delivery(session.connection, delivery_id))


@router.get("/webhook-deliveries/{delivery_id}/attempts", summary="How each attempt went, newest first")
def list_webhook_attempts(
    session: Viewing, delivery_id: DeliveryId, limit: Limit = 50, cursor: Cursor = None
) -> Page[WebhookAttempt]:
    webhooks.find_delivery(session.connection, delivery_id)
    position = read_cursor(cursor, {"attempt": int})
    before = min(position["attempt"], 2**31 - 1) if position else None
    rows = webhooks.attempts(session.connection, delivery_id, limit + 1, before)
    return page_of(rows, limit, _shown_attempt, lambda row: {"attempt": row.attempt})


@router.post(
    "/webhook-deliveries/{delivery_id}/replay",
    status_code=202,
    response_model=WebhookDelivery,
    summary="Send a delivery again",
)
def replay_webhook_delivery(session: Editing, delivery_id: DeliveryId, once: Once) -> Response:
    return once.answer(202, lambda: _replay(session, delivery_id))


def _create(session: TenantSession, new: NewWebhookEndpoint, response: Response) -> WebhookEndpointWithSecret:
    _expect_usable(session, new.url, new.event_types)
    row, secret = webhooks.create(
        session.connection, session.services.columns, session.tenant_id, new.url, new.description, new.event_types
    )
    session.audit("webhook_endpoint.created", f"webhook_endpoint:{row.endpoint_id}", url=new.url)
    return WebhookEndpointWithSecret(**_tagged(row, response).model_dump(), secret=secret)


def _change(session: TenantSession, endpoint_id: str, change: WebhookEndpointChange) -> EndpointRow:
    _expect_usable(session, change.url, change.event_types)
    changed = webhooks.change(
        session.connection, endpoint_id, url=change.url, description=change.description, types=change.event_types
    )
    if change.enabled is None or change.enabled == (changed.state != "disabled"):
        return changed
    switch = webhooks.enable if change.enabled else webhooks.disable
    return switch(session.connection, endpoint_id)


def _rotate(
    session: TenantSession, endpoint_id: str, rotation: SecretRotation, response: Response
) -> WebhookEndpointWithSecret:
    webhooks.find(session.connection, endpoint_id)
    overlap = timedelta(hours=rotation.overlap_hours)
    row, secret = webhooks.rotate(session.connection, session.services.columns, session.tenant_id, endpoint_id, overlap)
    session.audit("webhook_endpoint.secret_rotated", f"webhook_endpoint:{endpoint_id}")
    return WebhookEndpointWithSecret(**_tagged(row, response).model_dump(), secret=secret)


def _test(session: TenantSession, endpoint_id: str) -> TestEvent:
    event_id = webhooks.send_test(session.connection, endpoint_id)
    session.audit("webhook_endpoint.tested", f"webhook_endpoint:{endpoint_id}", event_id=event_id)
    return TestEvent(event_id=event_id)


def _replay(session: TenantSession, delivery_id: str) -> WebhookDelivery:
    session.audit("webhook_delivery.replayed", f"webhook_delivery:{delivery_id}")
    return _shown_delivery(webhooks.replay(session.connection, delivery_id))


def _expect_usable(session: TenantSession, url: str | None, event_types: list[str] | None) -> None:
    if url is not None:
        expect_safe_url(url, Allowed.parse(session.services.settings.outbound_allow))
    if event_types is None or event_types == ["*"]:
        return
    unknown = sorted(set(event_types) - set(EventType))
    if unknown:
        raise InvalidInput(
            f"{', '.join(unknown)[:200]}: no such event type; there are {', '.join(EventType)}, or `*` alone for all"
        )


def _tagged(row: EndpointRow, response: Response) -> WebhookEndpoint:
    set_etag(response, row.revision)
    return _shown(row)


def _shown(row: EndpointRow) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row.endpoint_id,
        url=row.url,
        description=row.description,
        event_types=list(row.event_types),
        state=row.state,
        state_reason=row.state_reason,
        failing_since=row.failing_since,
        previous_secret_until=row.previous_secret_until,
        created_at=row.created_at,
    )


def _shown_delivery(row: DeliveryRow) -> WebhookDelivery:
    return WebhookDelivery(
        id=row.delivery_id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_type=row.event_type,
        video_id=row.video_id,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _shown_attempt(row: AttemptRow) -> WebhookAttempt:
    return WebhookAttempt(
        attempt=row.attempt, at=row.at, duration_ms=row.duration_ms, status=row.status, error=row.error
    )
