"""`clip-platform upload`: the reference client, with a bar."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from clip_platform.client import API_TOKEN_VARIABLE, Client
from clip_platform.client.uploading import OnProgress, Progress
from clip_platform.errors import Unauthenticated


def upload_file(file: Path, api_url: str, preferences: Mapping[str, Any]) -> int:
    """Prints the video's id when it is verified."""
    token = os.environ.get(API_TOKEN_VARIABLE, "")
    if not token:
        raise Unauthenticated(f"{API_TOKEN_VARIABLE} is not set; put a token of role editor or owner into it")
    with Client(api_url, token) as client, _bar(file.name) as told:
        video_id = client.upload(file, preferences, told)
    Console().print(video_id, highlight=False)
    return 0


@contextmanager
def _bar(title: str) -> Iterator[OnProgress]:
    """A bar for each step; a line for each where there is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<10}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bars = Bars(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
    tasks: dict[str, Any] = {}

    def told(progress: Progress) -> None:
        if progress.step not in tasks:
            tasks[progress.step] = bars.add_task(progress.step, total=progress.total_bytes)
            if not console.is_terminal:
                console.print(progress.step, highlight=False)
        bars.update(tasks[progress.step], completed=progress.done_bytes)

    console.print(f"uploading {title}", markup=False, highlight=False)
    with bars:
        yield told
