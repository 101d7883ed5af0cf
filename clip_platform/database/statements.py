"""Statements that are run with almost every request, without what makes SQLAlchemy's `text` slow for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, TextualSelect, column, text


def named(sql: str, columns: str) -> TextualSelect:
    """`sql`, whose result's columns are told by name and in order, separated by commas.

    Of a plain `text` SQLAlchemy works them out anew at every execution, a sixth of what a look-up costs here; of this
    one it remembers them.
    """
    return text(sql).columns(*(column(name) for name in _names(columns)))


class Lookup:
    """At most one row by its key, fetched by the driver itself, at half the cost. `sql` is written for psycopg, with
    `%(name)s`; `columns` as in `named`."""

    def __init__(self, sql: str, columns: str) -> None:
        self._sql = sql
        self._names = _names(columns)

    def one_or_none(self, connection: Connection, **values: object) -> Mapping[str, Any] | None:
        """In the connection's open transaction.

        Raises:
            psycopg.Error: what the doors of `connection` translate.
        """
        driver: Any = connection.connection.driver_connection
        row = driver.execute(self._sql, values).fetchone()
        return None if row is None else dict(zip(self._names, row, strict=True))


def _names(columns: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in columns.split(","))
