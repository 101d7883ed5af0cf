"""Peak memory of a long video against a short one, all stages, NeMo with the tiny model: it must not grow with length.

A large model adds the same to both; pocketsphinx would take hours.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.fixture import Fixture
from benchmarks.measuring import Ratio, peak_memory_mib
from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE

LIMIT = 1.1
_NEMO = {"CLIP_PLATFORM_SPEECH_ENGINE": "nemo", "CLIP_PLATFORM_NEMO_MODEL": str(MODEL_FILE)}


def measure(short: Fixture, long: Fixture, folder: Path) -> list[Ratio]:
    short_mib, long_mib = (_peak_mib(fixture, folder) for fixture in (short, long))
    details = {f"{short.minutes:g}min_mib": round(short_mib), f"{long.minutes:g}min_mib": round(long_mib)}
    name, over = f"peak memory, {long.minutes:g} min video", f"peak memory, {short.minutes:g} min video"
    return [Ratio(name, over, long_mib / short_mib, LIMIT, details)]


def _peak_mib(fixture: Fixture, folder: Path) -> float:
    home, out = folder / "memory-home", folder / "memory-clips"
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, "-m", "clip_platform", "process", fixture.video, "--out", out]
    try:
        return peak_memory_mib(command, {"CLIP_PLATFORM_HOME": str(home), **_NEMO})
    finally:
        shutil.rmtree(home, ignore_errors=True)
