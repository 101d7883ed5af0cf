"""One of each thing that a path of the API can name, for a tenant; what people typed has the tenant's mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clip_platform.api.services import Services
from clip_platform.identifiers import new_ulid
from tests.conftest import MigratedServer


@dataclass(frozen=True)
class Resources:
    """`ids` by path parameter; `mark` is in every text, and in nobody else's answers."""

    tenant_id: str
    mark: str
    ids: Mapping[str, str]


_VIDEO = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state, content_type,
    duration_s, attempt, created_by)
    values (%(video_id)s, %(t)s, %(mark)s, %(t)s || '/videos/' || %(video_id)s || '/source/upload',
        repeat('0', 64), 1000, '{}', 'completed', 'video/mp4', 60, 1, 'member:x');
"""


def make(server: MigratedServer, services: Services, tenant_id: str) -> Resources:
    """Rows of the tenant, as a superuser: what would make them otherwise is not what is tested here."""
    del services
    ids = {"video_id": new_ulid()}
    mark = f"only-{tenant_id}-{new_ulid().lower()}"
    with server.superuser() as connection:
        connection.execute(_VIDEO, {**ids, "t": tenant_id, "mark": mark})
    return Resources(tenant_id, mark, ids)
