"""What erasing an account needs: which steps are done, the ids to look for afterwards, receipts that name nobody, and
the one way to delete what belongs to a tenant."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = """
alter table erasure_requests add column next_look_at timestamptz not null default now();
comment on column erasure_requests.next_look_at is 'when the worker goes on with it';

create table erasure_steps (
    request_id text not null references erasure_requests on delete cascade,
    tenant_id text not null,
    step text not null,
    removed jsonb not null default '{}',
    done_at timestamptz,
    primary key (request_id, step)
);
comment on column erasure_steps.removed is 'counts by kind, for the receipt; there before the step is done';

create table erasure_ids (
    request_id text not null references erasure_requests on delete cascade,
    tenant_id text not null,
    id text not null,
    primary key (request_id, id)
);
comment on table erasure_ids is 'of videos and runs, kept until every store was searched for them';

create table erasure_receipts (
    request_id text primary key,
    secret_hash bytea not null unique,
    requested_at timestamptz not null default now(),
    deadline_at timestamptz not null,
    completed_at timestamptz,
    receipt text,
    check ((completed_at is null) = (receipt is null))
);
comment on table erasure_receipts is 'outlives the account and says nothing about whose it was';
"""

_ONE_TENANT = """
alter table {table} enable row level security;
alter table {table} force row level security;
create policy one_tenant on {table} to clip_platform_api, clip_platform_worker, clip_platform_pipeline
    using (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
"""

_GRANTS = """
grant insert on erasure_receipts to clip_platform_api;
grant select, update on erasure_receipts to clip_platform_worker;
grant select, update on erasure_requests to clip_platform_worker;
grant select on erasure_requests to clip_platform_pipeline;
grant select, insert, update on erasure_steps to clip_platform_worker, clip_platform_pipeline;
grant select, insert on erasure_ids to clip_platform_worker, clip_platform_pipeline;
grant select (tenant_id, run_id) on attempts to clip_platform_worker;
grant select (tenant_id, token_id) on api_tokens to clip_platform_worker;
grant select (tenant_id, member_id) on members to clip_platform_worker;
"""

# Row-level security holds for the owner too: its functions may erase the entered tenant's rows, and no other's.
_EVERY_TENANT_TABLE = """
do $$
declare
    found text;
begin
    for found in select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'tenant_id'
            and not a.attisdropped
    loop
        execute format('create policy owner_erases on %I to clip_platform_owner
            using (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))
            with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', found);
    end loop;
end $$;
"""

_FUNCTIONS = """
create policy owner_looks_up on erasure_requests for select to clip_platform_owner using (true);
create policy owner_looks_up on erasure_steps for select to clip_platform_owner using (true);

create function erasures_to_continue(moment timestamptz, most integer) returns table (request_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select request_id from public.erasure_requests where state <> ''completed'' and next_look_at <= moment
        order by requested_at limit most';

create function tenant_of_erasure(of_request text) returns text
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select tenant_id from public.erasure_requests where request_id = of_request';

create function erasures_without(missing text, after_step text, settled_s double precision)
    returns table (tenant_id text, request_id text, after_done_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select r.tenant_id, r.request_id, s.done_at from public.erasure_requests r
        join public.erasure_steps s on s.request_id = r.request_id and s.step = after_step
        where r.state <> ''completed'' and s.done_at <= now() - make_interval(secs => settled_s) and not exists (
            select from public.erasure_steps d
            where d.request_id = r.request_id and d.step = missing and d.done_at is not null)
        order by r.requested_at';

create function receipt_by_secret(hash bytea)
    returns table (request_id text, requested_at timestamptz, deadline_at timestamptz, completed_at timestamptz,
        receipt text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select request_id, requested_at, deadline_at, completed_at, receipt
        from public.erasure_receipts where secret_hash = hash';

-- by the catalogue, so that no table is forgotten; those that others refer to come after them
create function relations_to_erase() returns table (relation text)
    language sql stable set search_path = pg_catalog, pg_temp
    as $$
        with recursive owned as (
            select c.oid, c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'tenant_id'
                and not a.attisdropped
                and c.relname not in ('tenants', 'erasure_requests', 'erasure_steps', 'erasure_ids')),
        placed (oid, level) as (
            select oid, 0 from owned
            union
            select k.confrelid, placed.level + 1 from placed
                join pg_constraint k on k.contype = 'f' and k.conrelid = placed.oid and k.confrelid <> k.conrelid
                join owned parent on parent.oid = k.confrelid)
        select owned.relname::text from owned join placed using (oid)
        group by owned.relname order by max(placed.level), owned.relname
    $$;

create function erase_rows(relation text, most integer) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
    declare
        of_tenant text := nullif(current_setting('app.tenant_id', true), '');
        gone bigint;
    begin
        if not exists (select from public.erasure_requests where tenant_id = of_tenant and state = 'running') then
            raise exception 'no erasure of this tenant is under way';
        end if;
        if relation not in (select r.relation from public.relations_to_erase() r) then
            raise exception '% is no table of tenants', relation;
        end if;
        execute format('delete from public.%1$I where ctid = any(array(
            select ctid from public.%1$I where tenant_id = $1 limit $2))', relation) using of_tenant, most;
        get diagnostics gone = row_count;
        return gone;
    end $$;

create function forget_account() returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    as $$
    declare
        of_tenant text := nullif(current_setting('app.tenant_id', true), '');
    begin
        if not exists (select from public.erasure_requests where tenant_id = of_tenant and state = 'running') then
            raise exception 'no erasure of this tenant is under way';
        end if;
        delete from public.erasure_requests where tenant_id = of_tenant;  -- takes its steps and ids with it
        delete from public.tenants where tenant_id = of_tenant;  -- fails while any other row is left
        perform set_config('app.tenant_id', 'operators', true);
        insert into public.tenants (tenant_id, name) values ('operators', 'Operators') on conflict do nothing;
    end $$;

-- an account that is being closed is the erasure's business, which needs its rows until it is through
create or replace function videos_to_delete(most integer)
    returns table (tenant_id text, video_id text, run_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as 'select v.tenant_id, v.id, v.run_id from public.videos v
        where (v.state = ''deleting'' or (v.expires_at <= now() and v.expiry_announced_at is not null and not v.pinned
                and v.state in (''completed'', ''rejected'', ''expired'', ''failed'', ''dead_lettered'')))
            and not exists (select from public.upload_sessions s where s.video_id = v.id and s.completed_at is null)
            and not exists (
                select from public.tenants t where t.tenant_id = v.tenant_id and t.closing_at is not null)
        order by v.updated_at, v.id limit most';

create trigger wake after insert on erasure_requests for each statement execute function wake_worker();
"""
_MAY_CALL = {
    "erasures_to_continue(timestamptz, integer)": "clip_platform_worker",
    "tenant_of_erasure(text)": "clip_platform_worker",
    "erasures_without(text, text, double precision)": "clip_platform_sensors",
    "receipt_by_secret(bytea)": "clip_platform_api",
    "relations_to_erase()": "clip_platform_worker",
    "erase_rows(text, integer)": "clip_platform_worker",
    "forget_account()": "clip_platform_worker",
}


def upgrade() -> None:
    op.execute(_TABLES)
    for table in ("erasure_steps", "erasure_ids"):
        op.execute(_ONE_TENANT.format(table=table))
    op.execute(_GRANTS)
    op.execute(_EVERY_TENANT_TABLE)
    op.execute(_FUNCTIONS)
    for function, roles in _MAY_CALL.items():
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {roles}")


def downgrade() -> None:
    raise NotImplementedError("0006 erases accounts, which no older schema brings back; restore a backup")
