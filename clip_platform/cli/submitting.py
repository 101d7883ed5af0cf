"""Handing videos to a running platform, and looking at the queue."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clip_platform.cli.registering import LOCAL_TENANT, register_file
from clip_platform.database import leases, recovery, tenants, videos
from clip_platform.database.connection import Database
from clip_platform.database.key_uses import KeyUses
from clip_platform.embedded.machine import running_machine
from clip_platform.encryption.opening import open_keys
from clip_platform.media.probe import probe
from clip_platform.settings import read_settings
from clip_platform.storage.objects import open_store
from clip_platform.upload.preferences import Preferences
from clip_platform.upload.states import VideoState

_LISTED = 50
_ID_CHARACTERS = 26


def submit_file(file: Path, preferences: Preferences) -> int:
    """Writes the row that the `finished_uploads` sensor picks up, and prints the video's id."""
    settings = read_settings()
    probe(file, settings.upload_limits)
    with running_machine(settings) as machine:
        database = Database(machine.database_url)
        keys = open_keys(settings, KeyUses(database, "cli"))
        store = open_store(machine.object_store_url, keys.tenants, kms_key=settings.s3_kms_key)
        video = register_file(database, store, file, preferences, VideoState.SUBMITTED)
        _refuse_if_worked_on(database, video.video_id)
        videos.set_preferences(database, LOCAL_TENANT, video.video_id, preferences.as_mapping())
        videos.requeue(database, LOCAL_TENANT, video.video_id)
    Console().print(f"{video.video_id} submitted; the sensor of a running `clip-platform up` starts it within seconds")
    return 0


def list_videos() -> int:
    with running_machine(read_settings()) as machine:
        database = Database(machine.database_url)
        tenants.ensure(database, LOCAL_TENANT, "This machine")
        rows = videos.list_videos(database, LOCAL_TENANT, limit=_LISTED)
    table = Table()
    table.add_column("video", no_wrap=True, min_width=_ID_CHARACTERS)  # to be copied
    for heading in ("name", "state", "attempt", "error"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        error = f"{row.error_class}: {row.error_message}" if row.error_class else ""
        table.add_row(row.video_id, escape(row.name), row.state.value, str(row.attempt), escape(error))
    Console().print(table)
    return 0


def requeue_video(video_id: str) -> int:
    with running_machine(read_settings()) as machine:
        database = Database(machine.database_url)
        _refuse_if_worked_on(database, video_id)
        videos.requeue(database, LOCAL_TENANT, video_id)
    Console().print(f"{video_id} submitted again")
    return 0


def _refuse_if_worked_on(database: Database, video_id: str) -> None:
    """A dead run's attempt is ended first: without a running platform nobody else would."""
    leases.refuse_if_held(database, LOCAL_TENANT, video_id)
    video = videos.get(database, LOCAL_TENANT, video_id)
    recovery.abandon(database, LOCAL_TENANT, video_id, video.run_id or "", "its process died")
