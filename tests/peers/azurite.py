"""Azurite, Microsoft's emulator of Azure Blob Storage, as the tests' own server."""

from __future__ import annotations

import base64
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers.processes import INSTALL, free_ports, listens, running, wait_until

ACCOUNT = "testaccount"
ACCOUNT_KEY = base64.b64encode(b"a key of the tests' own, no secret: 48 bytes long").decode()
_INSTALLED = Path(__file__).parents[2] / ".venv" / "peers" / "node_modules" / ".bin" / "azurite-blob"


@dataclass(frozen=True)
class Azurite:
    """A running Blob Storage. `environment` is what the platform reads."""

    endpoint: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), compare=False, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
        }

    def container(self) -> str:
        """The name of a new, empty container."""
        from azure.storage.blob import ContainerClient

        name = f"container-{next(self._numbers)}"
        ContainerClient(self.endpoint, name, credential=ACCOUNT_KEY).create_container()
        return name


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Started when the first test asks for it: about 1 s."""
    command = str(_INSTALLED) if _INSTALLED.exists() else shutil.which("azurite-blob")
    if command is None:
        pytest.fail(f"azurite is not installed, and this test needs it; {INSTALL}", pytrace=False)
    folder = tmp_path_factory.mktemp("azurite")
    [port] = free_ports(1)
    arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder / "data"), "--silent"]
    account = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}
    log = folder / "azurite.log"
    with running([command, *arguments, "--skipApiVersionCheck", "--disableTelemetry"], log, account):
        wait_until(lambda: listens(port), "azurite", log)
        yield Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")
