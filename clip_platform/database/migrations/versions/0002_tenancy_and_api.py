"""What the API needs: uploads in parts, people and tokens, clips that are edited, feedback, webhooks, usage, audit.

Columns of type `bytea` that are named for something readable are sealed by the application (`encryption.columns`).
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_VIDEO_STATES = """'uploading', 'verifying', 'rejected', 'expired', 'submitted', 'admitted', 'processing', 'completed',
    'failed', 'dead_lettered', 'deleting'"""

_WIDENED = f"""
alter table tenants
    add column default_preferences jsonb not null default '{{}}',
    add column retention_days integer check (retention_days >= 1),
    add column quota_stored_bytes bigint check (quota_stored_bytes >= 0),
    add column quota_minutes_a_month numeric check (quota_minutes_a_month >= 0),
    add column quota_concurrent_videos integer check (quota_concurrent_videos >= 0),
    add column revision integer not null default 1,
    add column closing_at timestamptz;

alter table videos
    alter column source_key drop not null,
    alter column source_sha256 drop not null,
    alter column source_size_bytes drop not null,
    add column source_url bytea,
    add column content_type text,
    add column duration_s numeric,
    add column created_by text,
    add column revision integer not null default 1,
    add column pinned boolean not null default false,
    add column completed_at timestamptz,
    add column expires_at timestamptz,
    add column expiry_announced_at timestamptz,
    add column retry_at timestamptz,
    add column edit_revision integer not null default 0,
    add column rendered_revision integer not null default 0,
    add column failed_revision integer not null default 0,
    add constraint source_is_whole check (num_nulls(source_key, source_sha256, source_size_bytes) in (0, 3)),
    drop constraint videos_state_check,
    add constraint videos_state_check check (state in ({_VIDEO_STATES}));
comment on column videos.source_url is 'where to fetch the source from; sealed, since a URL may carry credentials';
comment on column videos.edit_revision is 'counts edits of its clips';
comment on column videos.rendered_revision is 'the last edit that was rendered';
comment on column videos.failed_revision is 'the last edit that could not be rendered';
create index on videos (tenant_id, id desc);
create index on videos (state, updated_at) where state in ('verifying', 'failed', 'dead_lettered', 'deleting');
create index on videos (id) where expires_at is null and not pinned
    and state in ('completed', 'rejected', 'expired', 'failed', 'dead_lettered');
create index on videos (expires_at) where expires_at is not null and not pinned;
drop index videos_tenant_id_updated_at_idx;
create index on videos (tenant_id, updated_at, id) where state = 'submitted';
create index on videos (updated_at)
    where state = 'completed' and edit_revision > greatest(rendered_revision, failed_revision);

alter table attempts add column edit_revision integer not null default 0;

alter table asset_results
    add column code_version text,
    add column needs jsonb,
    add column reads jsonb;
comment on column asset_results.needs is 'digest of every input by asset';
comment on column asset_results.reads is 'settings and engines the result depends on';

alter table clips
    add column baseline double precision,
    add column contributions jsonb not null default '[]',
    add column aspect text,
    add column caption_style text,
    add column platforms jsonb not null default '[]',
    add column text text not null default '',
    add column width_px integer,
    add column height_px integer,
    add column revision integer not null default 1,
    add column edit_revision integer not null default 0,
    add column updated_at timestamptz not null default now();
