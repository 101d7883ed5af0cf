"""A container as a group of processes of this machine.

There are no namespaces: a mounted volume is a folder, and what the environment says of its mount path is rewritten to
it; users, read-only roots and devices are not enforced.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.peers.processes import die_with_parent


@dataclass(frozen=True)
class Image:
    """What is in an image: its environment (PATH, say) and its working folder."""

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)


class Container:
    """Runs from the start on; its thread must live as long as it does, or the kernel ends it."""

    def __init__(
        self,
        command: Sequence[str],
        image: Image,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.log, self.ended_by = log, ""
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=image.folder,
                env={**image.environment, **environment},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def exit_code(self) -> int | None:
        """As a container's: 128 and the signal's number when a signal ended it; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    @property
    def process_ids(self) -> list[int]:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self._process.pid)
            return [own.pid, *(child.pid for child in own.children(recursive=True))]
        return []

    def resident_bytes(self) -> int:
        total = 0
        for pid in self.process_ids:
            with suppress(psutil.NoSuchProcess):
                total += psutil.Process(pid).memory_info().rss
        return total

    def send(self, number: int, because: str = "") -> None:
        """SIGKILL goes to every process of the container, any other signal to its first."""
        self.ended_by = because or self.ended_by
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._process.pid, number)

    def bury(self) -> None:
        """Ends what a first process left behind, as the end of a container does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def mounted(environment: Mapping[str, str], mounts: Mapping[str, Path]) -> dict[str, str]:
    """The environment with the folders in place of the paths at which a container sees them."""
    moved = {name: _moved(value, mounts) for name, value in environment.items()}
    return {"TMPDIR": str(mounts["/tmp"]), **moved} if "/tmp" in mounts else moved


def _moved(value: str, mounts: Mapping[str, Path]) -> str:
    for path, folder in mounts.items():
        if value == path or value.startswith(f"{path}/"):
            return f"{folder}{value[len(path) :]}"
    return value
