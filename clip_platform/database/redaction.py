"""Taking ids out of tables that are not ours: Dagster's, whose rows name videos and runs in JSON of its own.

Works on any database that SQLAlchemy knows, a stretch of a table at a time, so that a table of any size is gone through
in steps that may be cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, Table, delete, select, update

ERASED = "erased"
_ROWS_AT_ONCE = 1000
_ULID_OR_UUID = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-7][0-9A-HJKMNP-TV-Z]{25}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?![0-9A-Za-z])"
)
_OWNING = ("run_id", "partition")
"""Columns that say whose a row is: one of an erased run or video goes as a whole."""
_FREE_TEXT = ("text", "md_str", "data")
"""Where Dagster keeps what code has said. Elsewhere a single word is a name of Dagster's or of ours, not a tenant's."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """`ids`: of videos and runs, taken out wherever they are. `tenant_id`: any word, so it is taken out of texts and of
    object keys, and never of what may be a name in somebody's code."""

    ids: Collection[str]
    tenant_id: str

    def of(self, text: str) -> str:
        """The text without them; the same object when it has none."""
        clean = _ULID_OR_UUID.sub(lambda match: ERASED if match[0] in self.ids else match[0], text)
        if self._word.search(clean) is None:
            return clean if clean != text else text
        try:
            found = json.loads(clean)
        except ValueError:
            return self._of_words(clean, said=False)
        changed = self._of_json(found, said=False)
        return json.dumps(changed) if changed != found else clean

    @property
    def _word(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![0-9A-Za-z_-]){re.escape(self.tenant_id)}(?![0-9A-Za-z_-])")

    def _of_json(self, value: Any, *, said: bool) -> Any:
        if isinstance(value, dict):
            return {
                name: inner if name.startswith("__") else self._of_json(inner, said=said or name in _FREE_TEXT)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._of_json(inner, said=said) for inner in value]
        return self._of_words(value, said=said) if isinstance(value, str) else value

    def _of_words(self, text: str, *, said: bool) -> str:
        return self._word.sub(ERASED, text) if said or re.search(r"[\s/]", text) else text


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was looked at."""

    table: str
    row_id: int


def redact(
    connection: Connection,
    tables: Sequence[Table],
    redactor: Redactor,
    after: Position | None,
    may_go_on: Callable[[], bool],
) -> tuple[int, Position | None]:
    """Goes through the tables from `after` on while it may.

    Returns:
        How many rows were deleted or changed, and where to go on; None when all tables are through.
    """
    changed = 0
    names = [table.name for table in tables]
    first = names.index(after.table) if after is not None and after.table in names else 0
    for table in tables[first:]:
        begin = after.row_id if after is not None and after.table == table.name else -1
        for last, touched in _stretches(connection, table, redactor, begin):
            changed += touched
            if not may_go_on():
                return changed, Position(table.name, last)
    return changed, None


def _stretches(connection: Connection, table: Table, redactor: Redactor, after: int) -> Iterator[tuple[int, int]]:
    """The last row's number and how many were touched, of one stretch after another."""
    [key] = table.primary_key.columns
    texts = [column for column in table.columns if isinstance(column.type, String)]
    while texts:
        rows = connection.execute(select(key, *texts).where(key > after).order_by(key).limit(_ROWS_AT_ONCE)).all()
        if not rows:
            return
        touched = 0
        for number, *values in rows:
            touched += _redact_row(connection, table, redactor, number, dict(zip(texts, values, strict=True)))
        after = rows[-1][0]
        yield after, touched


def _redact_row(connection: Connection, table: Table, redactor: Redactor, number: int, values: dict[Any, Any]) -> int:
    [key] = table.primary_key.columns
    if any(column.name in _OWNING and value in redactor.ids for column, value in values.items()):
        connection.execute(delete(table).where(key == number))
        return 1
    clean = {column.name: redactor.of(value) for column, value in values.items() if value}
    changed = {name: value for name, value in clean.items() if value != values[table.columns[name]]}
    if changed:
        connection.execute(update(table).where(key == number).values(**changed))
    return int(bool(changed))
