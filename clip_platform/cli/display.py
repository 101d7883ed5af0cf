"""What a person sees: a bar per stage while work goes on, and the table of clips at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from clip_platform.cli.exporting import Exported
from clip_platform.database.progress import AssetProgress

STAGE_ASSETS: Mapping[str, tuple[str, ...]] = {
    "media": ("uploaded_video", "media_info", "audio_track"),
    "speech": ("transcript", "acoustic_features"),
    "vision": ("shots", "face_tracks"),
    "clips": ("speaker_turns", "clip_candidates", "clip_features", "clip_scores", "selected_clips"),
    "rendering": ("edited_clips", "rendered_clips"),
    "delivery": ("clip_packages", "published_clips"),
}
"""Stages in order and their assets; a test compares it with the asset graph."""

_FIRST_WORDS = 60
_PLAIN_STEP = 0.25


class ProgressDisplay:
    """A bar for each stage; plain lines where there is no terminal."""

    def __init__(self, title: str) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._shares: dict[tuple[str, str], float] = {}
        self._resumed: dict[str, set[str]] = {stage: set() for stage in STAGE_ASSETS}
        self._said: dict[str, int] = {}
        self._title = title

    def __enter__(self) -> ProgressDisplay:
        self._console.print(f"processing [bold]{escape(self._title)}[/bold]")
        self._bars.start()
        for stage in STAGE_ASSETS:
            self._tasks[stage] = self._bars.add_task(stage, total=1.0, start=False, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, events: Iterable[AssetProgress]) -> None:
        for event in events:
            self._show(event)

    def _show(self, event: AssetProgress) -> None:
        assets = STAGE_ASSETS.get(event.stage)
        if assets is None or event.asset not in assets:
            return
        self._shares[event.stage, event.asset] = event.share
        if event.message == "resumed":
            self._resumed[event.stage].add(event.asset)
        done = sum(self._shares.get((event.stage, asset), 0.0) for asset in assets) / len(assets)
        task = self._tasks[event.stage]
        self._bars.start_task(task)
        self._bars.update(task, completed=done, note=self._note(event))
        self._say(event.stage, done)

    def _note(self, event: AssetProgress) -> str:
        resumed = self._resumed[event.stage]
        if resumed:
            return f"resumed: {', '.join(sorted(resumed))}"
        return "" if event.share >= 1.0 else event.asset

    def _say(self, stage: str, done: float) -> None:
        """One plain line a quarter of a stage, where bars cannot be drawn."""
        quarter = int(done / _PLAIN_STEP)
        if self._console.is_terminal or quarter <= self._said.get(stage, 0):
            return
        self._said[stage] = quarter
        resumed = f" (resumed: {', '.join(sorted(self._resumed[stage]))})" if self._resumed[stage] else ""
        self._console.print(f"{stage:<10} {done:4.0%}{resumed}", highlight=False)


def print_clips(exported: Exported, log: Path) -> None:
    """The table of clips on stdout, warnings and where to look on stderr."""
    manifest = exported.manifest
    Console(file=sys.stdout).print(_table(manifest))
    console = Console(stderr=True)
    if manifest.get("shortfall"):
        console.print(f"[yellow]{escape(manifest['shortfall'])}[/yellow]")
    rough = manifest["engines"]["speech"]["rough"]
    if rough:
        console.print(f"[bold red]ROUGH TRANSCRIPT[/bold red] {escape(rough)}")
    console.print(f"report: {escape(str(exported.folder / 'report.html'))}   log: {escape(str(log))}", highlight=False)


def _table(manifest: Mapping[str, Any]) -> Table:
    table = Table(title=escape(manifest["video"]["name"]), title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    for heading in ("start - end", "first words", "reasons", "file"):
        table.add_column(heading, overflow="fold")
    for clip in manifest["clips"]:
        table.add_row(
            str(clip["rank"]),
            f"{clip['score']['value']:.0f}",
            f"{_clock(clip['start_s'])} - {_clock(clip['end_s'])}",
            escape(clip["text"][:_FIRST_WORDS]),
            escape("; ".join(clip["score"]["reasons"])),
            escape(clip["files"]["video"]),
        )
    return table


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
