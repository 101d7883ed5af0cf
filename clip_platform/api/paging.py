"""Pages of a listing: a cursor says where the last page ended, so that page 5,000 costs what page 1 does."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from clip_platform.errors import InvalidInput

Item = TypeVar("Item")
Row = TypeVar("Row")

MAX_CURSOR_CHARACTERS = 1024
Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_CHARACTERS, description="`next_cursor` of the page before; none for the first."),
]


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next_cursor: str | None = Field(description="Asks for the page after this one; null when there is none.")


def page_of(rows: Sequence[Row], limit: int, item: Callable[[Row], Item], position: Callable[[Row], Any]) -> Page[Item]:
    """A page from `limit + 1` rows: the one too many says that there is another page.

    Args:
        position: of a row, as `read_cursor` is to give it back.
    """
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[item(row) for row in shown], next_cursor=cursor_of(position(shown[-1])) if more else None)


def cursor_of(position: Mapping[str, str | int | datetime]) -> str:
    """Opaque to clients; nothing in it is secret, since it tells only of a row that was shown."""
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in position.items()}
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, kinds: Mapping[str, type]) -> dict[str, Any] | None:
    """The position in a cursor of this listing; None for the first page.

    Args:
        kinds: `str`, `int` or `datetime` by name, as they were given to `cursor_of`.

    Raises:
        InvalidInput: not a cursor that this listing gave out.
    """
    if cursor is None:
        return None
    try:
        content = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(content, dict) or content.keys() != kinds.keys():
            raise ValueError("other fields")
        return {name: _read(content[name], kind) for name, kind in kinds.items()}
    except (ValueError, RecursionError, binascii.Error) as error:
        raise InvalidInput(
            f"cursor {cursor[:40]!r} is not one that this listing gave out; begin again without a cursor"
        ) from error


def _read(value: object, kind: type) -> object:
    if kind is datetime:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            raise ValueError("no moment")
        return moment
    if type(value) is not kind or (isinstance(value, str) and "\0" in value):
        raise ValueError("another type")
    if isinstance(value, str):
        value.encode()  # a lone surrogate is no text that a database takes
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("out of range")
    return value
