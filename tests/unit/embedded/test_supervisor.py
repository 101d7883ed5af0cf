"""Children run until told otherwise, come back when they crash, and never outlive their supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from clip_platform.embedded import supervisor
from clip_platform.embedded.supervisor import Child, Supervisor, port_answers
from clip_platform.errors import DeadlineExceeded, MissingProgram, ProgramFailed

# A child with a child of its own, that tells both numbers, and needs to be asked to end.
FAMILY = "sleep 300 & echo $$ $! > {file}; wait"
SUPERVISOR = """
import os, sys
from pathlib import Path
from clip_platform.embedded.supervisor import Child, Supervisor
folder = Path(sys.argv[1])
script = sys.argv[2].format(file=folder / "pids")
with Supervisor(folder, [Child("family", ["sh", "-c", script], dict(os.environ))]) as running:
    print("ready", flush=True)
    running.wait()
"""


def child(name: str, command: Sequence[str], port: int | None = None) -> Child:
    return Child(name, command, dict(os.environ), port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_on(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family_of(folder: Path) -> list[int]:
    until = time.monotonic() + 10
    while not (folder / "pids").exists() or not (folder / "pids").read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def start_supervisor(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUPERVISOR, str(folder), FAMILY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def wait_until_dead(pids: list[int], within_s: float) -> list[int]:
    until = time.monotonic() + within_s
    while (left := [pid for pid in pids if lives(pid)]) and time.monotonic() < until:
        time.sleep(0.02)
    return left


def test_children_answer_inside_the_block_and_are_gone_after_it(tmp_path: Path):
    port = free_port()

    with Supervisor(tmp_path, [child("web", server_on(port), port)]):
        inside = port_answers(port)

    assert inside
    assert not port_answers(port)


def test_what_children_say_is_in_their_log(tmp_path: Path):
    with Supervisor(tmp_path / "logs", [child("talker", ["sh", "-c", "echo out; echo err >&2; sleep 300"])]):
        log = tmp_path / "logs" / "talker.log"
        until = time.monotonic() + 10
        while log.read_text() != "out\nerr\n" and time.monotonic() < until:
            time.sleep(0.02)

    assert log.read_text() == "out\nerr\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_children_and_their_children(tmp_path: Path, number: signal.Signals):
    process = start_supervisor(tmp_path)
    family = family_of(tmp_path)

    process.send_signal(number)
    status = process.wait(5)

    assert status == 0
    assert wait_until_dead(family, 0) == []


def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path):
    process = start_supervisor(tmp_path)
    family = family_of(tmp_path)
    guards = [found.pid for found in psutil.Process(process.pid).children() if "guard.py" in " ".join(found.cmdline())]

    process.kill()
    process.wait()

    assert len(guards) == 1
    assert wait_until_dead([*family, *guards], 6) == []


def test_a_child_that_ignores_being_asked_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervisor.guard, "GRACE_S", 0.3)
    script = f"trap '' TERM; echo $$ $$ > {tmp_path / 'pids'}; while :; do sleep 0.1; done"

    with Supervisor(tmp_path, [child("deaf", ["sh", "-c", script])]):
        pids = family_of(tmp_path)

    assert wait_until_dead(pids, 0) == []


def test_a_crashed_child_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervisor, "_FIRST_BACKOFF_S", 0.01)
    port, crashed = free_port(), tmp_path / "crashed"
    script = f"[ -e {crashed} ] || {{ touch {crashed}; exit 3; }}; exec {' '.join(server_on(port))}"

    with Supervisor(tmp_path, [child("web", ["sh", "-c", script], port)]):
        assert crashed.exists()
        assert port_answers(port)


def test_a_child_that_crashes_on_and_on_ends_everything_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor, "_FIRST_BACKOFF_S", 0.001)
    other = child("other", ["sh", "-c", f"echo $$ $$ > {tmp_path / 'pids'}; exec sleep 300"])

    with (
        pytest.raises(ProgramFailed, match="ended 6 times, last with status 3") as failed,
        Supervisor(tmp_path, [other, child("broken", ["sh", "-c", "echo no such column; exit 3"])]) as running,
    ):
        running.wait()

    assert "no such column" in failed.value.detail
    assert wait_until_dead(family_of(tmp_path), 0) == []


def test_a_child_that_never_gets_ready_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervisor, "_READY_DEADLINE_S", 0.3)

    with (
        pytest.raises(DeadlineExceeded, match="sleeper was not ready"),
        Supervisor(tmp_path, [child("sleeper", ["sleep", "300"], free_port())]),
    ):
        pass


def test_a_program_that_is_not_there_is_named_and_the_others_are_ended(tmp_path: Path):
    other = child("other", ["sh", "-c", f"echo $$ $$ > {tmp_path / 'pids'}; exec sleep 300"])

    with (
        pytest.raises(MissingProgram, match="no-such-program"),
        Supervisor(tmp_path, [other, child("x", ["/no-such-program"])]),
    ):
        pass

    time.sleep(0.1)
    pids = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
    assert wait_until_dead([int(pid) for pid in pids], 0) == []


def test_what_starts_last_is_not_waited_for_and_is_ended_with_the_rest(tmp_path: Path):
    first, last = free_port(), free_port()
    slow = Child("slow", ["sh", "-c", f"sleep 1; exec {' '.join(server_on(last))}"], dict(os.environ), last,
                 health="/", starts_last=True)  # fmt: skip

    with Supervisor(tmp_path, [slow, child("web", server_on(first), first)]):
        was_ready = port_answers(last)
        until = time.monotonic() + 20
        while not supervisor.is_healthy(last, "/") and time.monotonic() < until:
            time.sleep(0.05)
        came = supervisor.is_healthy(last, "/")

    assert (was_ready, came) == (False, True)
    assert not port_answers(last)


def test_healthy_is_who_answers_with_200(tmp_path: Path):
    port = free_port()

    with Supervisor(tmp_path, [Child("web", server_on(port), dict(os.environ), port, health="/")]):
        found = [supervisor.is_healthy(port, path) for path in ("/", "/missing")]

    assert found == [True, False]
    assert not supervisor.is_healthy(port, "/")
