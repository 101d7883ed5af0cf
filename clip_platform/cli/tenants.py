"""`tenant` and `operator-token`: who may use the platform at all. The rest of a tenant's life is the API's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt
from rich.table import Table
from sqlalchemy import Connection

from clip_platform.api.principals import OPERATORS
from clip_platform.cli.serving import on_a_server
from clip_platform.database import audit, erasure, operators, tenants, tokens
from clip_platform.database.connection import Database, is_tenant_id
from clip_platform.encryption import receipts
from clip_platform.errors import InvalidInput, InvalidSetting, NotFound

_FIRST_TOKEN_LIVES = timedelta(days=90)
_BY = "cli"
_NO_TENANT = "there is no tenant {!r}; `clip-platform tenant list` shows them"


def create_tenant(tenant_id: str, name: str) -> int:
    """A new tenant and its first token, an owner's, which is shown once.

    Raises:
        InvalidInput: the id cannot be one, or is taken.
    """
    if not is_tenant_id(tenant_id):
        raise InvalidInput(f"tenant id {tenant_id!r} is not 1 to 63 letters, digits, '-' or '_'")
    if tenant_id == OPERATORS:
        raise InvalidInput(f"{OPERATORS} is where operators' tokens belong; choose another id")
    with open_database() as database, database.tenant_transaction(tenant_id) as connection:
        if not tenants.create(connection, tenant_id, name or tenant_id):
            raise InvalidInput(f"tenant {tenant_id} exists already; choose another id")
        secret = _token(connection, tenant_id, "first token", "owner")
    Console().print(f"tenant {tenant_id} created; its first token (owner, 90 days), shown this once:", highlight=False)
    print(secret)  # noqa: T201  alone on its line, to be piped
    return 0


def create_token(tenant_id: str, name: str) -> int:
    """Another owner's token of a tenant that is there, for when the first one is lost; the API revokes tokens.

    Raises:
        NotFound: there is no such tenant.
    """
    if not is_tenant_id(tenant_id) or tenant_id == OPERATORS:
        raise NotFound(_NO_TENANT.format(tenant_id))
    with open_database() as database, database.tenant_transaction(tenant_id) as connection:
        if not tenants.exists(connection):
            raise NotFound(_NO_TENANT.format(tenant_id))
        tenants.expect_open(connection)
        secret = _token(connection, tenant_id, name, "owner")
    Console().print(f"an owner's token of tenant {tenant_id} (90 days), shown this once:", highlight=False)
    print(secret)  # noqa: T201  alone on its line, to be piped
    return 0


def create_operator_token(name: str) -> int:
    """A token for cross-tenant operations: requeueing, listing states. It reads no tenant's content."""
    with open_database() as database, database.tenant_transaction(OPERATORS) as connection:
        tenants.create(connection, OPERATORS, "Operators")
        secret = _token(connection, OPERATORS, name, "operator")
    Console().print("an operator's token (90 days), shown this once:", highlight=False)
    print(secret)  # noqa: T201  alone on its line, to be piped
    return 0


def close_tenant(tenant_id: str, confirmation: str | None) -> int:
    """Closes an account; the worker and a sensor erase it within a day.

    Args:
        confirmation: the account's name; asked for when it is None.

    Raises:
        NotFound: no such tenant.
        InvalidInput: the name was not typed as it is. Conflict: it is being closed already.
    """
    if not is_tenant_id(tenant_id) or tenant_id == OPERATORS:
        raise NotFound(_NO_TENANT.format(tenant_id))
    with open_database() as database:
        with database.tenant_transaction(tenant_id) as connection:
            if not tenants.exists(connection):
                raise NotFound(_NO_TENANT.format(tenant_id))
            name = tenants.own(connection).name
        if confirmation is None:
            confirmation = Prompt.ask(f"all of {escape(name)!r} will be erased for ever; type its name to go on")
        with database.tenant_transaction(tenant_id) as connection:
            secret, hash_ = receipts.new_secret()
            asked = erasure.ask(connection, _BY, confirmation, hash_)
            resource = f"erasure_request:{asked.request_id}"
            audit.append(connection, tenant_id, _BY, "account.closing", resource, {}, None)
    Console().print(
        f"closed; all of it is gone by {asked.deadline_at:%Y-%m-%d %H:%M} UTC. GET /v1/erasure-receipts/"
        f"{asked.request_id} says how far it is, with this Receipt-Secret, shown once:",
        highlight=False,
        soft_wrap=True,
    )
    print(secret)  # noqa: T201  alone on its line, to be piped
    return 0


def list_tenants() -> int:
    table = Table()
    for heading in ("tenant", "created", "closing"):
        table.add_column(heading, overflow="fold")
    with open_database() as database:
        for row in every_tenant(database):
            closing_at = f"{row.closing_at:%Y-%m-%d %H:%M}" if row.closing_at else ""
            table.add_row(escape(row.tenant_id), f"{row.created_at:%Y-%m-%d %H:%M}", closing_at)
    Console().print(table)
    return 0


def every_tenant(database: Database) -> Iterator[operators.TenantSummary]:
    after: str | None = None
    while True:
        with database.across_tenants() as connection:
            rows = operators.tenants_page(connection, limit=200, after_id=after)
        yield from rows
        if len(rows) < 200:
            return
        after = rows[-1].tenant_id


def _token(connection: Connection, tenant_id: str, name: str, role: str) -> str:
    token, secret = tokens.create(
        connection,
        name=name,
        kind="service",
        role=role,
        scopes=["*"],
        created_by=_BY,
        expires_at=datetime.now(UTC) + _FIRST_TOKEN_LIVES,
    )
    audit.append(connection, tenant_id, _BY, "token.created", f"token:{token.token_id}", {"role": role}, None)
    return secret


@contextmanager
def open_database() -> Iterator[Database]:
    with on_a_server("api") as settings:
        url = settings.database_url("api")
        if url is None:
            raise InvalidSetting("CLIP_PLATFORM_DATABASE_HOST is not set")
        with closing(Database(url)) as database:
            yield database
