"""What the learning loop needs: scores by model version beside the clips, which version readers see, the log of who was
shown what, and two roles that see across tenants no more than that."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
alter table clips
    add column low double precision,
    add column high double precision,
    add column band text check (band in ('low', 'middle', 'high')),
    add column top_chance double precision check (top_chance between 0 and 1),
    add constraint interval_around_score check ((low is null) = (high is null)
        and (low is null or (0 <= low and low <= score and score <= high and high <= 100)));

create table clip_scores (
    tenant_id text not null,
    video_id text not null,
    clip_id text not null,
    model_version text not null check (model_version <> ''),
    value double precision not null,
    low double precision not null,
    high double precision not null,
    band text not null check (band in ('low', 'middle', 'high')),
    top_chance double precision not null check (top_chance between 0 and 1),
    reasons jsonb check (jsonb_typeof(reasons) = 'array'),
    scored_at timestamptz not null default now(),
    primary key (model_version, video_id, clip_id),
    check (0 <= low and low <= value and value <= high and high <= 100),
    foreign key (video_id, clip_id) references clips (video_id, clip_id) on delete cascade
);
create index on clip_scores (video_id, clip_id);
comment on column clip_scores.reasons is 'three, in words; null where nobody asked for them yet';

create table score_versions (
    tenant_id text primary key,
    model_version text not null,
    previous_version text,
    flipped_at timestamptz not null default now(),
    foreign key (tenant_id) references tenants (tenant_id) on delete cascade
);
comment on table score_versions is 'which scores a tenant is shown; without a row those that its clips were made with';

create table rescorings (
    sequence bigint generated always as identity primary key,
    model_version text not null unique,
    started_at timestamptz not null default now(),
    completed_at timestamptz
);

create table rescored_days (
    model_version text not null references rescorings (model_version) on delete cascade,
    day date not null,
    clips bigint not null,
    done_at timestamptz not null default now(),
    primary key (model_version, day)
);

create table video_arms (
    video_id text primary key,
    tenant_id text not null,
    arm text not null check (arm in ('explore', 'champion', 'challenger')),
    champion_version text,
    challenger_version text,
    exploration_share double precision not null check (exploration_share between 0 and 0.5),
    decided_at timestamptz not null default now(),
    foreign key (tenant_id, video_id) references videos (tenant_id, id) on delete cascade
);
comment on table video_arms is 'by whose scores a video was shown: in random order and without scores in arm explore';
create index on clips (created_at);
"""

_ONE_TENANT = """
alter table {table} enable row level security;
alter table {table} force row level security;
create policy one_tenant on {table} to clip_platform_api, clip_platform_worker, clip_platform_pipeline
    using (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
"""

_GRANTS = """
grant usage on schema public to clip_platform_learner, clip_platform_rescorer;

grant select on clip_scores, score_versions, video_arms to clip_platform_api;
grant select, insert, update on clip_scores to clip_platform_pipeline;
grant select on score_versions to clip_platform_pipeline;
grant select, insert on video_arms to clip_platform_pipeline;

-- the learner reads numbers and identifiers of all tenants: no title, note, text or name
grant select (feedback_id, tenant_id, video_id, clip_id, report_key, kind, decision, platform, day, impressions, views,
    watched_s, completions, likes, shares, saves, occurred_at, received_at) on clip_feedback to clip_platform_learner;
create policy learner_sees_feedback on clip_feedback for select to clip_platform_learner using (true);
grant select (tenant_id, video_id, clip_id, start_s, end_s, score, model, created_at) on clips
    to clip_platform_learner;
create policy learner_sees_clips on clips for select to clip_platform_learner using (true);
grant select (tenant_id) on tenants to clip_platform_learner;
create policy learner_sees_tenants on tenants for select to clip_platform_learner using (true);
grant select on video_arms to clip_platform_learner;
create policy learner_sees_arms on video_arms for select to clip_platform_learner using (true);

-- the rescorer writes scores of clips that there are, and tells their tenants
grant select (tenant_id, video_id, clip_id, score, created_at) on clips to clip_platform_rescorer;
create policy rescorer_sees_clips on clips for select to clip_platform_rescorer using (true);
grant select, insert, update, delete on clip_scores, score_versions to clip_platform_rescorer;
create policy rescorer_writes_scores on clip_scores to clip_platform_rescorer using (true) with check (true);
create policy rescorer_flips on score_versions to clip_platform_rescorer using (true) with check (true);
grant select, insert, update on rescorings to clip_platform_rescorer;
grant select, insert, update, delete on rescored_days to clip_platform_rescorer;
grant insert on events to clip_platform_rescorer;
create policy rescorer_tells on events for insert to clip_platform_rescorer with check (type = 'clip.rescored');
"""


def upgrade() -> None:
    op.execute(_TABLES)
    for table in ("clip_scores", "score_versions", "video_arms"):
        op.execute(_ONE_TENANT.format(table=table))
    op.execute(_GRANTS)


def downgrade() -> None:
    op.execute("""
        drop policy rescorer_tells on events;
        drop policy rescorer_sees_clips on clips;
        drop policy learner_sees_clips on clips;
        drop policy learner_sees_feedback on clip_feedback;
        drop policy learner_sees_tenants on tenants;
        revoke all on events, clips, clip_feedback, tenants from clip_platform_learner, clip_platform_rescorer;
        revoke all on schema public from clip_platform_learner, clip_platform_rescorer;
        drop table clip_scores, score_versions, rescored_days, rescorings, video_arms;
        drop index clips_created_at_idx;
        alter table clips drop constraint interval_around_score, drop column low, drop column high, drop column band,
            drop column top_chance""")
