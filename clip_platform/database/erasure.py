"""Erasing an account: who asked for it, which steps are done, and the rows. The bytes, the keys and Dagster are the
worker's and the pipeline's business; the promise of a day is kept here.

Every step may be killed anywhere: it is done again from its beginning, and done twice is done once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, text

from clip_platform.database import erasure_receipts
from clip_platform.database.connection import Database
from clip_platform.errors import Conflict, InvalidInput
from clip_platform.identifiers import new_ulid

DEADLINE_HOURS = 24
_ROWS_AT_ONCE = 5000


class Step(StrEnum):
    """In the order in which they are done. `PIPELINE` and `PIPELINE_CHECK` are the sensor's, the others the worker's.
    `CHECK` looks everywhere again for what came in late."""

    HALT = "halt"
    PIPELINE = "pipeline"
    UPLOADS = "uploads"
    LEARNING = "learning"
    OBJECTS = "objects"
    ROWS = "rows"
    KEYS = "keys"
    LOGS = "logs"
    PIPELINE_CHECK = "pipeline_check"
    CHECK = "check"


Removed = Mapping[str, int]
"""What a step removed: how many of each kind."""


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """`state` is requested, running or completed; all is gone by `deadline_at`."""

    request_id: str
    state: str
    requested_by: str
    requested_at: datetime
    deadline_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DoneStep:
    step: Step
    removed: Removed
    done_at: datetime


class DueErasure(NamedTuple):
    """An account for the pipeline to erase; `after_done_at`: when the step was done that came before."""

    tenant_id: str
    request_id: str
    after_done_at: datetime


_COLUMNS = "request_id, state, requested_by, requested_at, deadline_at, completed_at"
_ASK = text(f"""
    insert into erasure_requests (request_id, tenant_id, requested_by, deadline_at)
    values (:request_id, current_setting('app.tenant_id'), :requested_by, now() + make_interval(hours => :hours))
    on conflict (tenant_id) where state <> 'completed' do nothing
    returning {_COLUMNS}""")  # noqa: S608
_NAME = text("select name from tenants where tenant_id = current_setting('app.tenant_id') for update")
_CLOSE = text("""
    update tenants set closing_at = coalesce(closing_at, now()), revision = revision + 1
    where tenant_id = current_setting('app.tenant_id')""")
_PAGE = text(f"""
    select {_COLUMNS} from erasure_requests
    where cast(:before_id as text) is null or request_id < :before_id order by request_id desc limit :limit""")  # noqa: S608

_TO_CONTINUE = text("select request_id from erasures_to_continue(:moment, :limit)")
_TENANT_OF = text("select tenant_of_erasure(:request_id)")
_WITHOUT = text("""
    select tenant_id, request_id, after_done_at
    from erasures_without(:missing, :after_step, cast(:settled_s as double precision))""")
_GET = text(f"select {_COLUMNS} from erasure_requests where request_id = :request_id")  # noqa: S608
_WAIT = text("update erasure_requests set next_look_at = :until where request_id = :request_id")
_STEPS = text("""
    select step, removed, done_at from erasure_steps
    where request_id = :request_id and done_at is not null order by done_at, step""")
_BEGIN_STEP = text("""
    insert into erasure_steps (request_id, tenant_id, step)
    values (:request_id, current_setting('app.tenant_id'), :step) on conflict do nothing""")
_REMOVED = text("select removed from erasure_steps where request_id = :request_id and step = :step for update")
_COUNT = text("""
    update erasure_steps set removed = cast(:removed as jsonb)
    where request_id = :request_id and step = :step and done_at is null""")
_DONE = text("""
    update erasure_steps set done_at = now() where request_id = :request_id and step = :step and done_at is null""")

_BEGIN = text("update erasure_requests set state = 'running' where request_id = :request_id and state = 'requested'")
_DISABLE_ENDPOINTS = text("update webhook_endpoints set state = 'disabled' where state <> 'disabled'")
_DISABLE_DESTINATIONS = text("update destinations set enabled = false where enabled")
_DOOM_VIDEOS = text("""
    update videos set state = 'deleting', attempt_token = null, updated_at = now()
    where id = any(array(select id from videos where state <> 'deleting' limit :limit))""")
_REMEMBER_IDS = text("""
    insert into erasure_ids (request_id, tenant_id, id)
    select distinct :request_id, current_setting('app.tenant_id'), id from (
        select id from videos
        union all select run_id from videos
        union all select run_id from attempts
        union all select video_id from usage_entries
        union all select video_id from events
        union all select token_id from api_tokens
        union all select member_id from members
        union all select endpoint_id from webhook_endpoints
        union all select destination_id from destinations) as known
    where id is not null and id <> '' on conflict do nothing""")
_IDS = text("select id from erasure_ids where request_id = :request_id and id > :after order by id limit :limit")
_ADD_ID = text("""
    insert into erasure_ids (request_id, tenant_id, id)
    select :request_id, current_setting('app.tenant_id'), unnest(cast(:ids as text[])) on conflict do nothing""")

_RELATIONS = text("select relation from relations_to_erase()")
_ERASE = text("select erase_rows(:relation, :limit)")
_ERASE_JOBS = text("""
    with gone as (
        delete from jobs.procrastinate_jobs where args ->> 'tenant_id' = :tenant_id and status <> 'doing' returning id)
    select count(*) from gone""")
_JOBS_LEFT = text("select count(*) from jobs.procrastinate_jobs where args ->> 'tenant_id' = :tenant_id")
_FORGET = text("select forget_account()")


def ask(connection: Connection, requested_by: str, confirmation: str, receipt_secret_hash: bytes) -> ErasureRequest:
    """Closes the entered tenant's account: from now on nothing is added to it.

    Args:
        confirmation: the account's name, as a person typed it.
        receipt_secret_hash: of what will let somebody read the receipt when the account is gone.

    Raises:
        InvalidInput: it is not the name.
        Conflict: it is being closed already.
    """
    name = connection.execute(_NAME).scalar_one()
    if confirmation != name:
        raise InvalidInput(
            f"{confirmation[:80]!r} is not the account's name; to have it erased for ever, type its name as it is shown"
        )
    values = {"request_id": f"ers_{new_ulid()}", "requested_by": requested_by, "hours": DEADLINE_HOURS}
    row = connection.execute(_ASK, values).one_or_none()
    if row is None:
        raise Conflict("the account is being closed already; GET /v1/erasure-requests shows how far that is")
    asked = ErasureRequest(**row._mapping)
    erasure_receipts.begin(connection, asked.request_id, receipt_secret_hash, asked.requested_at, asked.deadline_at)
    connection.execute(_CLOSE)
    return asked


def page(connection: Connection, limit: int, before_id: str | None) -> list[ErasureRequest]:
    """Newest first."""
    found = connection.execute(_PAGE, {"limit": limit, "before_id": before_id})
    return [ErasureRequest(**row._mapping) for row in found]


def to_continue(connection: Connection, now: datetime, limit: int = 100) -> list[str]:
    """Requests to go on with; as the worker's role, without a tenant."""
    return list(connection.execute(_TO_CONTINUE, {"moment": now, "limit": limit}).scalars())


