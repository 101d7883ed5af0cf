"""Who read what was said is in the audit trail."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from clip_platform.api.services import Services
from tests.api.example_resources import make
from tests.conftest import MigratedServer


def test_a_transcript_that_was_read_is_audited_and_one_that_was_not_is_not(
    as_: Callable[..., TestClient], services: Services, migrated_server: MigratedServer
):
    video_id = make(migrated_server, services, "acme").ids["video_id"]
    path = f"/v1/videos/{video_id}/transcript"

    answers = [as_(tenant_id, "viewer").get(path, params={"format": "srt"}) for tenant_id in ("acme", "globex")]

    assert [answer.status_code for answer in answers] == [200, 404]
    query = "select tenant_id, resource, details from audit_events where action = 'transcript.read'"
    with migrated_server.superuser() as connection:
        assert connection.execute(query).fetchall() == [("acme", f"video:{video_id}", {"format": "srt"})]
