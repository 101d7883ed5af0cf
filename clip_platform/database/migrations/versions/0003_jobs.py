"""The worker's queue: procrastinate's tables in a schema of their own, and what is still to be sent to webhooks.

The tables are those of the installed procrastinate, whose version `setup/constraints.txt` pins; another version with
other tables needs a revision of its own here.
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Its functions name its tables without a schema. Bound to one here, they also work for a caller that is in another.
_BIND = """
do $$
declare
    function text;
begin
    for function in select oid::regprocedure from pg_proc where pronamespace = 'jobs'::regnamespace loop
        execute format('alter function %s set search_path = jobs, pg_catalog, pg_temp', function);
        execute format('revoke all on function %s from public', function);
        execute format('grant execute on function %s to clip_platform_worker', function);
    end loop;
end $$;
"""
_GRANTS = """
grant usage on schema jobs to clip_platform_worker;
grant select, insert, update, delete on all tables in schema jobs to clip_platform_worker;
grant usage on all sequences in schema jobs to clip_platform_worker;
"""
# Endpoints with something due and a free lane; how many lanes an endpoint has is `database/outbox.py`'s to say.
_FUNCTIONS = """
create policy owner_looks_up on webhook_deliveries for select to clip_platform_owner using (true);

create function endpoints_to_serve(moment timestamptz, lanes integer, most integer)
    returns table (tenant_id text, endpoint_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
        select due.tenant_id, due.endpoint_id from (
            select distinct d.tenant_id, d.endpoint_id from public.webhook_deliveries d
            where d.state = 'pending' and (d.next_attempt_at is null or d.next_attempt_at <= moment)) as due
        where (select count(*) from jobs.procrastinate_jobs j
            where j.status in ('todo', 'doing') and j.args ->> 'endpoint_id' = due.endpoint_id
                and j.args -> 'released' is null) < lanes
        order by due.endpoint_id limit most
    $$;
revoke all on function endpoints_to_serve(timestamptz, integer, integer) from public;
grant execute on function endpoints_to_serve(timestamptz, integer, integer) to clip_platform_worker;

create trigger wake after update of state on webhook_deliveries for each row
    when (new.state = 'pending' and old.state <> 'pending') execute function wake_worker();
"""


def upgrade() -> None:
    op.execute("create schema jobs")
    op.execute("set local search_path = jobs")
    op.execute(SchemaManager.get_schema())
    op.execute("set local search_path = public")
    op.execute(_BIND)
    op.execute(_GRANTS)
    op.execute(_FUNCTIONS)


def downgrade() -> None:
    op.execute("drop trigger wake on webhook_deliveries")
    op.execute("drop function endpoints_to_serve(timestamptz, integer, integer)")
    op.execute("drop policy owner_looks_up on webhook_deliveries")
    op.execute("drop schema jobs cascade")
