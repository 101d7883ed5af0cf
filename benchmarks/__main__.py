"""`python -m benchmarks`: cost as ratios to lower bounds measured in the same run. Exit code 1 when one is exceeded.

`--long` runs those that take more than 20 minutes instead. Prints the fixture's parameters and one table, and writes
the same as JSON to `build/benchmarks/`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    acoustics,
    api_reads,
    champion,
    clip_over_encode,
    idle_watchers,
    imports,
    long_talk,
    memory,
    overhead,
    part_signing,
    rescoring,
    row_to_run,
    selection_long,
    sensor_tick,
    speech_cores,
    upload_local,
    vision_memory,
    vision_over_decode,
    voice_activity,
)
from benchmarks.fixture import PARAMETERS, fixture, small_fixture
from benchmarks.measuring import Ratio

SHORT_MINUTES, LONG_MINUTES = 10.0, 180.0
Benchmark = Callable[[], list[Ratio]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the benchmarks that take more than 20 minutes")
    parser.add_argument(
        "--minutes", type=float, default=SHORT_MINUTES, help="length of the fixture (default %(default)s)"
    )
    parser.add_argument("--only", nargs="+", default=(), help="names of benchmarks to run")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    benchmarks = _long(folder, chosen.minutes) if chosen.long else _usual(folder, chosen.minutes)
    unknown = sorted(set(chosen.only) - set(benchmarks))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such benchmark; there are {', '.join(benchmarks)}")
    ratios = [ratio for name in chosen.only or benchmarks for ratio in benchmarks[name]()]
    _report(ratios, folder / ("long.json" if chosen.long else "usual.json"), chosen.minutes)
    return 0 if all(ratio.passed for ratio in ratios) else 1


def _usual(folder: Path, minutes: float) -> Mapping[str, Benchmark]:
    return {
        "imports": imports.measure,
        "clip_over_encode": lambda: clip_over_encode.measure(fixture(folder, minutes)),
        "vision_over_decode": lambda: vision_over_decode.measure(fixture(folder, minutes)),
        "acoustics": acoustics.measure,
        "voice_activity": voice_activity.measure,
        "speech_cores": speech_cores.measure,
        "selection_long": selection_long.measure,
        "api_reads": lambda: api_reads.measure(folder),
        "part_signing": lambda: part_signing.measure(folder),
        "idle_watchers": lambda: idle_watchers.measure(folder),
        "sensor_tick": lambda: sensor_tick.measure(folder),
        "row_to_run": lambda: row_to_run.measure(folder),
        "rescoring": lambda: rescoring.measure(folder),
        "champion": champion.measure,
        "upload_local": lambda: upload_local.measure(folder),
        "overhead": lambda: overhead.measure(fixture(folder, minutes), folder),
    }


def _long(folder: Path, minutes: float) -> Mapping[str, Benchmark]:
    long_minutes = minutes * LONG_MINUTES / SHORT_MINUTES
    return {
        "memory": lambda: memory.measure(small_fixture(folder, minutes), small_fixture(folder, long_minutes), folder),
        "vision_memory": vision_memory.measure,
        "long_talk": long_talk.measure,
        "rescoring_many": lambda: rescoring.measure_many(folder),
    }


def _report(ratios: Sequence[Ratio], path: Path, minutes: float) -> None:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    console = Console(width=150 if not sys.stdout.isatty() else None)
    console.print(f"fixture: {minutes:g} min, {PARAMETERS}\nmachine: {machine}", highlight=False)
    console.print(_table(ratios))
    rows = [{**asdict(ratio), "passed": ratio.passed} for ratio in ratios]
    content = {"version": 1, "fixture": PARAMETERS, "minutes": minutes, "machine": machine, "ratios": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _table(ratios: Sequence[Ratio]) -> Table:
    table = Table("what", "over", "ratio", "limit", "", "measured")
    for ratio in ratios:
        verdict = "[green]pass[/green]" if ratio.passed else "[bold red]MISS[/bold red]"
        details = ", ".join(f"{name} {value}" for name, value in ratio.details.items())
        measured = f"{details}; {ratio.problem}" if ratio.problem else details
        table.add_row(ratio.name, ratio.over, f"{ratio.value:.3g}", f"{ratio.limit:.3g}", verdict, measured)
    return table


if __name__ == "__main__":
    sys.exit(main())
