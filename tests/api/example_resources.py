"""One of each thing that a path of the API can name, for a tenant; what people typed has the tenant's mark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from clip_platform.api.services import Services
from clip_platform.database import uploads
from clip_platform.database.uploads import AnnouncedPart, NewSession, NewVideo
from clip_platform.identifiers import new_ulid
from clip_platform.storage.parts.local import LocalPartStore
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


def make(server: MigratedServer, services: Services, tenant_id: str) -> Resources:
    """Rows of the tenant, as a superuser: what would make them otherwise is not what is tested here."""
    ids = {
        "member_id": f"mem_{new_ulid()}",
        "token_id": f"tok_{new_ulid()}",
        "video_id": new_ulid(),
        "dead_video_id": new_ulid(),
        "upload_video_id": new_ulid(),
    }
    mark = f"only-{tenant_id}-{new_ulid().lower()}"
    with server.superuser() as connection:
        for statement in (_VIDEO, _DEAD_VIDEO, _TOKEN):
            connection.execute(statement, {**ids, "t": tenant_id, "mark": mark})
        subject = services.columns.seal(tenant_id, "members.subject", ids["member_id"], mark)
        connection.execute(_MEMBER, {**ids, "t": tenant_id, "mark": mark, "subject": subject})
    _begin_upload(services, tenant_id, ids["upload_video_id"], mark)
    return Resources(tenant_id, mark, ids)


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
