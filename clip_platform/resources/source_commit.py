"""Which commit the running code is of, where it runs from a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

_DEADLINE_S = 5.0


def source_commit() -> str | None:
    """Forty hex digits, `-dirty` behind them where files differ; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # an installed package inside somebody else's repository is not of its commit
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
