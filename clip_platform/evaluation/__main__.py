"""`python -m clip_platform.evaluation`: how accurate the product is on the sample talk. Exit code 1 on a miss.

Makes the talk unless it is there, processes it in a fresh home as a user would, prints one table and writes the same as
JSON. `--keep` measures what the last run left in the folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from clip_platform.errors import ClipPlatformError
from clip_platform.evaluation.report import judge, save_json, table_of
from clip_platform.evaluation.results import process, read_results
from clip_platform.evaluation.sample_talk import current_sample_talk
from clip_platform.evaluation.truth import load_truth


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m clip_platform.evaluation", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where the talk and the results are kept")
    parser.add_argument("--keep", action="store_true", help="measure the last run again instead of a fresh one")
    chosen = parser.parse_args()
    try:
        return _evaluate(chosen.folder.absolute(), keep=chosen.keep)
    except ClipPlatformError as error:
        print(f"{error.error_class}: {error.message}", file=sys.stderr)
        return 1


def _evaluate(folder: Path, *, keep: bool) -> int:
    talk = current_sample_talk(folder / "sample")
    home, out = folder / "evaluation" / "home", folder / "evaluation" / "clips"
    if not keep:
        process(talk.video, home, out)
    lines = judge(load_truth(talk.truth), read_results(home, folder / "evaluation" / "files"))
    save_json(lines, folder / "evaluation" / "evaluation.json")
    Console(width=150 if not sys.stdout.isatty() else None).print(table_of(lines))
    return 0 if all(line.passed for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
