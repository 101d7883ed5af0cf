"""What is nobody's own work: Dagster, Postgres, storage, start-up, as a share of a whole `clip-platform process`.

The bound is the work itself: the sum of what every asset says it computed (`compute_s` in the JSON log).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks.fixture import Fixture
from benchmarks.measuring import Ratio, cost_of

LIMIT = 0.10


def measure(fixture: Fixture, folder: Path) -> list[Ratio]:
    home, out = folder / "overhead-home", folder / "overhead-clips"
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, "-m", "clip_platform", "process", fixture.video, "--out", out]
    wall_s = cost_of(command, {"CLIP_PLATFORM_HOME": str(home)}).wall_s
    compute = computed_s(home / "logs")
    shutil.rmtree(home)
    rest_s = wall_s - sum(compute.values())
    details = {
        "wall_s": round(wall_s, 1),
        "rest_s": round(rest_s, 1),
        **{f"{name}_s": s for name, s in compute.items()},
    }
    name, over = f"not a stage's own work, {fixture.minutes:g} min video", "wall time of the whole"
    return [Ratio(name, over, rest_s / wall_s, LIMIT, details)]


def computed_s(logs: Path) -> dict[str, float]:
    """Seconds of own work by asset, from the log of the only video of a home."""
    (log,) = logs.glob("*.jsonl")
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return {line["asset"]: line["compute_s"] for line in lines if line["message"] == "asset ready"}
