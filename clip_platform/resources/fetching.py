"""A source that its tenant named by an address: streamed to scratch, then stored like an uploaded one.

Nothing is stored, and nothing charged, unless all of it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from clip_platform.errors import StorageFull
from clip_platform.identifiers import StoredObject
from clip_platform.network.sources import Source, open_source
from clip_platform.progress import OnProgress

if TYPE_CHECKING:
    from clip_platform.encryption.columns import ColumnCipher
    from clip_platform.network.http import Outbound
    from clip_platform.resources.attempts import VideoAttempt

SOURCE_URL_COLUMN = "videos.source_url"
_DEADLINE_S = 4 * 3600.0


def fetch_source(
    attempt: VideoAttempt, columns: ColumnCipher, outbound: Outbound, max_bytes: int, on_progress: OnProgress
) -> StoredObject:
    """Fetches the attempt's video and makes the result its source.

    Raises:
        Conflict: the video has neither a source nor an address.
        UnsafeAddress, SourceUnavailable, LimitExceeded: the tenant's; another attempt gets the same.
        SourceUnreachable, DeadlineExceeded, StorageFull: may pass.
        Superseded: a newer attempt owns the video.
    """
    video = attempt.video
    if video.source_url is None:
        return video.source
    url = columns.open(video.tenant_id, SOURCE_URL_COLUMN, video.video_id, video.source_url)
    path = attempt.workspace.folder("source") / "upload"
    with open_source(url, outbound, max_bytes=max_bytes, deadline_s=_DEADLINE_S) as source:
        _write(path, _reported(source, on_progress))
    attempt.arrived(attempt.workspace.keep(path, "source", path.name))
    return attempt.video.source


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        for chunk in chunks:
            try:
                file.write(chunk)
            except OSError as error:
                raise StorageFull(f"scratch takes no more of the source: {error.strerror}; free some space") from error


def _reported(source: Source, on_progress: OnProgress) -> Iterator[bytes]:
    received_bytes = 0
    for chunk in source.chunks:
        received_bytes += len(chunk)
        on_progress(received_bytes / source.size_bytes if source.size_bytes else 0.0)
        yield chunk
