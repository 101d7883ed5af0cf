"""The exporter's role: how much waits, for how long and in what state, across tenants; no row's content."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_GRANTS = """
grant usage on schema public to clip_platform_exporter;
grant select (tenant_id, state, updated_at, error_class) on videos to clip_platform_exporter;
create policy exporter_counts_videos on videos for select to clip_platform_exporter using (true);
grant select (state, began_at, next_attempt_at) on webhook_deliveries to clip_platform_exporter;
create policy exporter_counts_deliveries on webhook_deliveries for select to clip_platform_exporter using (true);
grant select (completed_at, expires_at) on upload_sessions to clip_platform_exporter;
create policy exporter_counts_uploads on upload_sessions for select to clip_platform_exporter using (true);
grant select (sequence, created_at, dispatched_at) on events to clip_platform_exporter;
create policy exporter_counts_events on events for select to clip_platform_exporter using (true);
grant select (deadline_at, completed_at) on erasure_receipts to clip_platform_exporter;
create index on webhook_deliveries (next_attempt_at) where state = 'pending';
"""


def upgrade() -> None:
    op.execute(_GRANTS)


def downgrade() -> None:
    op.execute("""
        drop index webhook_deliveries_next_attempt_at_idx;
        drop policy exporter_counts_videos on videos;
        drop policy exporter_counts_deliveries on webhook_deliveries;
        drop policy exporter_counts_uploads on upload_sessions;
        drop policy exporter_counts_events on events;
        revoke all on videos, webhook_deliveries, upload_sessions, events, erasure_receipts from clip_platform_exporter;
        revoke all on schema public from clip_platform_exporter""")