create index on clips (tenant_id, video_id, rank);
create unique index on clips (tenant_id, video_id, clip_id);
"""

_TABLES = """
create table upload_sessions (
    video_id text primary key,
    tenant_id text not null,
    object_key text not null check (starts_with(object_key, tenant_id || '/')),
    store_upload_id text not null,
    part_size_bytes bigint not null check (part_size_bytes > 0),
    part_count integer not null check (part_count between 1 and 10000),
    size_bytes bigint not null check (size_bytes > 0),
    sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    completed_at timestamptz,
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
create index on upload_sessions (expires_at) where completed_at is null;

create table upload_parts (
    video_id text not null references upload_sessions on delete cascade,
    tenant_id text not null,
    part_number integer not null check (part_number between 1 and 10000),
    md5 text not null,
    size_bytes bigint not null,
    asked_at timestamptz not null default now(),
    primary key (video_id, part_number)
);
comment on table upload_parts is 'what each part must be, as the client said when it asked for the part''s URL';

create table members (
    member_id text primary key,
    tenant_id text not null references tenants,
    issuer text not null,
    subject_index bytea not null,
    subject bytea not null,
    email bytea,
    role text not null check (role in ('owner', 'editor', 'viewer')),
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    unique (tenant_id, issuer, subject_index)
);
create index on members (issuer, subject_index);

create table api_tokens (
    token_id text primary key,
    tenant_id text not null references tenants,
    name text not null,
    kind text not null check (kind in ('personal', 'service')),
    secret_hash bytea not null unique,
    role text not null check (role in ('owner', 'editor', 'viewer', 'operator')),
    scopes text[] not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    last_used_at timestamptz
);
create index on api_tokens (tenant_id, token_id);

create table idempotency_keys (
    tenant_id text not null references tenants,
    operation text not null,
    key text not null,
    request_digest text not null,
    status integer,
    answer bytea,
    created_at timestamptz not null default now(),
    primary key (tenant_id, operation, key)
);
create index on idempotency_keys (created_at);
comment on column idempotency_keys.answer is 'sealed: it may hold a secret that is shown once';

create table clip_edits (
    video_id text not null,
    tenant_id text not null,
    clip_id text not null,
    revision integer not null,
    start_s numeric,
    end_s numeric,
    title text,
    aspect text,
    caption_style text,
    platforms jsonb,
    removed boolean not null default false,
    updated_at timestamptz not null default now(),
    primary key (video_id, clip_id),
    check (start_s < end_s),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
comment on table clip_edits is 'what a tenant wants otherwise than the machine; null: as the machine chose';
comment on column clip_edits.revision is 'videos.edit_revision when it was written';

create table clip_feedback (
    feedback_id text primary key,
    tenant_id text not null,
    video_id text not null,
    clip_id text not null,
    report_key text not null,
    kind text not null check (kind in ('decision', 'counters')),
    decision text check (decision in ('accepted', 'edited', 'rejected', 'published')),
    platform text,
    day date,
    impressions bigint check (impressions >= 0),
    views bigint check (views >= 0),
    watched_s double precision check (watched_s >= 0),
    completions bigint check (completions >= 0),
    likes bigint check (likes >= 0),
    shares bigint check (shares >= 0),
    saves bigint check (saves >= 0),
    comments bigint check (comments >= 0),
    note text,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now(),
    reported_by text not null,
    clip_revision integer not null,
    model text,
    unique (tenant_id, video_id, clip_id, report_key),
    check ((kind = 'decision') = (decision is not null)),
    check ((kind = 'counters') = (platform is not null and day is not null)),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
create index on clip_feedback (tenant_id, video_id, clip_id, feedback_id);
create index on clip_feedback (received_at);
comment on table clip_feedback is 'counters are totals for a platform and day; a later report of the same day replaces';

create table video_log (
    id bigint generated always as identity primary key,
    video_id text not null,
    tenant_id text not null,
    attempt integer not null,
    stage text not null,
    level text not null check (level in ('info', 'warning', 'error')),
    message text not null,
    at timestamptz not null default now(),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
create index on video_log (video_id, id);

create table events (
    event_id text primary key,
    sequence bigint generated always as identity,
    tenant_id text not null references tenants,
    video_id text,
    type text not null,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    dispatched_at timestamptz
);
create index on events (tenant_id, event_id);
create index on events (sequence) where dispatched_at is null;
comment on column events.sequence is 'events of one video are told of in this order; ids of one millisecond have none';
comment on table events is 'the outbox: written in the transaction of the change it tells of';

create table webhook_endpoints (
    endpoint_id text primary key,
    tenant_id text not null references tenants,
    url text not null,
    description text not null default '',
    event_types text[] not null,
    secret bytea not null,
    previous_secret bytea,
    previous_secret_until timestamptz,
    state text not null default 'enabled' check (state in ('enabled', 'disabled', 'failing')),
    state_reason text,
    failing_since timestamptz,
    revision integer not null default 1,
    created_at timestamptz not null default now()
);
create index on webhook_endpoints (tenant_id, endpoint_id);

create table webhook_deliveries (
    delivery_id text primary key,
    tenant_id text not null references tenants,
    endpoint_id text not null references webhook_endpoints on delete cascade,
    event_id text not null references events on delete cascade,
    sequence bigint not null default 0,
    video_id text,
    state text not null default 'pending' check (state in ('pending', 'succeeded', 'dead_lettered')),
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    created_at timestamptz not null default now(),
    began_at timestamptz not null default now(),
    ended_at timestamptz,
    unique (endpoint_id, event_id)
);
create index on webhook_deliveries (tenant_id, endpoint_id, delivery_id);
create index on webhook_deliveries (endpoint_id, video_id, sequence) where state = 'pending';
comment on column webhook_deliveries.sequence is 'its event''s';
comment on column webhook_deliveries.began_at is 'when it was made or last replayed; it is tried for a day from then';

create table webhook_attempts (
    delivery_id text not null references webhook_deliveries on delete cascade,
    tenant_id text not null,
    attempt integer not null,
    at timestamptz not null default now(),
    duration_ms integer not null,
    status integer,
    error text,
    primary key (delivery_id, attempt)
);

create table destinations (
    destination_id text primary key,
    tenant_id text not null references tenants,
    name text not null,
    kind text not null check (kind in ('s3', 'azure')),
    location jsonb not null,
    credentials bytea not null,
    enabled boolean not null default true,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    last_written_at timestamptz,
    last_error text
);
create index on destinations (tenant_id, destination_id);

create table destination_copies (
    destination_id text not null references destinations on delete cascade,
    tenant_id text not null,
    video_id text not null,
    clip_id text not null,
    revision integer not null,
    state text not null check (state in ('pending', 'written', 'failed')),
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    error text,
    at timestamptz not null default now(),
    primary key (destination_id, video_id, clip_id, revision),
    check ((state = 'pending') = (next_attempt_at is not null)),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
create index on destination_copies (next_attempt_at) where state = 'pending';
create index on destination_copies (tenant_id, video_id);
comment on column destination_copies.revision is 'the edit that the clip shows, 0 for none';

create table usage_entries (
    tenant_id text not null references tenants,
    entry_key text not null,
    kind text not null check (kind in ('stored_bytes', 'source_minutes')),
    quantity numeric not null,
    video_id text,
    at timestamptz not null default now(),
    primary key (tenant_id, entry_key)
);
create index on usage_entries (tenant_id, kind, at);
comment on table usage_entries is 'a ledger: entries are added, never changed; what is freed is a negative entry';

create table audit_events (
    tenant_id text not null references tenants,
    sequence bigint not null,
    at timestamptz not null,
    actor text not null,
    action text not null,
    resource text not null,
    details jsonb not null,
    request_id text,
    previous_hash bytea not null,
    hash bytea not null,
    primary key (tenant_id, sequence)
);

create table audit_exports (
    tenant_id text not null references tenants,
    first_sequence bigint not null,
    last_sequence bigint not null,
    object_key text not null,
    at timestamptz not null default now(),
    primary key (tenant_id, last_sequence)
);

create table erasure_requests (
    request_id text primary key,
    tenant_id text not null references tenants,
    state text not null default 'requested' check (state in ('requested', 'running', 'completed')),
    requested_by text not null,
    requested_at timestamptz not null default now(),
    deadline_at timestamptz not null,
    completed_at timestamptz
);
create unique index on erasure_requests (tenant_id) where state <> 'completed';
"""

_NEW_TENANT_TABLES = (
    "upload_sessions",
    "upload_parts",
    "members",
    "api_tokens",
    "idempotency_keys",
    "clip_edits",
    "clip_feedback",
    "video_log",
    "events",
    "webhook_endpoints",
    "webhook_deliveries",
    "webhook_attempts",
    "destinations",
    "destination_copies",
    "usage_entries",
    "audit_events",
    "audit_exports",
    "erasure_requests",
)
_OLD_TENANT_TABLES = (
    "tenants",
    "videos",
    "attempts",
    "asset_results",
    "progress",
    "clips",
    "clip_candidates",
    "leases",
)

_ONE_TENANT = """
alter table {table} enable row level security;
alter table {table} force row level security;
create policy one_tenant on {table} to clip_platform_api, clip_platform_worker, clip_platform_pipeline
    using (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
"""
_ONE_TENANT_OF_OLD = """
create policy one_tenant_served on {table} to clip_platform_api, clip_platform_worker
    using (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
"""

# Each role may do what its process does, and no more; rows are limited by the policies above.
_GRANTS = """
grant usage on schema public to clip_platform_api, clip_platform_worker;

grant select, insert, update on tenants, videos, upload_sessions, members, api_tokens, clip_edits, webhook_endpoints,
    destinations, erasure_requests to clip_platform_api;
grant select, insert, update, delete on upload_parts, idempotency_keys, clip_feedback to clip_platform_api;
grant delete on members, webhook_endpoints, destinations, clips to clip_platform_api;
grant update on clips to clip_platform_api;
grant select on attempts, asset_results, progress, clips, clip_candidates, leases, video_log, webhook_attempts,
    destination_copies, audit_exports, usage_entries, audit_events to clip_platform_api;
grant delete on leases to clip_platform_api;
grant select, insert on events, audit_events to clip_platform_api;
grant select, insert, update on webhook_deliveries to clip_platform_api;
grant update on destination_copies to clip_platform_api;

grant select on tenants, asset_results, clips, destinations, webhook_endpoints, upload_parts to clip_platform_worker;
grant select, update on videos, upload_sessions, events, destinations, webhook_endpoints to clip_platform_worker;
grant select, insert, update on webhook_deliveries, webhook_attempts, destination_copies to clip_platform_worker;
grant insert on events to clip_platform_worker;
grant select, insert on usage_entries, audit_events, audit_exports to clip_platform_worker;
grant select, delete on idempotency_keys to clip_platform_worker;

grant select on clip_edits, upload_sessions to clip_platform_pipeline;
grant select, insert on events, video_log, usage_entries, audit_events to clip_platform_pipeline;

grant select (tenant_id, quota_concurrent_videos) on tenants to clip_platform_sensors;
create policy sensors_see_quotas on tenants for select to clip_platform_sensors using (true);
grant select (error_class, expires_at, expiry_announced_at, pinned, retry_at, edit_revision, rendered_revision,
    failed_revision, failures) on videos to clip_platform_sensors;
create policy sensors_admit_edits on videos for update to clip_platform_sensors
    using (state = 'completed' and edit_revision > greatest(rendered_revision, failed_revision))
    with check (state = 'admitted');
"""

# Looking a thing up before its tenant is known, and noticing work across tenants: functions of the owner that answer
# with ids and nothing that a tenant wrote.
_OWNER_READS = (
    *("api_tokens", "members", "events", "upload_sessions", "audit_events", "audit_exports", "tenants"),
    *("destinations", "destination_copies"),
)
_FUNCTIONS = """
create function token_by_hash(hash bytea)
    returns table (token_id text, tenant_id text, role text, scopes text[], expires_at timestamptz,
        revoked_at timestamptz, last_used_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select token_id, tenant_id, role, scopes, expires_at, revoked_at, last_used_at
        from public.api_tokens where secret_hash = hash';

create function memberships_of(of_issuer text, of_subject bytea)
    returns table (member_id text, tenant_id text, role text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select member_id, tenant_id, role from public.members
        where issuer = of_issuer and subject_index = of_subject order by member_id';

create function videos_to_verify(most integer) returns table (tenant_id text, video_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select tenant_id, id from public.videos where state = ''verifying'' order by updated_at, id limit most';

create function uploads_to_expire(most integer) returns table (tenant_id text, video_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select tenant_id, video_id from public.upload_sessions sessions
        where completed_at is null and (expires_at < now() or exists (
            select from public.videos where id = sessions.video_id and state = ''deleting''))
        order by expires_at limit most';

create function videos_to_date(default_days integer, most integer) returns table (tenant_id text, video_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select v.tenant_id, v.id from public.videos v join public.tenants t on t.tenant_id = v.tenant_id
        where v.expires_at is null and not v.pinned
            and v.state in (''completed'', ''rejected'', ''expired'', ''failed'', ''dead_lettered'')
            and coalesce(t.retention_days, default_days) is not null
        order by v.id limit most';

create function videos_to_delete(most integer)
    returns table (tenant_id text, video_id text, run_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select v.tenant_id, v.id, v.run_id from public.videos v
        where (v.state = ''deleting'' or (v.expires_at <= now() and v.expiry_announced_at is not null and not v.pinned
                and v.state in (''completed'', ''rejected'', ''expired'', ''failed'', ''dead_lettered'')))
            and not exists (select from public.upload_sessions s where s.video_id = v.id and s.completed_at is null)
        order by v.updated_at, v.id limit most';

create function events_to_dispatch(most integer) returns table (tenant_id text, event_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select tenant_id, event_id from public.events where dispatched_at is null order by sequence limit most';

create function audits_to_export(most integer) returns table (tenant_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select t.tenant_id from public.tenants t
        where coalesce((select max(sequence) from public.audit_events a where a.tenant_id = t.tenant_id), 0)
            > coalesce((select max(last_sequence) from public.audit_exports e where e.tenant_id = t.tenant_id), 0)
        order by t.tenant_id limit most';

create function copies_to_make(moment timestamptz, most integer) returns table (tenant_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select distinct c.tenant_id from public.destination_copies c
        join public.destinations d on d.destination_id = c.destination_id
        where c.state = ''pending'' and c.next_attempt_at <= moment and d.enabled limit most';

create function operator_videos(of_state text, before_id text, most integer)
    returns table (video_id text, tenant_id text, state text, attempt integer, failures integer, error_class text,
        updated_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select id, tenant_id, state, attempt, failures, error_class, updated_at from public.videos
        where (of_state is null or state = of_state) and (before_id is null or id < before_id)
        order by id desc limit most';

create function operator_tenants(after_id text, most integer)
    returns table (tenant_id text, created_at timestamptz, closing_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select tenant_id, created_at, closing_at from public.tenants
        where after_id is null or tenant_id > after_id order by tenant_id limit most';
"""
_MAY_CALL = {
    "token_by_hash(bytea)": "clip_platform_api",
    "memberships_of(text, bytea)": "clip_platform_api",
    "operator_videos(text, text, integer)": "clip_platform_api",
    "operator_tenants(text, integer)": "clip_platform_api, clip_platform_worker, clip_platform_pipeline",
    "videos_to_date(integer, integer)": "clip_platform_sensors",
    "videos_to_delete(integer)": "clip_platform_sensors",
    "videos_to_verify(integer)": "clip_platform_worker",
    "uploads_to_expire(integer)": "clip_platform_worker",
    "events_to_dispatch(integer)": "clip_platform_worker",
    "audits_to_export(integer)": "clip_platform_worker",
    "copies_to_make(timestamptz, integer)": "clip_platform_worker",
    "tenant_of_video(text)": "clip_platform_api, clip_platform_worker",
}

# The chain is computed where nobody can skip it; appends of one tenant wait for each other until they commit.
_AUDIT_CHAIN = """
create function chain_audit_event() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as $$
    declare
        last record;
    begin
        perform pg_advisory_xact_lock(hashtextextended('audit/' || new.tenant_id, 0));
        select sequence, hash into last from public.audit_events
            where tenant_id = new.tenant_id order by sequence desc limit 1;
        new.sequence := coalesce(last.sequence, 0) + 1;
        new.previous_hash := coalesce(last.hash, '\\x'::bytea);
        new.at := clock_timestamp();
        new.hash := sha256(new.previous_hash || convert_to(jsonb_build_array(
            new.tenant_id, new.sequence, to_char(new.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), new.actor,
            new.action, new.resource, new.details, new.request_id)::text, 'UTF8'));
        return new;
    end $$;
create trigger chain before insert on audit_events for each row execute function chain_audit_event();
"""

# Wakes the worker the moment there is work, and whoever watches a video when its row says something else than before;
# the rows are the truth, a lost notification costs seconds.
_WAKE = """
create function wake_worker() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as $$ begin perform pg_notify('worker', tg_table_name); return null; end $$;
create trigger wake after insert on events for each statement execute function wake_worker();
create trigger wake after update of state on videos for each row when (new.state = 'verifying')
    execute function wake_worker();

create function tell_watchers() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as $$ begin perform pg_notify('video_progress', jsonb_build_object('video', old.id)::text); return null; end $$;
create trigger tell_watchers after update on videos for each row
    when ((old.state, old.attempt, old.error_class, old.error_message, old.edit_revision, old.rendered_revision,
            old.failed_revision)
        is distinct from (new.state, new.attempt, new.error_class, new.error_message, new.edit_revision,
            new.rendered_revision, new.failed_revision))
    execute function tell_watchers();
create trigger tell_watchers_of_the_end after delete on videos for each row execute function tell_watchers();
"""


def upgrade() -> None:
    op.execute(_WIDENED)
    op.execute(_TABLES)
    for table in _NEW_TENANT_TABLES:
        op.execute(_ONE_TENANT.format(table=table))
    for table in _OLD_TENANT_TABLES:
        op.execute(_ONE_TENANT_OF_OLD.format(table=table))
    op.execute(_GRANTS)
    for table in _OWNER_READS:
        op.execute(f"create policy owner_looks_up on {table} for select to clip_platform_owner using (true)")
    op.execute(_FUNCTIONS)
    for function, roles in _MAY_CALL.items():
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {roles}")
    op.execute(_AUDIT_CHAIN)
    op.execute(_WAKE)


def downgrade() -> None:
    raise NotImplementedError("0002 widens states that older code does not know; restore a backup taken before it")
