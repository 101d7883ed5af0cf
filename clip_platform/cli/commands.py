"""The `clip-platform` command: arguments in, exit codes out. What the commands do is in the modules beside this one.

Exit codes: 0 done, 1 ours (a failure that is not the input's), 2 the input's or the command line's, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from clip_platform.errors import ClipPlatformError, InvalidInput
from clip_platform.upload.preferences import ASPECTS, CAPTION_STYLES, Preferences

EXIT_OURS, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130
_DEFAULTS = Preferences()


def main() -> None:
    cli(prog_name="clip-platform")


def _reported(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turns errors into one line on stderr and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            sys.exit(command(*args, **kwargs) or 0)
        except KeyboardInterrupt:
            click.echo("interrupted; run the same command again to go on from here", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except ClipPlatformError as error:
            click.echo(f"{error.error_class}: {error.message}", err=True)
            sys.exit(EXIT_INPUT if isinstance(error, InvalidInput) else EXIT_OURS)

    return run


def _preference_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--clips", type=int, default=_DEFAULTS.clips, show_default=True, help="How many clips at most."),
        click.option(
            "--min-s", type=float, default=_DEFAULTS.min_s, show_default=True, help="Shortest clip in seconds."
        ),
        click.option(
            "--max-s", type=float, default=_DEFAULTS.max_s, show_default=True, help="Longest clip in seconds."
        ),
        click.option("--aspect", type=click.Choice(list(ASPECTS)), default=_DEFAULTS.aspect, show_default=True),
        click.option(
            "--captions",
            "caption_style",
            type=click.Choice(CAPTION_STYLES),
            default=_DEFAULTS.caption_style,
            show_default=True,
            help="Style of the burned-in captions.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clip-platform")
def cli() -> None:
    """Long videos in, ranked, reframed, captioned short clips out."""


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_preference_options
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the clips. [default: NAME-clips]"
)
@click.option("--recompute", is_flag=True, help="Ignore what earlier runs finished.")
@_reported
def process(file: Path, out: Path | None, recompute: bool, **preferences: Any) -> int:
    """Turn FILE into clips, here and now; an interrupted run goes on where it stopped."""
    from clip_platform.cli.processing import process_file

    return process_file(file, Preferences(**preferences), out, recompute=recompute)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_preference_options
@_reported
def submit(file: Path, **preferences: Any) -> int:
    """Hand FILE to a running platform (`clip-platform up`), whose sensor picks it up."""
    from clip_platform.cli.submitting import submit_file

    return submit_file(file, Preferences(**preferences))


@cli.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the Dagster UI.")
@_reported
def up(port: int) -> int:
    """Start Postgres, the Dagster webserver and its daemon on this machine, until Ctrl-C."""
    from clip_platform.cli.serving import serve

    return serve(port)


@cli.command()
@_reported
def videos() -> int:
    """List the videos of this machine, newest first."""
    from clip_platform.cli.submitting import list_videos

    return list_videos()


@cli.command()
@click.argument("video_id")
@_reported
def requeue(video_id: str) -> int:
    """Submit a failed or dead-lettered video again."""
    from clip_platform.cli.submitting import requeue_video

    return requeue_video(video_id)


@cli.command("run-video", hidden=True)
@click.argument("video_id")
@click.option("--recompute", is_flag=True)
@_reported
def run_video(video_id: str, recompute: bool) -> int:
    """The working half of `process`: one run in this process. Reads its addresses from the environment."""
    from clip_platform.cli.running import run_in_this_process

    return run_in_this_process(video_id, recompute=recompute)
