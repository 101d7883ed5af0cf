"""MLflow's real server, as the tests' own: SQLite and a folder of artifacts, started once in a session."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from clip_platform.embedded.supervisor import _guard, is_healthy
from tests.peers.processes import free_ports, wait_until


@dataclass(frozen=True)
class MlflowPeer:
    """`artifacts` is where the server keeps files: <experiment>/<run>/artifacts/<path>."""

    port: int
    artifacts: Path

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def file(self, run_id: str, path: str) -> Path:
        """One artifact as it lies on the server's disk."""
        return next(self.artifacts.glob(f"*/{run_id}/artifacts")) / path

    @contextmanager
    def that_can_go(self) -> Iterator[Line]:
        """Another address of it, which stops answering when the line is cut."""
        with closing(Line(self.port)) as line:
            yield line


class Line:
    """Passes connections on, until it is cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        for one in [self._listening, *self._open]:
            one.close()

    close = cut

    def _accept(self) -> None:
        with suppress(OSError):  # cut
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def mlflow_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowPeer]:
    folder = tmp_path_factory.mktemp("mlflow")
    peer = MlflowPeer(free_ports(1)[0], folder / "artifacts")
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": peer.artifacts.as_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    program = str(Path(sys.executable).with_name("mlflow"))
    command = [program, "server", "--host", "127.0.0.1", "--port", str(peer.port), "--workers", "1"]
    log = folder / "server.log"
    with _guard() as told:  # the server is a child of the program: when the tests are killed, its group is ended
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, process_group=0)
        told(f"+ {process.pid}")
        try:
            wait_until(lambda: is_healthy(peer.port, "/health"), "mlflow", log, 150)
            yield peer
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            told(f"- {process.pid}")
