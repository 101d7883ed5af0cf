"""A valid request for every operation of the API, by operation id. A route that is missing here fails its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.example_resources import CONTENT, MD5, Resources


@dataclass(frozen=True)
class Example:
    """What is sent. `body` is made for the resources of whoever asks; `named` says which of them stands for a path
    parameter, where it is not the one of that name."""

    body: Callable[[Resources], Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    named: Mapping[str, str] = field(default_factory=dict)


ANY_VERSION = {"If-Match": "*"}


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


UPLOADING = {"video_id": "upload_video_id"}
DEAD = {"video_id": "dead_video_id"}
PART = {"part_number": 1, "size_bytes": len(CONTENT), "md5": MD5}

EXAMPLES: Mapping[str, Example] = {
    "get_health": Example(),
    "create_video": Example(body=lambda _: {"name": "talk.mp4", "content_type": "video/mp4", "size_bytes": 1000}),
    "sign_parts": Example(body=lambda _: {"parts": [PART]}, named=UPLOADING),
    "list_parts": Example(named=UPLOADING),
    "complete_upload": Example(named=UPLOADING),
    "give_up_upload": Example(named=UPLOADING),
    "watch_video": Example(),
    "list_videos": Example(),
    "get_video": Example(),
    "change_video": Example(body=lambda own: {"name": own.mark}, headers=ANY_VERSION),
    "delete_video": Example(),
    "list_video_log": Example(),
    "get_transcript": Example(params={"format": "text"}),
    "list_candidates": Example(),
    "list_clips": Example(),
    "get_clip": Example(),
    "change_clip": Example(body=lambda own: {"title": own.mark}, headers=ANY_VERSION),
    "remove_clip": Example(),
    "list_clip_files": Example(),
    "get_clip_lineage": Example(),
    "add_feedback": Example(body=lambda own: {"decision": "published", "note": own.mark}),
    "list_feedback": Example(),
    "import_feedback": Example(content=b"", headers={"Content-Type": "application/x-ndjson"}),
    "requeue_video": Example(named=DEAD),
    "get_account": Example(),
    "change_account": Example(body=lambda resources: {"name": resources.mark}, headers=ANY_VERSION),
    "list_members": Example(),
    "add_member": Example(
        body=lambda own: {"issuer": "https://id.example", "subject": own.mark, "role": "viewer"},
    ),
    "get_member": Example(),
    "change_member": Example(body=lambda _: {"role": "editor"}, headers=ANY_VERSION),
    "remove_member": Example(),
    "list_tokens": Example(),
    "create_token": Example(body=lambda own: {"name": own.mark, "scopes": ["tokens"], "expires_at": _soon()}),
    "revoke_token": Example(),
    "list_audit_events": Example(),
    "list_erasure_requests": Example(),
    "request_erasure": Example(body=lambda own: {"confirm": own.tenant_id.title()}),
    "get_receipt_key": Example(),
    "get_erasure_receipt": Example(headers={"Receipt-Secret": "rcp_none"}, named={"request_id": "video_id"}),
    "list_operator_tenants": Example(),
    "list_operator_videos": Example(params={"state": "dead_lettered"}),
    "requeue_operator_video": Example(named=DEAD),
    "list_destinations": Example(),
    "add_destination": Example(
        body=lambda own: {
            "name": own.mark,
            "location": {"kind": "s3", "bucket": "own-bucket", "region": "eu-central-1"},
            "credentials": {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "s" * 40},
        }
    ),
    "get_destination": Example(),
    "change_destination": Example(body=lambda own: {"name": own.mark}, headers=ANY_VERSION),
    "remove_destination": Example(),
    "check_destination": Example(),
    "list_webhook_endpoints": Example(),
    "create_webhook_endpoint": Example(
        body=lambda own: {"url": "https://hooks.example/x", "description": own.mark, "event_types": ["clip.rendered"]}
    ),
    "get_webhook_endpoint": Example(),
    "change_webhook_endpoint": Example(body=lambda own: {"description": own.mark}, headers=ANY_VERSION),
    "delete_webhook_endpoint": Example(),
    "rotate_webhook_secret": Example(body=lambda _: {"overlap_hours": 1}),
    "send_test_webhook": Example(),
    "list_webhook_deliveries": Example(),
    "get_webhook_delivery": Example(),
    "list_webhook_attempts": Example(),
    "replay_webhook_delivery": Example(),
    "get_usage": Example(),
    "list_usage_entries": Example(),
}
