"""The options that say what clips are wanted, the same for every command that takes a video."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from clip_platform.upload.preferences import ASPECTS, CAPTION_STYLES, PLATFORMS, Preferences

_DEFAULTS = Preferences()


def preference_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those not given have the platform's defaults."""
    return _with_options(command, _DEFAULTS)


def optional_preferences(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those not given are None, or empty: the tenant's defaults hold."""
    return _with_options(command, None)


def given(preferences: dict[str, Any]) -> dict[str, Any]:
    """Of `optional_preferences`, those that were given, as plain JSON."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in preferences.items()
        if value not in (None, ())
    }


def _with_options(command: Callable[..., Any], defaults: Preferences | None) -> Callable[..., Any]:
    def option(flag: str, field: str, about: str, **how: Any) -> Callable[..., Any]:
        default = None if defaults is None else getattr(defaults, field)
        return click.option(flag, field, default=default, show_default=default not in (None, ()), help=about, **how)

    options = [
        option("--clips", "clips", "How many clips at most.", type=int),
        option("--min-s", "min_s", "Shortest clip in seconds.", type=float),
        option("--max-s", "max_s", "Longest clip in seconds.", type=float),
        option("--aspect", "aspect", "Width to height.", type=click.Choice(list(ASPECTS))),
        option("--captions", "caption_style", "Style of the burned-in captions.", type=click.Choice(CAPTION_STYLES)),
        option("--range-start-s", "range_start_s", "Clips begin after this second of the source.", type=float),
        option("--range-end-s", "range_end_s", "Clips end before this second of the source.", type=float),
        option("--keyword", "keywords", "Prefer clips that speak of this; may be repeated.", multiple=True),
        option("--language", "language", "What is spoken, en or pt-BR say.", type=str),
        option(
            "--platform",
            "platforms",
            "Where clips will be shown; may be repeated.",
            multiple=True,
            type=click.Choice(PLATFORMS),
        ),
    ]
    for each in reversed(options):
        command = each(command)
    return command