def tenant_of(connection: Connection, request_id: str) -> str | None:
    """Whose account it is; None once it is gone."""
    tenant_id: str | None = connection.execute(_TENANT_OF, {"request_id": request_id}).scalar_one()
    return tenant_id


def due_for(db: Database, step: Step, after: Step, settled: timedelta = timedelta()) -> list[DueErasure]:
    """Accounts that wait for a step, the one before being done for some time; as the sensors' role."""
    values = {"missing": step, "after_step": after, "settled_s": settled.total_seconds()}
    with db.across_tenants() as connection:
        return [DueErasure(*row) for row in connection.execute(_WITHOUT, values)]


def get(connection: Connection, request_id: str) -> ErasureRequest:
    return ErasureRequest(**connection.execute(_GET, {"request_id": request_id}).one()._mapping)


def steps(connection: Connection, request_id: str) -> dict[Step, DoneStep]:
    """Those that are done."""
    found = connection.execute(_STEPS, {"request_id": request_id})
    return {Step(row.step): DoneStep(Step(row.step), row.removed, row.done_at) for row in found}


def found(db: Database, tenant_id: str, request_id: str, step: Step, counts: Removed) -> None:
    """What a step is about to remove. Of a step that is taken again, after a kill, the larger counts stay."""
    with db.tenant_transaction(tenant_id) as connection:
        known = _known(connection, request_id, step)
        _write(connection, request_id, step, {name: max(count, known.get(name, 0)) for name, count in counts.items()})


def add(db: Database, tenant_id: str, request_id: str, step: Step, counts: Removed) -> None:
    """What a step has removed in one of its turns."""
    with db.tenant_transaction(tenant_id) as connection:
        for name, count in counts.items():
            _add(connection, request_id, step, name, count)


