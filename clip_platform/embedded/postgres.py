"""A real Postgres for one machine, shared by every command: the first one starts it, the last one stops it.

It listens on loopback only, asks every role for its password, and keeps what was committed through `kill -9` of itself
and of its users. Roles and databases are `database.roles`'s; tables are `database.schema`'s.
"""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from clip_platform.database import roles
from clip_platform.embedded.locks import Membership, exclusive
from clip_platform.embedded.programs import Programs, find_programs
from clip_platform.embedded.secrets import ensure_passwords
from clip_platform.errors import (
    ClipPlatformError,
    DeadlineExceeded,
    InvalidSetting,
    StorageFull,
    StorageUnavailable,
)

HOST = "127.0.0.1"
SUPERUSER = "postgres"
_START_DEADLINE_S = 60.0
_STOP_PATIENCE_S = 1.0
_WATCH_S = 0.5
_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_SHELLS_OWN = frozenset('"$`\\\n')
_CONFIGURATION = f"""
listen_addresses = '{HOST}'
unix_socket_directories = ''
max_connections = 120
shared_buffers = 128MB
wal_level = minimal
max_wal_senders = 0
jit = off
"""
# After a crash Postgres syncs every file before it answers: 6 s one by one, 0.3 s at once (measured).
_ON_LINUX = "recovery_init_sync_method = syncfs\n"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `passwords` by role, of `database.roles` and the superuser."""

    host: str
    port: int
    data_directory: Path
    passwords: Mapping[str, str] = field(repr=False)

    def password(self, role: str) -> str:
        return self.passwords[role]

    def url(self, role: str, database: str, driver: str = "postgresql+psycopg") -> str:
        """An address with its password in it, as SQLAlchemy takes it; with driver `postgresql` as libpq does."""
        return f"{driver}://{role}:{quote(self.passwords[role], safe='')}@{self.host}:{self.port}/{database}"


def superuser_url(home: Path, port: int) -> str:
    """For what no role of the platform may do, on the server of this home, as libpq takes it. It is never logged."""
    password = json.loads((home / "postgres" / "passwords.json").read_text())[SUPERUSER]
    return f"postgresql://{SUPERUSER}:{quote(password, safe='')}@{HOST}:{port}/{roles.APPLICATION_DATABASE}"


class EmbeddedPostgres:
    """The server of one home. Everything it keeps is in `home/postgres`."""

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / "postgres"
        self._lock = self._folder / "start.lock"

    @contextmanager
    def running(self) -> Iterator[Server]:
        """A server that runs at least until the end of the block: started, or joined when another command has.

        It is started again when it dies meanwhile. When the last user leaves, it is stopped; one whose last user was
        killed goes on until the next user leaves.

        Raises:
            MissingProgram, InvalidSetting, StorageFull, StorageUnavailable, DeadlineExceeded: it cannot run, and why.
        """
        self._make_folder()
        with exclusive(self._lock, deadline_s=_START_DEADLINE_S):
            user = Membership(self._folder / "users.lock")
            try:
                server = self._cluster().ensure_running()
            except BaseException:
                self._leave(user)
                raise
        gone = threading.Event()
        threading.Thread(target=self._watch, args=(gone,), name="postgres-watch", daemon=True).start()
        try:
            yield server
        finally:
            gone.set()
            with exclusive(self._lock, deadline_s=_START_DEADLINE_S):
                self._leave(user)

    def _leave(self, user: Membership) -> None:
        if user.leave():
            self._cluster().stop()

    def _make_folder(self) -> None:
        if _SHELLS_OWN & set(str(self._folder)):
            raise InvalidSetting(
                f'{self._folder.parent} has one of the characters " $ ` \\ or a line end in it, which pg_ctl hands '
                "to a shell; set CLIP_PLATFORM_HOME to a folder without them"
            )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self._folder, error) from error

    def _cluster(self) -> _Cluster:
        # resolved when the folder is there: the server is told apart by the data folder it was started with
        return _Cluster(self._folder.resolve())

    def _watch(self, gone: threading.Event) -> None:
        """Starts the server again when it dies while it is used."""
        cluster = self._cluster()
        while not gone.is_set():
            postmaster = cluster.postmaster()
            if postmaster is not None:
                _ended(postmaster, _WATCH_S)
                continue
            try:
                with exclusive(self._lock, deadline_s=_START_DEADLINE_S):
                    if not gone.is_set():
                        cluster.ensure_running()
                        _log.warning("the embedded Postgres had died and was started again")
            except ClipPlatformError as error:
                _log.error("the embedded Postgres died and does not start", extra={"error": error.message})
                gone.wait(5.0)


class _Cluster:
    """The data folder and the process on it. Callers hold the start lock, except for `postmaster`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._server_log = folder / "server.log"
        self._pid_file = self._data / "postmaster.pid"

    def ensure_running(self) -> Server:
        passwords = self._passwords()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(passwords[SUPERUSER])
        until = time.monotonic() + _START_DEADLINE_S
        while True:
            server = self._started_or_joined(passwords)
            if server is not None and self._answers(server):
                return server
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"Postgres did not start within {_START_DEADLINE_S:g} s; see {self._server_log}",
                    detail=self._log_tail(),
                )

    def stop(self) -> None:
        """Ends all sessions and the server, committed work safe: in order if that is quick, otherwise as in a crash,
        which the next start makes good from the log. The first shutdown of a new home has much to write (4 s measured
        on a busy disk), and whoever waits may have pressed Ctrl-C.
        """
        postmaster = self.postmaster()
        if postmaster is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT):  # "fast" and "immediate": what `pg_ctl stop` sends
            try:
                postmaster.send_signal(number)
            except psutil.NoSuchProcess:
                return
            if _ended(postmaster, _STOP_PATIENCE_S):
                return
        _log.info("the embedded Postgres takes long to stop; it does so by itself")

    def postmaster(self) -> psutil.Process | None:
        """The server's process, when it lives: not a zombie, and not a stranger who was given its number."""
        try:
            process = psutil.Process(int(self._pid_file.read_text().split("\n", 1)[0]))
            alive = process.status() != psutil.STATUS_ZOMBIE and str(self._data) in process.cmdline()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if alive else None

    def _started_or_joined(self, passwords: Mapping[str, str]) -> Server | None:
        """A server that may not answer yet; None when it could not start just now and another try may succeed."""
        if self.postmaster() is None and not self._start():
            return None
        try:
            port = int(self._pid_file.read_text().split("\n")[3])
        except (FileNotFoundError, IndexError, ValueError):  # it has just stopped, or writes the file right now
            return None
        return Server(HOST, port, self._data, passwords)

    def _answers(self, server: Server) -> bool:
        """Whether it takes connections and is ours; False when it is only about to start or to stop."""
        try:
            with psycopg.connect(
                server.url(SUPERUSER, "postgres", "postgresql"), autocommit=True, connect_timeout=5
            ) as connection:
                self._provision(connection, server.passwords)
        except psycopg.errors.InvalidPassword as error:
            raise self._foreign_passwords() from error
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise self._foreign_passwords() from error
            if (postmaster := self.postmaster()) is not None:
                _ended(postmaster, 0.1)
            return False
        return True

    def _provision(self, connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
        """Again when this version of the platform has other roles than the one that made the home."""
        marker, wanted = self._folder / "provisioned", roles.fingerprint()
        if marker.exists() and marker.read_text() == wanted:
            return
        roles.provision(connection, passwords)
        marker.write_text(wanted)

    def _passwords(self) -> dict[str, str]:
        path = self._folder / "passwords.json"
        if (self._data / "PG_VERSION").exists() and not path.exists():
            raise self._foreign_passwords()
        try:
            return ensure_passwords(path, (SUPERUSER, *roles.ROLES))
        except OSError as error:
            raise _unusable(path, error) from error

    def _foreign_passwords(self) -> InvalidSetting:
        return InvalidSetting(
            f"{self._folder / 'passwords.json'} does not fit the data beside it; restore the file, or delete "
            f"{self._folder} with all it holds to begin anew"
        )

    def _initialise(self, password: str) -> None:
        """Makes the data folder, which is there whole or not at all."""
        fresh = self._folder / "data.new"
        password_file = self._folder / ".initdb-password"
        programs = Programs(find_programs(), self._data)
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            programs.give(fresh)
            password_file.unlink(missing_ok=True)
            password_file.touch(mode=0o600)
            password_file.write_text(password)
            programs.give(password_file)
            made = programs.run("initdb", *_initdb_arguments(fresh, password_file), deadline_s=_START_DEADLINE_S)
            if made.returncode != 0:
                raise _why(made.stdout, self._data)
            with (fresh / "postgresql.conf").open("a") as configuration:
                configuration.write(_CONFIGURATION + (_ON_LINUX if sys.platform == "linux" else ""))
            fresh.rename(self._data)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        finally:
            password_file.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)  # there only when something went wrong

    def _start(self) -> bool:
        """Whether it started. False when what is in the way goes by itself: a taken port, a dead server's session."""
        self._pid_file.unlink(missing_ok=True)  # its process is dead, we looked
        programs = Programs(find_programs(), self._data)
        before = self._open_log(programs)
        options = f"-p {self._port()}"
        arguments = ("start", "-D", str(self._data), "-l", str(self._server_log), "-o", options, "-w", "-t", "50")
        outcome = programs.run("pg_ctl", *arguments, deadline_s=_START_DEADLINE_S)
        if outcome.returncode == 0:
            return True
        said = self._server_log.read_bytes()[before:].decode(errors="replace") + outcome.stdout
        if "Address already in use" in said or "could not bind" in said:
            self._port_file.unlink(missing_ok=True)
        elif "still in use" in said or "lock file" in said:
            time.sleep(0.1)  # sessions of a killed server end when they notice; they tell nobody
        else:
            raise _why(said, self._data)
        return False

    @property
    def _port_file(self) -> Path:
        return self._folder / "port"

    def _port(self) -> int:
        """The home's own port: chosen once, and again when somebody else has taken it."""
        if self._port_file.exists() and (kept := self._port_file.read_text().strip()).isdigit():
            return int(kept)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        self._port_file.write_text(str(port))
        return port

    def _open_log(self, programs: Programs) -> int:
        """Makes the log writable by the server; returns how long it is."""
        if self._server_log.exists() and self._server_log.stat().st_size > _LOG_LIMIT_BYTES:
            self._server_log.rename(self._server_log.with_suffix(".log.1"))
        self._server_log.touch(mode=0o600)
        programs.give(self._server_log)
        return self._server_log.stat().st_size

    def _log_tail(self) -> str:
        return self._server_log.read_bytes()[-4000:].decode(errors="replace") if self._server_log.exists() else ""


