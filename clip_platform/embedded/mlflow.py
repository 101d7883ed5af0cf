"""MLflow's server on this machine's Postgres, as a child to supervise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from clip_platform.embedded.machine import Machine
from clip_platform.embedded.supervisor import Child
from clip_platform.settings import PREFIX

LOOPBACK = "127.0.0.1"


def mlflow_server(machine: Machine, port: int) -> Child:
    """Started last: it imports and migrates for half a minute at first, and no video waits for it."""
    names = (f"{LOOPBACK}:{port}", f"localhost:{port}")
    options = {
        "--host": LOOPBACK,
        "--port": str(port),
        "--workers": "1",
        "--allowed-hosts": ",".join(names),
        "--cors-allowed-origins": ",".join(f"http://{name}" for name in names),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "MLFLOW_"))}
    return Child(
        name="mlflow",
        command=[
            str(Path(sys.executable).with_name("mlflow")),
            "server",
            "--serve-artifacts",
            *(word for pair in options.items() for word in pair),
        ],
        environment={**inherited, **machine.mlflow_variables},
        port=port,
        health="/health",
        starts_last=True,
    )
