"""Tenants, videos and all that processing one leaves behind; row-level security from the first table."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
create table tenants (
    tenant_id text primary key check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
    name text not null,
    created_at timestamptz not null default now()
);

create table videos (
    id text primary key check (id ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
    tenant_id text not null references tenants,
    name text not null,
    source_key text not null check (starts_with(source_key, tenant_id || '/')),
    source_sha256 text not null,
    source_size_bytes bigint not null check (source_size_bytes >= 0),
    preferences jsonb not null,
    state text not null check (
        state in ('submitted', 'admitted', 'processing', 'completed', 'failed', 'dead_lettered')),
    attempt integer not null default 0,
    failures integer not null default 0,
    attempt_token text,
    run_id text,
    error_class text,
    error_message text,
    error_detail text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (tenant_id, id)
);
comment on column videos.failures is 'failed attempts since the last completed one or the last requeue';
create index on videos (tenant_id, source_sha256, name);
create index on videos (tenant_id, updated_at) where state = 'submitted';
create index on videos (state) where state in ('admitted', 'processing');

create table attempts (
    video_id text not null,
    tenant_id text not null,
    attempt integer not null,
    run_id text not null,
    began_at timestamptz not null default now(),
    primary key (video_id, attempt),
    unique (video_id, run_id),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);

create table asset_results (
    video_id text not null,
    tenant_id text not null,
    asset text not null,
    fingerprint text not null,
    artifact_key text not null check (starts_with(artifact_key, tenant_id || '/')),
    artifact_sha256 text not null,
    artifact_size_bytes bigint not null,
    attempt integer not null,
    is_current boolean not null,
    created_at timestamptz not null default now(),
    primary key (video_id, asset, fingerprint),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
create unique index on asset_results (video_id, asset) where is_current;

create table progress (
    video_id text not null,
    tenant_id text not null,
    stage text not null,
    asset text not null,
    share double precision not null check (share between 0 and 1),
    message text not null,
    updated_at timestamptz not null default now(),
    primary key (video_id, stage, asset),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);

create table clips (
    video_id text not null,
    tenant_id text not null,
    clip_id text not null,
    rank integer not null check (rank >= 1),
    start_s numeric not null,
    end_s numeric not null,
    score double precision not null,
    title text not null,
    reasons jsonb not null,
    files jsonb not null,
    fallbacks jsonb not null,
    model text not null,
    created_at timestamptz not null default now(),
    primary key (video_id, clip_id),
    check (start_s < end_s),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);

create table clip_candidates (
    id bigint generated always as identity primary key,
    video_id text not null,
    tenant_id text not null,
    candidate_id text,
    start_s numeric not null,
    end_s numeric not null,
    score double precision,
    text text not null,
    reason text not null,
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
comment on table clip_candidates is 'stretches that did not become clips, and why';
create index on clip_candidates (video_id, start_s);

create table leases (
    video_id text primary key,
    tenant_id text not null,
    run_id text not null,
    holder_host text not null,
    holder_pid integer not null,
    holder_started text not null,
    acquired_at timestamptz not null default now(),
    expires_at timestamptz not null,
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
create index on leases (expires_at);
"""

_TENANT_TABLES = ("tenants", "videos", "attempts", "asset_results", "progress", "clips", "clip_candidates", "leases")

_ONE_TENANT = """
alter table {table} enable row level security;
alter table {table} force row level security;
create policy one_tenant on {table} to clip_platform_pipeline
    using (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
grant select, insert, update, delete on {table} to clip_platform_pipeline;
"""

# Only what the sensors need to notice and admit uploads. Columns are limited by grants, rows by policies.
_SENSORS = """
grant usage on schema public to clip_platform_pipeline, clip_platform_sensors;

grant select (id, tenant_id, name, state, attempt, run_id, created_at, updated_at) on videos to clip_platform_sensors;
grant update (state, updated_at) on videos to clip_platform_sensors;
create policy sensors_see_states on videos for select to clip_platform_sensors using (true);
create policy sensors_admit on videos for update to clip_platform_sensors
    using (state in ('submitted', 'admitted')) with check (state in ('submitted', 'admitted'));

grant select on leases to clip_platform_sensors;
create policy sensors_see_leases on leases for select to clip_platform_sensors using (true);
"""

# A Dagster partition is a video's id alone. Whoever knows one of these 128-bit ids may learn whose it is, and then
# still has to come in through that tenant's door.
_TENANT_OF_VIDEO = """
create policy owner_finds_tenants on videos for select to clip_platform_owner using (true);
create function tenant_of_video(video text) returns text
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select tenant_id from public.videos where id = video';
revoke all on function tenant_of_video from public;
grant execute on function tenant_of_video to clip_platform_pipeline, clip_platform_sensors;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    for table in _TENANT_TABLES:
        op.execute(_ONE_TENANT.format(table=table))
    op.execute(_SENSORS)
    op.execute(_TENANT_OF_VIDEO)


def downgrade() -> None:
    op.execute("drop function tenant_of_video")
    for table in reversed(_TENANT_TABLES):
        op.execute(f"drop table {table}")
