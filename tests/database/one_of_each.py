"""One row in every table that belongs to a tenant; a table that is missing here fails the tests that use it."""

from __future__ import annotations

from tests.conftest import MigratedServer

_ROWS = """
insert into tenants (tenant_id, name) values ({t}, 'x') on conflict do nothing;
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
    values ({v}, {t}, 'talk.mp4', {t} || '/x', '', 1, '{{}}', 'processing');
insert into attempts (video_id, tenant_id, attempt, run_id) values ({v}, {t}, 1, 'run');
insert into asset_results (video_id, tenant_id, asset, fingerprint, artifact_key, artifact_sha256,
    artifact_size_bytes, attempt, is_current) values ({v}, {t}, 'shots', 'f', {t} || '/x', '', 1, 1, true);
insert into progress (video_id, tenant_id, stage, asset, share, message) values ({v}, {t}, 'media', 'shots', 0, '');
insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model)
    values ({v}, {t}, 'c', 1, 1, 2, 50, '', '[]', '{{}}', '[]', 'heuristic');
insert into clip_candidates (video_id, tenant_id, start_s, end_s, text, reason) values ({v}, {t}, 1, 2, '', '');
insert into leases (video_id, tenant_id, run_id, holder_host, holder_pid, holder_started, expires_at)
    values ({v}, {t}, 'run', 'host', 1, '', now());
insert into upload_sessions (video_id, tenant_id, object_key, store_upload_id, part_size_bytes, part_count, size_bytes,
    expires_at) values ({v}, {t}, {t} || '/x', 'u', 1, 1, 1, now());
insert into upload_parts (video_id, tenant_id, part_number, md5, size_bytes) values ({v}, {t}, 1, '', 1);
insert into members (member_id, tenant_id, issuer, subject_index, subject, role)
    values ('mem_' || {t}, {t}, 'i', '', '', 'viewer');
insert into api_tokens (token_id, tenant_id, name, kind, secret_hash, role, scopes, created_by, expires_at)
    values ('tok_' || {t}, {t}, '', 'service', convert_to({t}, 'UTF8'), 'viewer', '{{}}', '', now());
insert into idempotency_keys (tenant_id, operation, key, request_digest) values ({t}, 'o', 'k', '');
insert into clip_edits (video_id, tenant_id, clip_id, revision) values ({v}, {t}, 'c', 1);
insert into clip_feedback (feedback_id, tenant_id, video_id, clip_id, report_key, kind, decision, occurred_at,
    reported_by, clip_revision) values ('fbk_' || {t}, {t}, {v}, 'c', 'r', 'decision', 'accepted', now(), '', 1);
insert into video_log (video_id, tenant_id, attempt, stage, level, message) values ({v}, {t}, 1, '', 'info', '');
insert into events (event_id, tenant_id, video_id, type, payload) values ('evt_' || {t}, {t}, {v}, 't', '{{}}');
insert into webhook_endpoints (endpoint_id, tenant_id, url, event_types, secret)
    values ('whe_' || {t}, {t}, '', '{{}}', '');
insert into webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id)
    values ('whd_' || {t}, {t}, 'whe_' || {t}, 'evt_' || {t});
insert into webhook_attempts (delivery_id, tenant_id, attempt, duration_ms) values ('whd_' || {t}, {t}, 1, 1);
insert into destinations (destination_id, tenant_id, name, kind, location, credentials)
    values ('dst_' || {t}, {t}, '', 's3', '{{}}', '');
insert into destination_copies (destination_id, tenant_id, video_id, clip_id, revision, state)
    values ('dst_' || {t}, {t}, {v}, 'c', 1, 'written');
insert into usage_entries (tenant_id, entry_key, kind, quantity) values ({t}, 'k', 'stored_bytes', 1);
insert into audit_events (tenant_id, actor, action, resource, details) values ({t}, '', '', '', '{{}}');
insert into audit_exports (tenant_id, first_sequence, last_sequence, object_key) values ({t}, 1, 1, '');
insert into clip_scores (tenant_id, video_id, clip_id, model_version, value, low, high, band, top_chance)
    values ({t}, {v}, 'c', '1', 50, 40, 60, 'middle', 0.3);
insert into score_versions (tenant_id, model_version) values ({t}, '1');
insert into video_arms (tenant_id, video_id, arm, exploration_share) values ({t}, {v}, 'explore', 0.1);
insert into erasure_requests (request_id, tenant_id, requested_by, deadline_at) values ('ers_' || {t}, {t}, '', now());
insert into erasure_steps (request_id, tenant_id, step) values ('ers_' || {t}, {t}, 'halt');
insert into erasure_ids (request_id, tenant_id, id) values ('ers_' || {t}, {t}, {v});
"""


def fill_every_table(server: MigratedServer, tenant_id: str, video_id: str) -> None:
    """As a superuser, so that every table gets its row, whoever may write it."""
    with server.superuser() as connection:
        connection.execute(_ROWS.format(t=f"'{tenant_id}'::text", v=f"'{video_id}'"))


def tenant_tables(server: MigratedServer) -> list[str]:
    with server.superuser() as connection:
        found = connection.execute("""
            select table_name from information_schema.columns
            where column_name = 'tenant_id' and table_schema = 'public'""")
        return sorted(name for (name,) in found)


def readable_tables(server: MigratedServer, role: str) -> list[str]:
    """Those of `tenant_tables` that the role may select whole rows from."""
    with server.superuser() as connection:
        return [
            table
            for table in tenant_tables(server)
            if connection.execute("select has_table_privilege(%s, %s, 'select')", [role, table]).fetchone() == (True,)
        ]
