"""The accuracy table for people on a terminal, for programs (JSON) and for the docs (Markdown)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from clip_platform.evaluation.lines import Line, Measured

_SIGNS = {"at least": "≥", "at most": "≤", "reported": ""}
_HEAD = """# Accuracy

Written by `make evaluate`, never by hand; `build/evaluation/evaluation.json` has the same figures. Generated data sets
are made, with their truth, by `clip_platform/evaluation`; recordings are real ones that the project does not ship
(`CLIP_PLATFORM_SHARED_MEDIA` names their folder). A published figure beside ours is of other data and stronger models:
an anchor, not a comparison.
"""


def table_of(measured: Measured) -> Table:
    table = Table(title="accuracy", title_justify="left")
    for heading in ("stage", "data set", "measure"):
        table.add_column(heading)
    table.add_column("figure", justify="right")
    table.add_column("target", justify="right")
    for heading in ("", "", "published"):
        table.add_column(heading)
    for line in measured.lines:
        verdict = "" if line.target is None else "[green]pass[/green]" if line.passed else "[bold red]MISS[/bold red]"
        table.add_row(*_what(line), _figure(line), _target(line), verdict, line.detail, line.anchor)
    for absent in measured.absent:
        table.add_row(absent.stage, absent.data_set, "[yellow]not measured here[/yellow]", "", "", "", absent.why, "")
    return table


def save_json(measured: Measured, path: Path) -> None:
    """The table for programs: lines with `passed`, and what was not measured."""
    document = {
        "version": 2,
        "measures": [{**asdict(line), "passed": line.passed} for line in measured.lines],
        "not_measured": [asdict(absent) for absent in measured.absent],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def save_markdown(measured: Measured, path: Path) -> None:
    """The table for the docs, a section a stage."""
    text = [_HEAD]
    for stage in dict.fromkeys(line.stage for line in measured.lines):
        text.append(f"## {stage.capitalize()}\n")
        text.append("| data set | measure | figure | target | | detail | published |\n|---|---|--:|--:|---|---|---|")
        text += [_markdown_row(line) for line in measured.lines if line.stage == stage]
        text.append("")
    if measured.absent:
        text.append("## Not measured\n")
        text += [f"- {absent.stage}, {absent.data_set}: {absent.why}" for absent in measured.absent]
        text.append("")
    path.write_text("\n".join(text), encoding="utf-8")


def _markdown_row(line: Line) -> str:
    verdict = "" if line.target is None else "pass" if line.passed else "**miss**"
    cells = (line.data_set, line.measure, _figure(line), _target(line), verdict, line.detail, line.anchor)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _what(line: Line) -> Sequence[str]:
    return line.stage, line.data_set, line.measure


def _figure(line: Line) -> str:
    return f"{line.figure:.3g} {line.unit}".rstrip() if abs(line.figure) < 1000 else f"{line.figure:.0f} {line.unit}"


def _target(line: Line) -> str:
    return "" if line.target is None else f"{_SIGNS[line.bound]} {line.target:.3g} {line.unit}".rstrip()
