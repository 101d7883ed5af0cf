"""`python -m clip_platform.evaluation.learning_report`: whether the learning loop keeps its promises, over many worlds.

One of them takes the real path for three months (Postgres, assets, MLflow, gates, archive). Writes a page with plots
and ends in one line of figures; exit code 1 when a target is missed. Any `--seed` will do.
"""

from __future__ import annotations

import argparse
import base64
import html
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from clip_platform.evaluation.learning_path import WEEKS, Walked, walk
from clip_platform.evaluation.simulated_months import Week
from clip_platform.ml import plots
from clip_platform.ml.loop_study import Figure, LoopStudy, Worlds, study

PAGE = Path("docs/learning-report.html")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#2b2f36}"
    "table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #e6e9ed;text-align:left}"
    "img{max-width:100%}.missed{color:#c8453b;font-weight:bold}"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m clip_platform.evaluation.learning_report", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of worlds (default %(default)s)")
    parser.add_argument("--weeks", type=int, default=WEEKS, help="on the real path, 0: none (default %(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    started = time.monotonic()
    walked = walk(chosen.seed, weeks=chosen.weeks, told=_week_told) if chosen.weeks else None
    found = study(chosen.seed, _worlds(chosen.share), told=_told)
    report = Report(found, walked)
    chosen.page.parent.mkdir(parents=True, exist_ok=True)
    chosen.page.write_text(page_of(report, time.monotonic() - started), encoding="utf-8")
    console = Console()
    console.print(_table(report.figures))
    console.print(f"look at {chosen.page}")
    console.print(report.line, soft_wrap=True, highlight=False)
    return 0 if report.passed else 1


@dataclass(frozen=True, slots=True)
class Report:
    """What many worlds showed, and the one on the real path."""

    study: LoopStudy
    walked: Walked | None = None

    @property
    def figures(self) -> tuple[Figure, ...]:
        return (*self.study.figures, *(self.walked.figures if self.walked else ()))

    @property
    def passed(self) -> bool:
        return all(figure.passed for figure in self.figures)

    @property
    def line(self) -> str:
        """All figures, each with its target, in one line."""
        verdict = "all targets met" if self.passed else "TARGETS MISSED"
        return f"seed {self.study.seed}: {verdict}: {'; '.join(map(str, self.figures))}"


def _week_told(week: Week) -> None:
    print(f"real path, week {week.number + 1}: {week.action}", file=sys.stderr, flush=True)


def _told(done: int, of: int, _newest: object) -> None:
    if done % 10 == 0 or done == of:
        print(f"{done} of {of} worlds", file=sys.stderr, flush=True)


def _worlds(share: float) -> Worlds:
    usual = Worlds()
    return Worlds(**{name: max(round(share * getattr(usual, name)), 2) for name in Worlds.__slots__})


def page_of(report: Report, seconds: float) -> str:
    """The whole page, its pictures inside."""
    rows = "".join(
        f"<tr><td>{html.escape(one.name)}</td><td class='{'' if one.passed else 'missed'}'>{one.value:.3g}</td>"
        f"<td>{_bounds(one.low, one.high)}</td><td>{one.worlds}</td></tr>"
        for one in report.figures
    )
    pictures = "".join(
        f'<h2>{html.escape(title)}</h2><p>{html.escape(said)}</p><img alt="{html.escape(title)}" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        for title, said, data in _pictures(report.study)
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Learning report</title><style>{_STYLE}</style>"
        f"<h1>Does the learning loop keep its promises?</h1>"
        f"<p>Simulated worlds, seed {report.study.seed}, {seconds / 60:.0f} min. Worlds are invented: they tell "
        "which way is better, not how good it is for real viewers. The functions that serve, judge and watch are the "
        "product's; the path between them is taken by one world, week by week below.</p>"
        f"<table><tr><th>figure</th><th>found</th><th>target</th><th>worlds</th></tr>{rows}</table>{_weeks(report.walked)}{pictures}"
        f"<p><strong>{html.escape(report.line)}</strong></p></html>\n"
    )


def _weeks(walked: Walked | None) -> str:
    """The real path, a row a week, and what the gates said in this process beside what the assets did."""
    if walked is None:
        return ""
    here = {one.week: one.here for one in walked.judgements}
    rows = "".join(
        f"<tr><td>{week.number + 1}</td><td>{week.clips}</td><td>{week.tau:.2f} ({week.heuristic_tau:.2f})</td>"
        f"<td>{_served(week)}</td><td>{html.escape(week.training)}</td><td>{html.escape(week.reason)}</td>"
        f"<td>{here.get(week.number, '')}</td><td>{week.rescored or ''}</td></tr>"
        for week in walked.weeks
    )
    return (
        "<h2>Three months on the real path</h2><p>Rows in Postgres, daily assets, MLflow, gates, champion, archive.</p>"
        "<table><tr><th>week</th><th>clips</th><th>tau (heuristic's)</th><th>served by</th><th>training</th>"
        f"<th>judgement</th><th>computed here</th><th>scored anew</th></tr>{rows}</table>"
    )


def _served(week: Week) -> str:
    versions = [f"version {one}" for one in (week.champion, week.challenger) if one is not None]
    return " and ".join(versions if week.champion else ["heuristic", *versions])


def _bounds(low: float, high: float) -> str:
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:g} to {high:g}"
    return f"≥ {low:g}" if np.isfinite(low) else f"≤ {high:g}"


def _pictures(found: LoopStudy) -> Sequence[tuple[str, str, bytes]]:
    sizes = sorted({one.clips for one in found.ranked})
    pictures = []
    if sizes:
        lines = {
            name: [float(np.mean([getattr(one, name) for one in found.ranked if one.clips == size])) for size in sizes]
            for name in ("served", "heuristic", "oracle")
        }
        said = "Kendall's tau within fresh videos against their hidden worth, by how many clips were learned from."
        pictures.append(("Ranking", said, plots.growth(sizes, lines)))
    delays: dict[str, list[float]] = {
        kind: [one.delay_days for each in found.watched for one in each.found if one.kind == kind]
        for kind in sorted({one.kind for each in found.watched for one in each.found})
    }
    if delays:
        said = "Days from an injected change to its alarm, one dot a world."
        pictures.append(("Drift", said, plots.dots(delays, "days")))
    judged: dict[str, list[float]] = {
        kind: [float(one.videos) for one in found.judged if one.kind == kind and one.promoted]
        for kind in sorted({one.kind for one in found.judged})
    }
    if any(judged.values()):
        said = "Videos of a shadow test until a promotion, one dot a world; worlds without one have none."
        pictures.append(("Promotions", said, plots.dots(judged, "videos")))
    return pictures


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("figure", "found", "target", "worlds", "")
    for one in figures:
        verdict = "[green]met[/green]" if one.passed else "[bold red]MISSED[/bold red]"
        table.add_row(one.name, f"{one.value:.3g}", _bounds(one.low, one.high), str(one.worlds), verdict)
    return table


if __name__ == "__main__":
    sys.exit(main())
