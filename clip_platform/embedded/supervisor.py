"""Keeps a few programs running on one machine: started, waited for, restarted when they crash, ended together.

Knows nothing of what the programs do.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self, TypeAlias

from clip_platform.embedded import guard
from clip_platform.errors import DeadlineExceeded, MissingProgram, ProgramFailed

_MOST_RESTARTS = 5
_RESTARTS_WITHIN_S = 300.0
_FIRST_BACKOFF_S = 0.5
_READY_DEADLINE_S = 90.0
_LOOK_S = 0.1
_LOG_LIMIT_BYTES = 20 * 1024 * 1024
_log = logging.getLogger(__name__)

_Told = Callable[[str], None]
_Events: TypeAlias = "queue.SimpleQueue[_Running | None]"  # None: stop; a signal may put while another get waits


def port_answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def is_healthy(port: int, path: str, host: str = "127.0.0.1") -> bool:
    """Whether a GET of `path` there is answered with 200."""
    connection = http.client.HTTPConnection(host, port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Child:
    """A program to run. `environment` is all it gets; it is ready when it answers on `port`, None means at once.

    With `health` it is ready when that path answers with 200. One that `starts_last` is started when the others are
    ready, and nobody waits for it: what is slow to start and not needed at once.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int | None = None
    health: str | None = None
    starts_last: bool = False


class Supervisor:
    """Inside the `with` block every child is ready but those that start last; after it every child, and all that they
    started, has ended.

    SIGINT and SIGTERM end `wait`, and before everything is ready the whole block, as `KeyboardInterrupt`.

    Args:
        logs: folder; what a child prints is appended to `<name>.log`.
        children: started at once, or last.

    Raises:
        DeadlineExceeded: a child is not ready in time.
        ProgramFailed: a child crashed too often; also from `wait`. MissingProgram: it cannot be started at all.
    """

    def __init__(self, logs: Path, children: Sequence[Child]) -> None:
        self._running = [_Running(child, logs / f"{child.name}.log") for child in children]
        self._logs = logs
        self._events: _Events = queue.SimpleQueue()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_stop_signals(self.stop))
            self._told = stack.enter_context(_guard())
            stack.callback(self._end_all)
            for running in self._running:
                if not running.starts_last:
                    running.start(self._told, self._events)
            if not self._all_ready():
                raise KeyboardInterrupt
            for running in self._running:
                if running.starts_last:
                    running.start(self._told, self._events)
                    running.announce()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def stop(self) -> None:
        """Makes `wait` return; from any thread or a signal handler."""
        self._events.put(None)

    def wait(self) -> None:
        """Restarts what crashes, until `stop` or a signal."""
        while self._handle_next(None):
            pass

    def _all_ready(self) -> bool:
        """False when told to stop before."""
        until = time.monotonic() + _READY_DEADLINE_S
        waiting = [running for running in self._running if not running.starts_last]
        while waiting := [running for running in waiting if not running.is_ready()]:
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"{waiting[0].name} was not ready within {_READY_DEADLINE_S:g} s; see {waiting[0].log}",
                    detail=waiting[0].last_words(),
                )
            if not self._handle_next(_LOOK_S):
                return False
        return True

    def _handle_next(self, patience_s: float | None) -> bool:
        """Waits for one event, and restarts what is due; False when it is to stop."""
        due = [running.restart_at for running in self._running if running.restart_at is not None]
        waits = [max(0.0, min(due) - time.monotonic())] if due else []
        waits += [patience_s] if patience_s is not None else []
        try:
            event = self._events.get(timeout=min(waits, default=None))
        except queue.Empty:
            self._restart_due()
            return True
        if event is None:
            return False
        event.has_ended(self._told)
        return True

    def _restart_due(self) -> None:
        for running in self._running:
            if running.restart_at is not None and running.restart_at <= time.monotonic():
                running.start(self._told, self._events)

    def _end_all(self) -> None:
        processes = [running.process for running in self._running if running.process is not None]
        guard.end({process.pid for process in processes})
        for process in processes:
            process.wait()
            self._told(f"- {process.pid}")


class _Running:
    """A child's process, and when it crashed."""

    def __init__(self, child: Child, log: Path) -> None:
        self._child = child
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.restart_at: float | None = None
        self._crashes: list[float] = []

    @property
    def name(self) -> str:
        return self._child.name

    @property
    def starts_last(self) -> bool:
        return self._child.starts_last

    def start(self, told: _Told, events: _Events) -> None:
        self.restart_at = None
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.rename(self.log.with_suffix(".log.1"))
        try:
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    list(self._child.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(self._child.environment),
                    process_group=0,  # Ctrl-C is the supervisor's; a group is ended with all its children
                )
        except OSError as error:
            raise MissingProgram(
                f"{self.name} cannot be started: {self._child.command[0]}: {error.strerror}; install it"
            ) from error
        self.process = process
        told(f"+ {process.pid}")
        threading.Thread(target=self._report_end, args=(process, events), name=f"{self.name}-wait", daemon=True).start()

    def _report_end(self, process: subprocess.Popen[bytes], events: _Events) -> None:
        process.wait()
        events.put(self)

    def is_ready(self) -> bool:
        if self.process is None or self._child.port is None:
            return self.process is not None
        if self._child.health is None:
            return port_answers(self._child.port)
        return is_healthy(self._child.port, self._child.health)

    def announce(self) -> None:
        """Logs, from a thread of its own, when it is ready or that it is not in time."""
        threading.Thread(target=self._announce, name=f"{self.name}-health", daemon=True).start()

    def _announce(self) -> None:
        until = time.monotonic() + _READY_DEADLINE_S
        while not self.is_ready():
            if time.monotonic() > until:
                _log.error("program does not answer", extra={"program": self.name, "log": str(self.log)})
                return
            time.sleep(_LOOK_S)
        _log.info("program is ready", extra={"program": self.name})

    def has_ended(self, told: _Told) -> None:
        """Plans the restart.

        Raises:
            ProgramFailed: it has crashed too often.
        """
        assert self.process is not None  # noqa: S101
        status, group = self.process.returncode, self.process.pid
        guard.end({group})  # children that a crashed program left behind
        told(f"- {group}")
        self.process = None
        now = time.monotonic()
        self._crashes = [moment for moment in self._crashes if now - moment < _RESTARTS_WITHIN_S] + [now]
        if len(self._crashes) > _MOST_RESTARTS:
            raise ProgramFailed(
                f"{self.name} ended {len(self._crashes)} times, last with status {status}; see {self.log}",
                detail=self.last_words(),
            )
        self.restart_at = now + _FIRST_BACKOFF_S * 2.0 ** (len(self._crashes) - 1)
        _log.warning("program ended and is restarted", extra={"program": self.name, "status": status})

    def last_words(self) -> str:
        return self.log.read_bytes()[-4000:].decode(errors="replace") if self.log.exists() else ""


@contextlib.contextmanager
def _stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals; another caller uses `stop`
        return

    def handler(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextlib.contextmanager
def _guard() -> Iterator[Callable[[str], None]]:
    """A process that ends what we started should we be killed; it is told which groups those are."""
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", str(Path(guard.__file__))], stdin=read_end, start_new_session=True
    )
    os.close(read_end)

    def told(line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # somebody killed the guard; we still end our own
            os.write(write_end, f"{line}\n".encode())

    try:
        yield told
    finally:
        os.close(write_end)
        process.wait()
