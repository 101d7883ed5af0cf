"""Loading the code location against importing Dagster, which no code location can do without."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.measuring import Ratio, cost_of

LIMIT = 1.5
HEAVY = ("torch", "nemo", "mlflow", "cv2", "pandas", "dagster_k8s")
_REPEATS = 5


def measure() -> list[Ratio]:
    """Medians of CPU time over interleaved runs, after one of each that fills caches."""
    ours, dagster = "import clip_platform.definitions", "import dagster"
    for code in (ours, dagster):
        _import_s(code)
    pairs = [(_import_s(ours), _import_s(dagster)) for _ in range(_REPEATS)]
    ours_s, dagster_s = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    loaded = _heavy_modules(ours)
    details = {
        "definitions_s": round(ours_s, 2),
        "dagster_s": round(dagster_s, 2),
        "heavy": ", ".join(loaded) or "none",
    }
    problem = f"{', '.join(loaded)} loaded at import; import inside the functions that need it" if loaded else None
    return [
        Ratio(
            "import clip_platform.definitions, CPU", "import dagster, CPU", ours_s / dagster_s, LIMIT, details, problem
        )
    ]


def _import_s(code: str) -> float:
    return cost_of([sys.executable, "-c", code]).cpu_s


def _heavy_modules(code: str) -> list[str]:
    ask = f"{code}; import sys; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
