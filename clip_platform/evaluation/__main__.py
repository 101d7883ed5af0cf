"""`python -m clip_platform.evaluation`: how accurate the product is, in one table. Exit code 1 on a miss.

Makes its data sets unless they are there, processes the sample talk in a fresh home as a user would, and measures real
recordings where they are at hand (see `recordings`). `--keep` measures what the last run of the sample talk left.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from clip_platform.errors import ClipPlatformError
from clip_platform.evaluation import selection_lines, speaker_lines, speech_lines, vision_lines
from clip_platform.evaluation.lines import Measured, Suite
from clip_platform.evaluation.results import process, read_results
from clip_platform.evaluation.sample_lines import judge
from clip_platform.evaluation.sample_talk import current_sample_talk
from clip_platform.evaluation.tables import save_json, save_markdown, table_of
from clip_platform.evaluation.tiny_asr.lines import tiny_asr_measured
from clip_platform.evaluation.truth import load_truth


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m clip_platform.evaluation", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where data sets and results are kept")
    parser.add_argument("--keep", action="store_true", help="measure the last run again instead of a fresh one")
    parser.add_argument("--only", nargs="+", default=(), help="names of suites to run")
    parser.add_argument("--markdown", type=Path, help="also write the table here; not together with --only")
    chosen = parser.parse_args()
    suites = _suites(chosen.folder.absolute(), keep=chosen.keep)
    unknown = sorted(set(chosen.only) - set(suites))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such suite; there are {', '.join(suites)}")
    if chosen.only and chosen.markdown:
        parser.error("--markdown writes the whole table; leave --only out")
    try:
        measured = _measured({name: suites[name] for name in chosen.only or suites})
    except ClipPlatformError as error:
        print(f"{error.error_class}: {error.message}", file=sys.stderr)
        return 1
    save_json(measured, chosen.folder / "evaluation" / "evaluation.json")
    if chosen.markdown:
        save_markdown(measured, chosen.markdown)
    Console(width=200 if not sys.stdout.isatty() else None).print(table_of(measured))
    return 0 if all(line.passed for line in measured.lines) else 1


def _suites(folder: Path, *, keep: bool) -> Mapping[str, Suite]:
    return {
        "sample_talk": lambda: _sample_talk(folder, keep=keep),
        "recordings": speech_lines.recordings_measured,
        "nonspeech": speech_lines.nonspeech_measured,
        "tiny_asr": tiny_asr_measured,
        "changes": vision_lines.changes_measured,
        "faces": vision_lines.faces_measured,
        "topics": selection_lines.topics_measured,
        "bounds": selection_lines.bounds_measured,
        "two_shots": lambda: speaker_lines.two_shots_measured(folder / "two_shots"),
        "grid_pairs": lambda: speaker_lines.grid_pairs_measured(folder / "grid_pairs"),
    }


def _measured(suites: Mapping[str, Suite]) -> Measured:
    """What all suites say, in the order of the stages."""
    said = []
    for number, (name, suite) in enumerate(suites.items(), 1):
        print(f"{number} of {len(suites)}: {name}", file=sys.stderr, flush=True)
        said.append(suite())
    lines = [line for measured in said for line in measured.lines]
    stages: Sequence[str] = list(dict.fromkeys(line.stage for line in lines))
    in_order = sorted(lines, key=lambda line: stages.index(line.stage))
    return Measured(in_order, [absent for measured in said for absent in measured.absent])


def _sample_talk(folder: Path, *, keep: bool) -> Measured:
    talk = current_sample_talk(folder / "sample")
    home, out = folder / "evaluation" / "home", folder / "evaluation" / "clips"
    if not keep:
        process(talk.video, home, out)
    return Measured(judge(load_truth(talk.truth), read_results(home, folder / "evaluation" / "files")))


if __name__ == "__main__":
    sys.exit(main())
