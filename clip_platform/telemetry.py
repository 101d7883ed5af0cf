"""JSON logs in which every line says what it was about: video, tenant, stage, attempt, request."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default={})  # noqa: B039  never changed in place
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def bound(
    *,
    video: str | None = None,
    tenant: str | None = None,
    stage: str | None = None,
    attempt: int | None = None,
    request: str | None = None,
) -> Iterator[None]:
    """Adds what is given to every line logged inside, in this thread or task; what is not given stays as it was.

    A new thread starts without it, unless run in `contextvars.copy_context()`.
    """
    given = {"video": video, "tenant": tenant, "stage": stage, "attempt": attempt, "request": request}
    token = _bound.set({**_bound.get(), **{name: value for name, value in given.items() if value is not None}})
    try:
        yield
    finally:
        _bound.reset(token)


class JsonFormatter(logging.Formatter):
    """One object a line: `time` (UTC, RFC 3339), `level`, `logger`, `message`, what is bound, `extra`, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_bound.get(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in line:
                line[name] = value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(target: TextIO | Path = sys.stderr, level: str = "INFO") -> None:
    """Sends all logs of this process to a stream or, appended, to a file; replaces what was configured before."""
    handler: logging.Handler
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(target, encoding="utf-8", errors="backslashreplace")
    else:
        handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
