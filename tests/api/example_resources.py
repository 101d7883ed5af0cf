"""One of each thing that a path of the API can name, for a tenant; what people typed has the tenant's mark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

import psycopg

from clip_platform.api.services import Services
from clip_platform.database import uploads
from clip_platform.database.uploads import AnnouncedPart, NewSession, NewVideo
from clip_platform.identifiers import new_ulid
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.storage import artifacts
from clip_platform.storage.parts.local import LocalPartStore
from clip_platform.timeline import Span
from clip_platform.upload.parts import cut
from clip_platform.upload.states import VideoState
from tests.conftest import MigratedServer


@dataclass(frozen=True)
class Resources:
    """`ids` by path parameter, or by the state of the thing; `mark` is in every text, and in nobody else's answers."""

    tenant_id: str
    mark: str
    ids: Mapping[str, str]


_VIDEO = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state, content_type,
    duration_s, attempt, created_by)
    values (%(video_id)s, %(t)s, %(mark)s, %(t)s || '/videos/' || %(video_id)s || '/source/upload',
        repeat('0', 64), 1000, '{}', 'completed', 'video/mp4', 60, 1, 'member:x')"""
_DEAD_VIDEO = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state, content_type,
    duration_s, attempt, failures, error_class, error_message, created_by)
    values (%(dead_video_id)s, %(t)s, %(mark)s, %(t)s || '/videos/' || %(dead_video_id)s || '/source/upload',
        repeat('0', 64), 1000, '{}', 'dead_lettered', 'video/mp4', 60, 1, 3, 'ProgramFailed', %(mark)s, 'member:x')"""

_TOKEN = """
insert into api_tokens (token_id, tenant_id, name, kind, secret_hash, role, scopes, created_by, expires_at)
    values (%(token_id)s, %(t)s, %(mark)s, 'service', sha256(convert_to(%(mark)s, 'UTF8')), 'viewer', '{*}', 'cli',
        now() + interval '1 day')"""
_MEMBER = """
insert into members (member_id, tenant_id, issuer, subject_index, subject, role)
    values (%(member_id)s, %(t)s, 'https://id.example/' || %(mark)s, '', %(subject)s, 'viewer')"""

# Nothing is reached from here: no test's installation lists its endpoint.
_DESTINATION = """
insert into destinations (destination_id, tenant_id, name, kind, location, credentials)
    values (%(destination_id)s, %(t)s, %(mark)s, 's3',
        '{"bucket": "own-bucket", "region": "eu-central-1", "endpoint": "http://127.0.0.1:9"}', %(credentials)s)"""
_WEBHOOK = """
insert into webhook_endpoints (endpoint_id, tenant_id, url, description, event_types, secret)
    values (%(endpoint_id)s, %(t)s, 'https://hooks.example/' || %(mark)s, %(mark)s, '{*}', '')"""
_EVENT = """
insert into events (event_id, tenant_id, video_id, type, payload, dispatched_at)
    values (%(event_id)s, %(t)s, %(video_id)s, 'video.completed', '{}', now())"""
_DELIVERY = """
insert into webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, video_id, attempts)
    values (%(delivery_id)s, %(t)s, %(endpoint_id)s, %(event_id)s, %(video_id)s, 1)"""
_ATTEMPT = """
insert into webhook_attempts (delivery_id, tenant_id, attempt, duration_ms, error)
    values (%(delivery_id)s, %(t)s, 1, 5, %(mark)s)"""

_CLIP = """
insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, text, reasons, files, fallbacks,
    model)
    values (%(video_id)s, %(t)s, 'c1', 1, 10, 40, 70, %(mark)s, %(mark)s, '[]', '{}', '[]', 'heuristic 1')"""
_CANDIDATE = """
insert into clip_candidates (video_id, tenant_id, start_s, end_s, text, reason)
    values (%(video_id)s, %(t)s, 1, 2, %(mark)s, 'too short')"""
_LOG = """
insert into video_log (video_id, tenant_id, attempt, stage, level, message)
    values (%(video_id)s, %(t)s, 1, 'media', 'info', %(mark)s)"""