def _initdb_arguments(data: Path, password_file: Path) -> tuple[str, ...]:
    text = ("--encoding=UTF8", "--locale=C.UTF-8")
    return ("-D", str(data), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}", *text)


def _ended(process: psutil.Process, patience_s: float) -> bool:
    """Waits for a process that is not our child; a zombie has ended, though nobody may ever collect it."""
    if hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([descriptor], [], [], patience_s)[0])
        finally:
            os.close(descriptor)
    try:
        process.wait(patience_s)
    except psutil.TimeoutExpired:
        return False
    return True


def _why(said: str, data: Path) -> ClipPlatformError:
    """What Postgres' own words mean for people."""
    if any(sign in said for sign in ("No space left on device", "Disk quota exceeded", "bytes at block")):
        return StorageFull(f"no space is left for Postgres in {data}; free some and try again", detail=said)
    if "incompatible with server" in said or "not compatible with this version" in said:
        return InvalidSetting(
            f"the data in {data} is of another Postgres version; install the one it was made with, or move the folder "
            "away to begin anew",
            detail=said,
        )
    if "Permission denied" in said:
        return InvalidSetting(
            f"Postgres may not use {data}; check owner and permissions, or set CLIP_PLATFORM_HOME to another folder",
            detail=said,
        )
    return StorageUnavailable(f"Postgres does not start on {data}: {_last_words(said)}", detail=said)


def _last_words(said: str) -> str:
    telling = [line for line in said.splitlines() if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (telling[:1] or said.splitlines()[-1:] or ["it said nothing"])[0].strip()


def _unusable(path: Path, error: OSError) -> ClipPlatformError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"no space is left for {path}; free some and try again")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return InvalidSetting(f"{path} cannot be used: {reason}; set CLIP_PLATFORM_HOME to a folder of your own")
