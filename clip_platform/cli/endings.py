"""How a command ends: one line on stderr and an exit code, whatever went wrong; in order when it is told to stop."""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from clip_platform.errors import ClipPlatformError, InvalidInput, StorageFull

EXIT_OURS, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def reported(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turns how a command ends into one line and an exit code; a traceback goes to a file."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            code = command(*args, **kwargs) or 0
            if sys.stdout is not None:  # started with it closed
                sys.stdout.flush()
        except KeyboardInterrupt:
            _end(EXIT_INTERRUPTED, "interrupted; run the same command again to go on from here")
        except ClipPlatformError as error:
            _end(EXIT_INPUT if isinstance(error, InvalidInput) else EXIT_OURS, said(error))
        except BrokenPipeError:  # the reader of our output has gone; the work is done
            code = 0
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            _end(EXIT_OURS, said(_full(error)) if full else _unexpected(error))
        except Exception as error:  # noqa: BLE001  a person gets one line, the traceback a file
            _end(EXIT_OURS, _unexpected(error))
        _close_output()
        sys.exit(code)

    return run


def said(error: ClipPlatformError) -> str:
    return one_line(f"{error.error_class}: {error.message}")


def one_line(text: str) -> str:
    """Names of files may hold line ends and terminal commands; neither may reach a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal are answered as Ctrl-C is; while that goes on, further signals change nothing."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # what was ignored from the start (nohup) stays ignored
    wanted = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(code: int, line: str) -> NoReturn:
    with suppress(OSError):  # the terminal is gone
        click.echo(line, err=True)
    sys.exit(code)


def _close_output() -> None:
    """Python would complain at its end about a reader that has gone."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _full(error: OSError) -> StorageFull:
    return StorageFull(f"no space is left for {error.filename or 'what has to be written'}; free some and try again")


def _unexpected(error: Exception) -> str:
    kind = f"unexpected {type(error).__name__}"
    try:
        handle, name = tempfile.mkstemp(prefix="clip-platform-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n{traceback.format_exc()}")
    except OSError:
        return one_line(f"{kind}: {error}; this is a fault of the platform, please report it")
    return one_line(f"{kind}: {error}; this is a fault of the platform, please report it with {Path(name)}")
