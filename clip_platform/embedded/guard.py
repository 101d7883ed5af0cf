"""A small process that outlives its supervisor by seconds: ends what a killed supervisor can no longer end.

Started as a file, with standard input from the supervisor; imports nothing of the platform. Lines are `+ group` and
`- group`; at the end of the input (the supervisor is gone, however it went) the remaining process groups are ended.
"""

import os
import signal
import sys
import time

GRACE_S = 3.0


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line.split()
        (groups.add if sign == "+" else groups.discard)(int(group))
    end(groups)


def end(groups: set[int]) -> None:
    """Asks the groups to end, and kills those that have not after a grace period."""
    until = time.monotonic() + GRACE_S
    _send(groups, signal.SIGTERM)
    while (groups := living(groups)) and time.monotonic() < until:
        time.sleep(0.05)  # not our children: nothing tells us when a whole group has ended
    _send(groups, signal.SIGKILL)


def living(groups: set[int]) -> set[int]:
    """Those with a process that is no zombie: orphans may wait long for somebody to collect them."""
    if not os.path.exists("/proc/self/stat"):  # noqa: PTH110  pathlib would double the time to start
        return _send(groups, 0)
    found = set()
    for entry in os.scandir("/proc"):
        if groups and entry.name.isdigit():
            state, group = _state_and_group(entry.path)
            if state not in "ZX":
                found.add(group)
    return groups & found


def _state_and_group(process: str) -> tuple[str, int]:
    try:
        with open(f"{process}/stat") as file:  # noqa: PTH123
            state, _parent, group = file.read().rpartition(")")[2].split()[:3]
    except OSError:
        return "X", 0
    return state, int(group)


def _send(groups: set[int], number: int) -> set[int]:
    """The groups that are still there."""
    alive = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue
        alive.add(group)
    return alive


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    main()
