"""`Client`: what a program does with the API. Each method is one wish; retries and resumption are inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from clip_platform.client.calls import Calls, Pauses, unreachable
from clip_platform.client.names import plain
from clip_platform.client.notes import Notes, default_folder
from clip_platform.client.uploading import OnProgress, Progress, Uploading, wish
from clip_platform.client.watching import News, watch
from clip_platform.errors import StorageUnavailable

_CLIPS_A_PAGE = 200


class Client:
    """`api_url` is `https://host`; plain http for this machine only. May be used by several threads; to be closed.

    Errors of every method are the platform's, as the API names them; `StorageUnavailable` when the API or the store
    cannot be reached after many tries.
    """

    def __init__(
        self, api_url: str, token: str, *, notes_folder: Path | None = None, pauses: Pauses | None = None
    ) -> None:
        self._calls = Calls(api_url, token, pauses or Pauses())
        self._notes = Notes(notes_folder or default_folder())

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._calls.close()

    def upload(
        self,
        file: Path,
        preferences: Mapping[str, Any] | None = None,
        on_progress: OnProgress | None = None,
        *,
        name: str | None = None,
    ) -> str:
        """The video's id, once the platform has verified what arrived. Called again after it was cut short, however,
        it goes on where it stopped, as long as the file and the preferences are the same.

        Raises:
            ChecksumMismatch: what arrived is not the file.
            InvalidInput: the API does not take it; the classes below it say why.
        """
        return Uploading(self._calls, self._notes, file, wish(file, preferences, name), on_progress or _silent).run()

    def video(self, video_id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._calls.get(f"/v1/videos/{video_id}")
        return found

    def watch(self, video_id: str) -> Iterator[News]:
        """Its progress as it happens, until it is done."""
        return watch(self._calls, video_id)

    def clips(self, video_id: str) -> list[Mapping[str, Any]]:
        """All of a video's clips."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._calls.get(f"/v1/videos/{video_id}/clips", limit=_CLIPS_A_PAGE, cursor=cursor)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def download(self, clip_id: str, folder: Path) -> list[Path]:
        """A clip's files, each there whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        answer = self._calls.get(f"/v1/clips/{clip_id}/files")
        return [_fetched(file, folder) for file in answer["items"]]


def _fetched(file: Mapping[str, Any], folder: Path) -> Path:
    target = folder / plain(str(file["name"]))
    part = target.with_name(f".{target.name}.part")
    try:
        with httpx.stream("GET", file["url"], timeout=60.0) as response:
            if not response.is_success:
                raise StorageUnavailable(f"{target.name} cannot be fetched, the store answers {response.status_code}")
            with part.open("wb") as out:
                for piece in response.iter_bytes():
                    out.write(piece)
    except httpx.TransportError as error:
        raise unreachable("the object store", error) from error
    part.replace(target)
    return target


def _silent(progress: Progress) -> None:
    del progress
