"""The database goes away and comes back: requests are told when to try again, nothing is lost, nobody restarts us."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from fastapi.testclient import TestClient

from clip_platform.database import roles
from clip_platform.settings import Settings
from tests.conftest import MigratedServer


class Door:
    """Passes connections on to a port of this machine, until it is shut."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    def shut(self) -> None:
        """Also for those who are inside."""
        self._end(self._listener)
        for connection in self._open:
            self._end(connection)
        self._open.clear()

    def reopen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self._behind))
                self._open += [here, there]
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        self._end(target)

    @staticmethod
    def _end(one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def door(migrated_server: MigratedServer) -> Iterator[Door]:
    opened = Door(migrated_server.server.port)
    yield opened
    opened.shut()


@pytest.fixture
def api_settings(api_settings: Settings, door: Door) -> Settings:
    """The API reaches its database through the door."""
    return api_settings.model_copy(update={"database_port": door.port})


def test_without_its_database_the_api_says_when_to_try_again_and_recovers(as_, client: TestClient, door: Door):
    owner = as_("acme")
    assert owner.get("/v1/usage").status_code == 200

    door.shut()
    answers = [owner.get("/v1/usage"), client.get("/v1/health")]
    door.reopen()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.json()["type"] for answer in answers} == {"urn:clip-platform:problem:storage-unavailable"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert "127.0.0.1" not in answers[0].text
    assert owner.get("/v1/usage").status_code == client.get("/v1/health").status_code == 200


def test_sessions_that_the_server_ended_are_replaced(as_, migrated_server: MigratedServer):
    owner = as_("acme")
    assert owner.get("/v1/usage").status_code == 200

    with migrated_server.superuser() as connection:
        ended = connection.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity where usename = %s", [roles.API]
        ).fetchall()

    assert ended
    assert owner.get("/v1/usage").status_code == 200
