"""One upload from beginning to end: digest, begin, send what is missing, complete, wait for the verdict."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clip_platform.client import files
from clip_platform.client.calls import Calls
from clip_platform.client.names import plain
from clip_platform.client.notes import Note, Notes
from clip_platform.client.sending import Upload, send_parts
from clip_platform.errors import ChecksumMismatch, Conflict, InvalidInput, NotFound, UploadExpired
from clip_platform.upload.parts import Cut, cut

_POLLED_EVERY_S = 1.0
_PARTS_A_PAGE = 1000
_CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/x-m4v",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".ts": "video/mp2t",
    ".mxf": "application/mxf",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` is `reading`, `sending` or `verifying`; bytes are of that step. What had arrived before counts as sent."""

    step: str
    done_bytes: int
    total_bytes: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Uploading:
    """One file, one wish, one API."""

    calls: Calls
    notes: Notes
    file: Path
    wanted: Mapping[str, Any]
    told: OnProgress

    def run(self) -> str:
        """The video's id, once it is verified. What an earlier run began is gone on with."""
        identity, terms = files.identity_of(self.file), self._terms()
        try:
            video_id = self._uploaded(identity, terms)
        except (UploadExpired, NotFound):  # the session was over before we came back
            self.notes.forget(identity, terms)
            video_id = self._uploaded(identity, terms)
        except ChecksumMismatch:
            self.notes.forget(identity, terms)
            raise
        self.notes.forget(identity, terms)
        return video_id

    def _terms(self) -> str:
        return json.dumps([self.calls.api_url, self.wanted], sort_keys=True)

    def _uploaded(self, identity: str, terms: str) -> str:
        whole = cut(self.file.stat().st_size)
        note = self.notes.read(identity, terms) or self._digested(whole)
        self.notes.write(identity, terms, note)
        video_id = note.video_id or self._begun(whole, note)
        self.notes.write(identity, terms, replace(note, video_id=video_id))
        upload = Upload(video_id, self.file, whole, note.digests)
        self._send(upload)
        self._await_verdict(upload)
        return video_id

    def _digested(self, whole: Cut) -> Note:
        read = _Meter("reading", whole.size_bytes, self.told)
        return Note(f"upload-{uuid.uuid4()}", files.digest(self.file, whole, read.add))

    def _begun(self, whole: Cut, note: Note) -> str:
        body = {**self.wanted, "size_bytes": whole.size_bytes, "sha256": note.digests.sha256}
        begun = self.calls.post("/v1/videos", body, key=note.key)
        part_size_bytes = begun["upload"]["part_size_bytes"]
        if part_size_bytes != whole.part_size_bytes:
            raise InvalidInput(
                f"the API wants parts of {part_size_bytes} bytes, this client cuts {whole.part_size_bytes}; use the "
                "client of the API's version"
            )
        return str(begun["video_id"])

    def _send(self, upload: Upload) -> None:
        path = f"/v1/videos/{upload.video_id}"
        try:
            arrived = self._arrived(upload)
            sent = _Meter("sending", upload.whole.size_bytes, self.told)
            sent.add(sum(upload.whole.size_of(number) for number in arrived))
            send_parts(self.calls, upload, arrived, sent.add)
            self.calls.post(f"{path}/complete")
        except Conflict:
            if self._video(upload)["state"] == "uploading":
                raise
            # an earlier run, or another client, has completed it

    def _arrived(self, upload: Upload) -> set[int]:
        """Parts that the store has as they are in the file."""
        arrived: set[int] = set()
        cursor: str | None = None
        while True:
            page = self.calls.get(f"/v1/videos/{upload.video_id}/parts", limit=_PARTS_A_PAGE, cursor=cursor)
            arrived |= {
                part["part_number"]
                for part in page["items"]
                if part["md5"] == upload.digests.md5s[part["part_number"] - 1]
            }
            cursor = page["next_cursor"]
            if cursor is None:
                return arrived

    def _await_verdict(self, upload: Upload) -> None:
        size_bytes = upload.whole.size_bytes
        self.told(Progress("verifying", 0, size_bytes))
        while (video := self._video(upload))["state"] == "verifying":
            self.calls.pauses.sleep(_POLLED_EVERY_S)
        if video["state"] == "expired":
            raise UploadExpired(f"the upload of video {upload.video_id} is over; upload the file again")
        if video["state"] == "rejected":
            said = (video.get("error") or {}).get("message")
            raise ChecksumMismatch(said or "what arrived is not the file; upload it again")
        self.told(Progress("verifying", size_bytes, size_bytes))

    def _video(self, upload: Upload) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.calls.get(f"/v1/videos/{upload.video_id}")
        return found


def wish(file: Path, preferences: Mapping[str, Any] | None, name: str | None) -> dict[str, Any]:
    """What the API is told of a file, but for its bytes."""
    return {
        "name": name or plain(file.name),
        "content_type": _CONTENT_TYPES.get(file.suffix.lower(), "application/octet-stream"),
        "preferences": dict(preferences or {}),
    }


class _Meter:
    """Adds up bytes of several threads."""

    def __init__(self, step: str, total_bytes: int, told: OnProgress) -> None:
        self._step, self._total_bytes, self._told = step, total_bytes, told
        self._done_bytes = 0
        self._lock = threading.Lock()

    def add(self, size_bytes: int) -> None:
        with self._lock:
            self._done_bytes += size_bytes
            self._told(Progress(self._step, self._done_bytes, self._total_bytes))
