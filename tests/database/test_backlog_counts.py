"""The exporter counts what waits over all tenants, and can read nothing that a tenant wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from clip_platform.database import roles
from clip_platform.database.backlog_counts import count_backlog
from clip_platform.database.connection import Database
from tests.conftest import MigratedServer

_VIDEOS = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state, error_class,
    updated_at)
select '0' || lpad(n::text, 25, '0'), t, 'secret name', t || '/x', '', 1, '{}', s, e, now() - make_interval(secs => age)
from (values (1, 'acme', 'submitted', null, 100), (2, 'acme', 'submitted', null, 300),
    (3, 'globex', 'processing', null, 5), (4, 'globex', 'dead_lettered', 'NoSpeech', 9),
    (5, 'acme', 'completed', null, 900)) as v (n, t, s, e, age)"""


@pytest.fixture
def exporter(migrated_server: MigratedServer, database: Database) -> Iterator[Database]:  # noqa: ARG001
    with migrated_server.superuser() as connection:
        connection.execute(_VIDEOS)
        connection.execute("insert into events (event_id, tenant_id, type, payload) values ('e', 'acme', 'x', '{}')")
        connection.execute("""insert into upload_sessions (video_id, tenant_id, object_key, store_upload_id,
            part_size_bytes, part_count, size_bytes, expires_at)
            select id, tenant_id, tenant_id || '/x', 'u', 1, 1, 1, now() - interval '1 h' from videos limit 1""")
        connection.execute("""insert into erasure_receipts (request_id, secret_hash, deadline_at, completed_at, receipt)
            values ('a', '1', now() - interval '1 h', null, null), ('b', '2', now() + interval '1 h', null, null),
            ('c', '3', now() - interval '1 h', now(), '{}')""")
    opened = Database(migrated_server.url(roles.EXPORTER))
    yield opened
    opened.close()


def test_what_waits_is_counted_by_tenant_and_state(exporter: Database) -> None:
    counts = count_backlog(exporter)

    assert [(one.tenant_id, one.state, one.videos) for one in counts.videos] == [
        ("acme", "submitted", 2),
        ("globex", "processing", 1),
    ]
    assert 299 < counts.videos[0].oldest_s < 400
    assert counts.dead_letters == (("NoSpeech", 1),)
    assert (counts.deliveries, counts.delivery_lag_s) == (0, 0.0)
    assert counts.events == 1
    assert 0 <= counts.event_lag_s < 60
    assert (counts.erasures, counts.overdue_erasures) == (2, 1)
    assert (counts.upload_sessions, counts.expired_sessions) == (1, 1)


@pytest.mark.parametrize("column", ["name", "id", "error_message", "preferences", "source_key"])
def test_what_a_tenant_wrote_stays_hidden(exporter: Database, column: str) -> None:
    with pytest.raises(Exception, match="permission denied"), exporter.across_tenants() as connection:
        connection.execute(text(f"select {column} from videos"))
