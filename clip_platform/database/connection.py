"""The doors to the application's database. Everything that reads or writes rows comes through here; SQL does not.

Who may see what is decided by Postgres (row-level security), not by callers remembering a `where`.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from clip_platform.errors import ClipPlatformError, StorageFull, StorageUnavailable

_TENANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PING = text("select 1")
_ENTER = text("select set_config('app.tenant_id', :tenant, true)")
# A lock or a statement that takes longer than this is a fault, and must not hold a worker for ever.
_SESSION = "-c lock_timeout=15s -c statement_timeout=60s -c idle_in_transaction_session_timeout=120s -c TimeZone=UTC"


def is_tenant_id(text_: str) -> bool:
    """Letters, digits, `-` and `_`, up to 63, so that it can begin an object key."""
    return _TENANT_ID.fullmatch(text_) is not None


class Database:
    """A pool of connections under one role. `url`: `postgresql+psycopg://role:password@host:port/database`.

    Errors of either door: `StorageUnavailable` when the server does not answer or gives up waiting, `StorageFull` when
    its disk is full.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_at(url)

    @contextmanager
    def tenant_transaction(self, tenant_id: str) -> Iterator[Connection]:
        """One transaction that sees and writes one tenant's rows; committed at the end, rolled back on an error."""
        _expect_tenant_id(tenant_id)
        with translated_errors(), self._engine.begin() as connection:
            _bind(connection, tenant_id)
            yield connection

    @contextmanager
    def across_tenants(self) -> Iterator[Connection]:
        """One transaction without a tenant: sees no tenant's rows, except what the role's own policies show it.

        Meant for the sensors' role, which may see ids, tenants and states.
        """
        with translated_errors(), self._engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Raises the errors of either door when the server does not answer."""
        with self.across_tenants() as connection:
            connection.execute(_PING)

    def close(self) -> None:
        """Closes idle connections; the next transaction opens new ones."""
        self._engine.dispose()


def enter_tenant(connection: Connection, tenant_id: str) -> None:
    """From here to its end, the open transaction sees and writes this tenant's rows; once in a transaction."""
    _expect_tenant_id(tenant_id)
    _bind(connection, tenant_id)


def _expect_tenant_id(tenant_id: str) -> None:
    if not is_tenant_id(tenant_id):
        raise ValueError(f"tenant id {tenant_id!r} is not 1 to 63 letters, digits, '-' or '_'")


def _bind(connection: Connection, tenant_id: str) -> None:
    connection.execute(_ENTER, {"tenant": tenant_id})


def address(role: str, password: str, host: str, port: int, database: str) -> str:
    """The `url` of a `Database`; any characters may be in a password."""
    url = URL.create("postgresql+psycopg", username=role, password=password, host=host, port=port, database=database)
    return url.render_as_string(hide_password=False)


def engine_at(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=12,
        max_overflow=0,  # connections beyond the size would be opened for one use each
        pool_use_lifo=True,  # the server has warm what was used last
        pool_timeout=15,
        hide_parameters=True,  # an error's text goes to the log, a statement's values are tenants' own
        pool_reset_on_return=None,  # both doors end their transaction themselves
        connect_args={"connect_timeout": 10, "options": _SESSION, "application_name": "clip-platform"},
    )
    event.listen(engine, "checkout", _expect_silence)
    return engine


def _expect_silence(pooled: psycopg.Connection, _record: object, _proxy: object) -> None:
    """A server that ended an idle session, restarted say, has said so: there is something to read. Asking it instead
    would cost every transaction another round trip."""
    waiting = select.poll()
    waiting.register(pooled.fileno(), select.POLLIN)
    if pooled.closed or waiting.poll(0):
        raise DisconnectionError("the server ended this session")


@contextmanager
def translated_errors() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise StorageUnavailable("no database connection became free within 15 s; run fewer jobs at once") from error
    except (DBAPIError, psycopg.Error) as error:
        meaning = _meaning_of(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning_of(error: DBAPIError | psycopg.Error) -> ClipPlatformError | None:
    """The platform's error for a failure of the server; None for a mistake in a statement, which is a bug."""
    cause, is_lost = (error.orig, error.connection_invalidated) if isinstance(error, DBAPIError) else (error, False)
    if isinstance(cause, psycopg.errors.DiskFull):
        return StorageFull("the database's disk is full; free some space and try again", detail=str(cause))
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) or is_lost:
        return StorageUnavailable(
            "the database does not answer; check that it runs and can be reached, then try again", detail=str(cause)
        )
    return None