_FEEDBACK = """
insert into clip_feedback (feedback_id, tenant_id, video_id, clip_id, report_key, kind, decision, note, occurred_at,
    reported_by, clip_revision)
    values ('fbk_' || %(video_id)s, %(t)s, %(video_id)s, 'c1', 'k', 'decision', 'accepted', %(mark)s, now(),
        'token:x', 1)"""
_OF_VIDEO = (_CLIP, _CANDIDATE, _LOG, _FEEDBACK)
_TRANSCRIPT = """
insert into asset_results (video_id, tenant_id, asset, fingerprint, artifact_key, artifact_sha256, artifact_size_bytes,
    attempt, is_current)
    values (%(video_id)s, %(t)s, 'transcript', 'f', %(key)s, %(sha256)s, %(size_bytes)s, 1, true)"""


def make(server: MigratedServer, services: Services, tenant_id: str) -> Resources:
    """Rows of the tenant, as a superuser: what would make them otherwise is not what is tested here."""
    ids = {
        "member_id": f"mem_{new_ulid()}",
        "token_id": f"tok_{new_ulid()}",
        "destination_id": f"dst_{new_ulid()}",
        "endpoint_id": f"whe_{new_ulid()}",
        "delivery_id": f"whd_{new_ulid()}",
        "event_id": f"evt_{new_ulid()}",
        "video_id": new_ulid(),
        "dead_video_id": new_ulid(),
        "upload_video_id": new_ulid(),
    }
    ids["clip_id"] = f"{ids['video_id']}.c1"
    mark = f"only-{tenant_id}-{new_ulid().lower()}"
    with server.superuser() as connection:
        for statement in (_VIDEO, _DEAD_VIDEO, _TOKEN, _WEBHOOK, _EVENT, _DELIVERY, _ATTEMPT, *_OF_VIDEO):
            connection.execute(statement, {**ids, "t": tenant_id, "mark": mark})
        sealed = services.columns.seal(tenant_id, "destinations.credentials", ids["destination_id"], "{}")
        connection.execute(_DESTINATION, {**ids, "t": tenant_id, "mark": mark, "credentials": sealed})
        subject = services.columns.seal(tenant_id, "members.subject", ids["member_id"], mark)
        _keep_transcript(connection, services, tenant_id, ids["video_id"], mark)
        connection.execute(_MEMBER, {**ids, "t": tenant_id, "mark": mark, "subject": subject})
    _begin_upload(services, tenant_id, ids["upload_video_id"], mark)
    return Resources(tenant_id, mark, ids)


def _keep_transcript(
    connection: psycopg.Connection, services: Services, tenant_id: str, video_id: str, mark: str
) -> None:
    heard = Transcript((Word(mark, Span.of(0, 1)),), (), "en", EngineIdentity("none", "1", "none"))
    key = f"{tenant_id}/videos/{video_id}/artifacts/transcript"
    stored = services.object_store.put_bytes(key, artifacts.encode(heard))
    connection.execute(_TRANSCRIPT, {"t": tenant_id, "video_id": video_id, **asdict(stored)})


CONTENT = b"a video, says its sender"
MD5 = base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()


def _begin_upload(services: Services, tenant_id: str, video_id: str, mark: str) -> None:
    """One that has all its parts and can be completed."""
    whole, key = cut(len(CONTENT)), f"{tenant_id}/videos/{video_id}/source/upload"
    assert isinstance(services.part_store, LocalPartStore)
    upload_id = services.part_store.begin(key, "video/mp4", len(CONTENT), whole.part_count)
    services.part_store.receive(upload_id, 1, CONTENT, MD5)
    with services.database.tenant_transaction(tenant_id) as connection:
        video = NewVideo(video_id, mark, "video/mp4", {}, "member:x", VideoState.UPLOADING)
        uploads.add_video(connection, video)
        uploads.begin(connection, NewSession(video_id, key, upload_id, whole, None, timedelta(hours=1)))
        uploads.announce(connection, video_id, [AnnouncedPart(1, len(CONTENT), MD5)])
