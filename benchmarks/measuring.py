"""What a command costs, and what a benchmark says. CPU seconds include those of every process a command waited for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure that is a ratio to a named lower bound (or peer) measured in the same run; it must not exceed `limit`.

    `problem` is a further condition that was broken. `details`: what was measured, for people and programs.
    """

    name: str
    over: str
    value: float
    limit: float
    details: Mapping[str, object] = field(default_factory=dict)
    problem: str | None = None

    @property
    def passed(self) -> bool:
        return self.value <= self.limit and self.problem is None


def cost_of(command: Sequence[object], environment: Mapping[str, str] | None = None) -> Cost:
    """Runs a command to its end; what it says goes to stderr.

    Raises:
        RuntimeError: it ended with an error.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=sys.stderr, env={**os.environ, **(environment or {})}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} {command[1]} … ended with status {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - started)


def peak_memory_mib(command: Sequence[object], environment: Mapping[str, str], interval_s: float = 1.0) -> float:
    """The largest sum of proportional set sizes (PSS: shared pages counted once) over a command and its descendants.

    Raises:
        RuntimeError: it ended with an error.
    """
    process = subprocess.Popen([str(part) for part in command], stdout=sys.stderr, env={**os.environ, **environment})
    peak = 0
    while True:
        try:
            process.wait(interval_s)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, _tree_bytes(process.pid))
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} {command[1]} … ended with status {process.returncode}")
    return peak / 2**20


def _tree_bytes(pid: int) -> int:
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for member in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_full_info().pss
    return total