def done(db: Database, tenant_id: str, request_id: str, step: Step) -> None:
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_BEGIN_STEP, {"request_id": request_id, "step": step})
        connection.execute(_DONE, {"request_id": request_id, "step": step})


def _known(connection: Connection, request_id: str, step: Step) -> Removed:
    """Counts of a step that was begun."""
    values = {"request_id": request_id, "step": step}
    connection.execute(_BEGIN_STEP, values)
    known: Removed = connection.execute(_REMOVED, values).scalar_one()
    return known


def _write(connection: Connection, request_id: str, step: Step, counts: Removed) -> None:
    """Beside those that are there."""
    removed = json.dumps({**_known(connection, request_id, step), **counts})
    connection.execute(_COUNT, {"request_id": request_id, "step": step, "removed": removed})


def _add(connection: Connection, request_id: str, step: Step, name: str, count: int) -> None:
    """In the transaction that removes them, so that a kill neither loses nor doubles any."""
    if count:
        _write(connection, request_id, step, {name: _known(connection, request_id, step).get(name, 0) + count})


def wait(connection: Connection, request_id: str, until: datetime) -> None:
    connection.execute(_WAIT, {"request_id": request_id, "until": until})


def halt(db: Database, tenant_id: str, request_id: str) -> None:
    """Nothing of the tenant's is worked on from now on: videos are out of sight and their attempts fenced, webhooks and
    destinations are off. The ids to look for afterwards are written down."""
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_BEGIN, {"request_id": request_id})
        connection.execute(_DISABLE_ENDPOINTS)
        connection.execute(_DISABLE_DESTINATIONS)
    while True:
        with db.tenant_transaction(tenant_id) as connection:
            halted = connection.execute(_DOOM_VIDEOS, {"limit": _ROWS_AT_ONCE}).rowcount
            _add(connection, request_id, Step.HALT, "videos", halted)
        if halted < _ROWS_AT_ONCE:
            break
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_REMEMBER_IDS, {"request_id": request_id})


def ids(db: Database, tenant_id: str, request_id: str) -> set[str]:
    """Of the tenant's videos, runs, tokens, members, endpoints and destinations, as they were when it was halted."""
    return set(_ids(db, tenant_id, request_id))


def add_ids(db: Database, tenant_id: str, request_id: str, found: set[str]) -> None:
    """Ids that only another store knew."""
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_ADD_ID, {"request_id": request_id, "ids": sorted(found)})


def erase_rows(db: Database, tenant_id: str, request_id: str, step: Step) -> None:
    """Deletes every row of the tenant's in every table, and its jobs, but for the request itself; counts them.

    In pieces, so that no transaction lasts long; the tables are taken from the catalogue.
    """
    with db.tenant_transaction(tenant_id) as connection:
        relations = list(connection.execute(_RELATIONS).scalars())
    for relation in relations:
        while True:
            with db.tenant_transaction(tenant_id) as connection:
                gone: int = connection.execute(_ERASE, {"relation": relation, "limit": _ROWS_AT_ONCE}).scalar_one()
                _add(connection, request_id, step, relation, gone)
            if gone < _ROWS_AT_ONCE:
                break
    with db.tenant_transaction(tenant_id) as connection:
        jobs: int = connection.execute(_ERASE_JOBS, {"tenant_id": tenant_id}).scalar_one()
        _add(connection, request_id, step, "jobs", jobs)


def jobs_left(db: Database, tenant_id: str) -> int:
    """Jobs that still name the tenant: a worker is at them right now."""
    with db.across_tenants() as connection:
        left: int = connection.execute(_JOBS_LEFT, {"tenant_id": tenant_id}).scalar_one()
    return left


def forget_account(connection: Connection) -> None:
    """Removes the entered tenant's request and the tenant itself; refused by Postgres while any other row is left.

    Afterwards the transaction is in the operators' tenant.
    """
    connection.execute(_FORGET)


def _ids(db: Database, tenant_id: str, request_id: str) -> Iterator[str]:
    after = ""
    while True:
        values = {"request_id": request_id, "after": after, "limit": _ROWS_AT_ONCE}
        with db.tenant_transaction(tenant_id) as connection:
            found = list(connection.execute(_IDS, values).scalars())
        yield from found
        if len(found) < _ROWS_AT_ONCE:
            return
        after = found[-1]
