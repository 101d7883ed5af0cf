"""What ffprobe says about a file, as it says it. Whether that can be believed is decided elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from clip_platform.media import process

Described = Mapping[str, Any]
"""One JSON object of ffprobe's answer."""


def describe(path: Path, options: Sequence[str], *, deadline_s: float) -> tuple[Described, str]:
    """ffprobe's JSON answer, and its stderr.

    Args:
        options: what to show, `-show_streams` say.

    Raises:
        ProgramFailed: the file cannot be opened; `detail` has ffprobe's words.
        DeadlineExceeded, MissingProgram.
    """
    command = ["ffprobe", "-v", "error", "-of", "json=compact=1", *options, *process.input_arguments(path)]
    completed = process.run(command, deadline_s=deadline_s)
    answer: Described = json.loads(completed.stdout.decode("utf-8", "replace") or "{}")
    return answer, completed.stderr


def streams_of_kind(answer: Described, kind: str) -> list[Described]:
    """Streams of `video` or `audio`, in the file's order."""
    return [stream for stream in answer.get("streams", ()) if stream.get("codec_type") == kind]


def whole_number(value: object) -> int | None:
    """A number ffprobe wrote, or None for `N/A`, nothing and nonsense."""
    try:
        return int(str(value))
    except ValueError:
        return None


def exact_number(value: object) -> Fraction | None:
    """A decimal or a ratio (`30000/1001`, `4:3`) ffprobe wrote, or None for `N/A`, `0/0`, nothing and nonsense."""
    try:
        return Fraction(str(value).replace(":", "/"))
    except (ValueError, ZeroDivisionError):
        return None
