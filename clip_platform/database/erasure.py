"""Requests to close an account and erase what is in it. A worker carries them out; the promise is kept here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from clip_platform.errors import Conflict
from clip_platform.identifiers import new_ulid

DEADLINE_HOURS = 24


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """`state` is requested, running or completed; all is gone by `deadline_at`."""

    request_id: str
    state: str
    requested_by: str
    requested_at: datetime
    deadline_at: datetime
    completed_at: datetime | None


_COLUMNS = "request_id, state, requested_by, requested_at, deadline_at, completed_at"
_ASK = text(f"""
    insert into erasure_requests (request_id, tenant_id, requested_by, deadline_at)
    values (:request_id, current_setting('app.tenant_id'), :requested_by, now() + make_interval(hours => :hours))
    on conflict (tenant_id) where state <> 'completed' do nothing
    returning {_COLUMNS}""")  # noqa: S608
_CLOSE = text("""
    update tenants set closing_at = coalesce(closing_at, now()), revision = revision + 1
    where tenant_id = current_setting('app.tenant_id')""")
_PAGE = text(f"""
    select {_COLUMNS} from erasure_requests
    where cast(:before_id as text) is null or request_id < :before_id order by request_id desc limit :limit""")  # noqa: S608


def ask(connection: Connection, requested_by: str) -> ErasureRequest:
    """Closes the entered tenant's account: from now on nothing is added to it.

    Raises:
        Conflict: it is being closed already.
    """
    values = {"request_id": f"ers_{new_ulid()}", "requested_by": requested_by, "hours": DEADLINE_HOURS}
    row = connection.execute(_ASK, values).one_or_none()
    if row is None:
        raise Conflict("the account is being closed already; GET /v1/erasure-requests shows how far that is")
    connection.execute(_CLOSE)
    return ErasureRequest(**row._mapping)


def page(connection: Connection, limit: int, before_id: str | None) -> list[ErasureRequest]:
    """Newest first."""
    found = connection.execute(_PAGE, {"limit": limit, "before_id": before_id})
    return [ErasureRequest(**row._mapping) for row in found]
