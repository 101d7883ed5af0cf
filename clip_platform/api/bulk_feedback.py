"""Feedback by the file: NDJSON or CSV, line by line in bounded memory. Valid lines are taken, the others are named."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection

from clip_platform.api import feedback
from clip_platform.api.feedback import FeedbackLine
from clip_platform.database import feedback as rows
from clip_platform.database.feedback import ClipKey, Report
from clip_platform.errors import InvalidInput

LONGEST_LINE_BYTES = 64 * 1024
MOST_LINES = 100_000
"""Read in about half a minute; whoever waits for a request's answer does so for a minute and a half at most."""
LINES_AT_ONCE = 500
MOST_ERRORS = 100
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_COLUMNS = tuple(FeedbackLine.model_fields)


class Line(NamedTuple):
    """`said` is what a line says, or why it cannot be used."""

    number: int
    said: FeedbackLine | str


@dataclass(slots=True)
class Imported:
    """`errors`: line number and message of the first `MOST_ERRORS` invalid lines."""

    taken: int = 0
    repeated: int = 0
    invalid: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, number: int, message: str) -> None:
        self.invalid += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append((number, message))


def ndjson_lines(file: IO[bytes]) -> Iterator[Line]:
    """One JSON object a line; empty lines are passed over.

    Raises:
        InvalidInput: there are more than `MOST_LINES`; those before have been given.
    """
    for number, raw in enumerate(_raw_lines(file), 1):
        if raw is None:
            yield Line(number, f"it is longer than {LONGEST_LINE_BYTES} bytes")
        elif raw.strip():
            yield Line(number, _parsed(raw.removeprefix(_BOM.encode()) if number == 1 else raw))


def csv_lines(file: IO[bytes]) -> Iterator[Line]:
    """RFC 4180 with a header; an empty cell is a missing value. Nothing in a cell is ever computed.

    Raises:
        InvalidInput: the header is not understood, or as `ndjson_lines`.
    """
    reader = csv.reader(_texts(file), strict=True)
    try:
        header = next(reader, [])
    except (csv.Error, _UnreadableText) as error:
        raise InvalidInput(f"the header cannot be read: {error}") from error
    names = _checked_header([name.strip() for name in header])
    while True:
        try:
            cells = next(reader, None)
        except (csv.Error, _UnreadableText) as error:
            yield Line(reader.line_num, f"it cannot be read, nor what follows: {error}")
            return
        if cells is None:
            return
        if any(cells):
            yield Line(reader.line_num, _of_cells(names, cells))


def take(connection: Connection, lines: Sequence[Line], reported_by: str, result: Imported) -> None:
    """Adds the lines to the entered tenant's feedback, and what became of each to the result."""
    reports = list(_reports(connection, lines, result))
    added = rows.add(connection, [report for _number, report in reports], reported_by)
    known = rows.contents(connection, [report.key for _number, report in reports])
    for number, report in reports:
        if report.key in added:
            added.discard(report.key)  # a second line with this key is a repetition
            result.taken += 1
        elif known[report.key] == rows.content_of(report):
            result.repeated += 1
        else:
            result.refuse(number, f"report_key {report.report_key} was used for another report; name each its own")


def in_batches(lines: Iterable[Line]) -> Iterator[Sequence[Line]]:
    rest = iter(lines)
    while batch := tuple(islice(rest, LINES_AT_ONCE)):
        yield batch


def _reports(connection: Connection, lines: Sequence[Line], result: Imported) -> Iterator[tuple[int, Report]]:
    read = [(line.number, line.said) for line in lines if isinstance(line.said, FeedbackLine)]
    for line in lines:
        if isinstance(line.said, str):
            result.refuse(line.number, line.said)
    facts = rows.reported_clips(connection, {_clip_of(said) for _number, said in read})
    for number, said in read:
        clip = _clip_of(said)
        try:
            if clip not in facts:
                raise InvalidInput(f"there is no clip {said.clip_id}")
            if said.kind == "decision" and not (said.report_key or said.occurred_at):
                raise InvalidInput("a decision in a file needs occurred_at or report_key, so that it counts once")
            yield number, feedback.report_of(said, clip, facts[clip])
        except InvalidInput as error:
            result.refuse(number, error.message)


def _clip_of(said: FeedbackLine) -> ClipKey:
    video_id, _dot, clip_id = said.clip_id.partition(".")
    return ClipKey(video_id, clip_id)


def _parsed(raw: bytes) -> FeedbackLine | str:
    try:
        return FeedbackLine.model_validate_json(raw)
    except ValidationError as error:
        return _in_words(error)


def _of_cells(names: Sequence[str], cells: Sequence[str]) -> FeedbackLine | str:
    if len(cells) != len(names):
        return f"it has {len(cells)} cells, the header {len(names)}"
    given: dict[str, Any] = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}
    try:
        return FeedbackLine.model_validate_strings(given)
    except ValidationError as error:
        return _in_words(error)


def _in_words(error: ValidationError) -> str:
    """Without what was sent: it may be a megabyte, or nobody's business."""
    found = error.errors(include_url=False, include_input=False)[:3]
    return "; ".join(": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"]))) for one in found)[:300]


def _checked_header(names: Sequence[str]) -> Sequence[str]:
    unknown = sorted(set(names) - set(_COLUMNS))
    if unknown or "clip_id" not in names:
        wrong = f"{', '.join(name[:40] for name in unknown[:5])}: no such column" if unknown else "no column clip_id"
        raise InvalidInput(f"{wrong}; the first line names some of {', '.join(_COLUMNS)}, separated by commas")
    if len(set(names)) < len(names):
        raise InvalidInput("the first line names a column twice; name each once")
    return names


class _UnreadableText(Exception):
    """A line that is too long, or no UTF-8."""


def _texts(file: IO[bytes]) -> Iterator[str]:
    for number, raw in enumerate(_raw_lines(file), 1):
        if raw is None:
            raise _UnreadableText(f"line {number} is longer than {LONGEST_LINE_BYTES} bytes")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise _UnreadableText(f"line {number} is not UTF-8") from error
        yield text.removeprefix(_BOM) if number == 1 else text


def _raw_lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """None for a line that is too long."""
    lines = 0
    while raw := file.readline(LONGEST_LINE_BYTES):
        lines += 1
        if lines > MOST_LINES:
            raise InvalidInput(f"more than {MOST_LINES} lines came; those were taken, send the rest in another file")
        if raw.endswith(b"\n") or len(raw) < LONGEST_LINE_BYTES:
            yield raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST_LINE_BYTES)
        yield None
