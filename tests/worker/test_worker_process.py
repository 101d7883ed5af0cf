"""The whole worker: promptness, fairness, and what happens when it is killed or its database restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from clip_platform.settings import PREFIX, Settings
from clip_platform.worker import relay
from clip_platform.worker.tasks import WorkerServices
from tests.unit.network.servers import says, serving
from tests.worker.conftest import Office, wait_until, working


def test_an_event_is_delivered_within_a_second_or_two_of_its_commit(office: Office, services: WorkerServices) -> None:
    with serving(says(200)) as peer, working(services):
        office.endpoint(peer.url())
        office.event()
        wait_until(lambda: len(peer.seen) == 1)  # it has started
        began = time.monotonic()
        office.event()
        wait_until(lambda: len(peer.seen) == 2)
        took_s = time.monotonic() - began

    assert took_s < 2.5


def test_a_slow_receiver_delays_nobody_else(office: Office, services: WorkerServices, video: Callable[[], str]) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(3)
        says(200)(handler)

    with serving(slow) as sleeper, serving(says(200)) as quick, working(services):
        office.endpoint(sleeper.url())
        for _ in range(60):
            office.event(video())
        wait_until(lambda: len(sleeper.seen) == 2)
        office.endpoint(quick.url(), ("video.failed",))
        began = time.monotonic()
        for _ in range(30):
            office.event(video(), type_="video.failed")
        wait_until(lambda: len(quick.seen) == 30)
        took_s = time.monotonic() - began
        office.rows("delete from webhook_endpoints returning 1")

    assert took_s < 6
    assert len(sleeper.seen) <= 8


def test_the_database_may_restart_under_a_running_worker(office: Office, services: WorkerServices) -> None:
    with serving(says(200)) as peer, working(services):
        office.endpoint(peer.url())
        office.event()
        wait_until(lambda: len(peer.seen) == 1)
        office.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'clip_platform_worker'")
        office.event()
        wait_until(lambda: len(peer.seen) == 2, within_s=20)


def _start_worker(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    assert settings.database_worker_password is not None
    given = {
        "HOME": str(settings.home),
        "DATABASE_HOST": settings.database_host,
        "DATABASE_PORT": settings.database_port,
        "DATABASE_NAME": settings.database_name,
        "DATABASE_WORKER_PASSWORD": settings.database_worker_password.get_secret_value(),
        "OUTBOUND_ALLOW": settings.outbound_allow,
    }
    environment = {**os.environ, **{f"{PREFIX}{name}": str(value) for name, value in given.items()}}
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "clip_platform", "worker"], env=environment, stdout=out, stderr=out
        )


@pytest.fixture
def shorter_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second worker need not wait 15 s to be sure that the first is dead."""
    monkeypatch.setattr(relay, "SILENCE_S", 2.0)


@pytest.mark.usefixtures("shorter_silence")
def test_a_delivery_of_a_killed_worker_is_taken_over(
    office: Office, services: WorkerServices, worker_settings: Settings, tmp_path: Path
) -> None:
    hang = [True]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if hang[0]:
            time.sleep(8)
            return
        says(200)(handler)

    with serving(answer) as peer:
        office.endpoint(peer.url())
        event_id = office.event()
        first = _start_worker(worker_settings, tmp_path / "worker.log")
        try:
            wait_until(lambda: len(peer.seen) == 1, within_s=30)
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        still_running = office.rows("select status::text from jobs.procrastinate_jobs")
        hang[0] = False
        with working(services):
            wait_until(lambda: office.states() == ["succeeded"], within_s=25)

    assert still_running == [("doing",)]
    assert [headers["webhook-id"] for _, _, headers, _ in peer.seen] == [event_id] * 2


def test_a_worker_that_is_told_to_stop_does_so_within_seconds_also_in_the_middle_of_a_delivery(
    office: Office, worker_settings: Settings, tmp_path: Path
) -> None:
    def hang(_: BaseHTTPRequestHandler) -> None:
        time.sleep(9)

    with serving(hang) as peer:
        office.endpoint(peer.url())
        office.event()
        process = _start_worker(worker_settings, tmp_path / "worker.log")
        try:
            wait_until(lambda: len(peer.seen) == 1, within_s=30)
            began = time.monotonic()
            process.terminate()
            code = process.wait(timeout=15)
        finally:
            process.kill()
            process.wait()
        took_s = time.monotonic() - began

    assert took_s < 6
    assert code == 0, (tmp_path / "worker.log").read_text()[-2000:]
    assert office.states() == ["pending"]
