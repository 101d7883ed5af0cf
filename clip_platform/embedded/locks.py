"""Locks between processes that the kernel releases when a process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_platform.errors import DeadlineExceeded

_RETRY_S = 0.02


@contextmanager
def exclusive(path: Path, *, deadline_s: float) -> Iterator[None]:
    """Held by one at a time.

    Raises:
        DeadlineExceeded: another process holds it for longer than that.
    """
    descriptor = _open(path)
    try:
        until = time.monotonic() + deadline_s
        while not _try(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"another process has held {path} for {deadline_s:g} s; it may be stuck: stop it and try again"
                )
            time.sleep(_RETRY_S)  # flock has no deadline of its own, and a signal to end it is not for a library
        yield
    finally:
        os.close(descriptor)


class Membership:
    """One of many users of something; the last one to leave learns that it is the last."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Whether nobody else is left. Callers hold the lock under which others join."""
        try:
            # not closed first: a lock that a forked child still shares goes only when it is released
            return _try(self._descriptor, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
