"""Sends the parts of one upload, several at a time, straight to the object store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from clip_platform.client.calls import ATTEMPTS, Calls, unreachable
from clip_platform.client.files import Digests, pieces_of
from clip_platform.errors import ChecksumMismatch, ClipPlatformError, Forbidden, StorageUnavailable, UploadExpired
from clip_platform.upload.parts import Cut

_AT_ONCE = 4
_ADDRESSES_A_BATCH = 32
_NOT_USED_IN_LAST_S = 20.0
_SKEW_WORTH_SAYING_S = 60.0
_TIMEOUT = httpx.Timeout(120.0, connect=10.0, pool=None)
_SAID_CHARACTERS = 400
_TRIES_OF_DAMAGED = 3
# What S3, Azure, Azurite and the platform's own store call it.
_DAMAGED = ("BadDigest", "Md5Mismatch", "contentMD5 doesn't match", "checksum-mismatch")
_OVER = ("NoSuchUpload", "upload-expired")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way. `video_id` is what the API calls it."""

    video_id: str
    file: Path
    whole: Cut
    digests: Digests


@dataclass(frozen=True, slots=True)
class _Address:
    """`good_until` by this machine's steady clock: its clock of the day may be wrong."""

    url: str
    headers: dict[str, str]
    good_until: float


def send_parts(calls: Calls, upload: Upload, arrived: Collection[int], on_sent: Callable[[int], None]) -> None:
    """Sends what has not arrived; `on_sent` is told of bytes as they go, and of those of a failed try, negative.

    Raises:
        UploadExpired, ChecksumMismatch, StorageUnavailable, UnreadableFile, Forbidden.
    """
    waiting = [number for number in upload.whole.numbers if number not in arrived]
    addresses = _Addresses(calls, upload, waiting)
    stopping = threading.Event()
    with httpx.Client(timeout=_TIMEOUT) as http, ThreadPoolExecutor(_AT_ONCE, "part") as pool:
        sender = _Sender(http, calls, upload, addresses, on_sent, stopping)
        try:
            sent = [pool.submit(sender.send, number) for number in waiting]
            done, _ = wait(sent, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
        finally:  # an interrupt too: what is waiting is not begun, what goes on stops at its next megabyte
            stopping.set()
            pool.shutdown(wait=True, cancel_futures=True)


class _Addresses:
    """Signed addresses of parts, asked for in batches and again when they are about to end."""

    def __init__(self, calls: Calls, upload: Upload, waiting: Sequence[int]) -> None:
        self._calls = calls
        self._upload = upload
        self._waiting = waiting
        self._held: dict[int, _Address] = {}
        self._lock = threading.Lock()

    def of(self, number: int) -> _Address:
        with self._lock:
            held = self._held.get(number)
            if held is None or held.good_until <= time.monotonic():
                self._ask_from(number)
            return self._held[number]

    def forget(self, number: int) -> None:
        """The store has refused it."""
        with self._lock:
            self._held.pop(number, None)

    def _ask_from(self, number: int) -> None:
        begin = self._waiting.index(number)
        batch = self._waiting[begin : begin + _ADDRESSES_A_BATCH]
        wanted = [
            {
                "part_number": each,
                "size_bytes": self._upload.whole.size_of(each),
                "md5": self._upload.digests.md5s[each - 1],
            }
            for each in batch
        ]
        asked_at = time.monotonic()
        answer = self._calls.post(f"/v1/videos/{self._upload.video_id}/parts", {"parts": wanted})
        for part in answer["parts"]:
            self._held[part["part_number"]] = _address(part, asked_at)


def _address(part: dict[str, Any], asked_at: float) -> _Address:
    lives_s = max(_NOT_USED_IN_LAST_S + 1.0, float(part["expires_in_s"]))
    return _Address(part["url"], part["headers"], asked_at + lives_s - _NOT_USED_IN_LAST_S)


@dataclass(frozen=True, slots=True)
class _Sender:
    http: httpx.Client
    calls: Calls
    upload: Upload
    addresses: _Addresses
    on_sent: Callable[[int], None]
    stopping: threading.Event

    def send(self, number: int) -> None:
        """One part, as often as it takes."""
        for attempt in range(1, ATTEMPTS + 1):
            refusal, retry_after = self._try(number)
            if refusal is None:
                return
            if attempt >= _tries_of(refusal) or self.stopping.is_set():
                raise refusal
            self.calls.pauses.before_retry(attempt, retry_after, self.stopping.wait)

    def _try(self, number: int) -> tuple[ClipPlatformError | None, str | None]:
        """Why the part was not taken, None when it was, and the store's Retry-After."""
        address = self.addresses.of(number)
        counted = _Counted(self.on_sent)
        pieces = counted.over(pieces_of(self.upload.file, self.upload.whole, number), self.stopping)
        headers = httpx.Headers(address.headers)
        headers["Content-Length"] = str(self.upload.whole.size_of(number))  # else it would go in chunks
        try:
            response = self.http.put(address.url, content=pieces, headers=headers)
        except httpx.TransportError as error:
            counted.take_back()
            return unreachable("the object store", error), None
        if response.is_success:
            return None, None
        counted.take_back()
        if response.is_client_error:  # it may be over; a store that is busy has nothing against it
            self.addresses.forget(number)
        return _refusal(number, response), response.headers.get("retry-after")


class _Counted:
    def __init__(self, on_sent: Callable[[int], None]) -> None:
        self._on_sent = on_sent
        self._sent_bytes = 0

    def over(self, pieces: Any, stopping: threading.Event) -> Any:
        for piece in pieces:
            if stopping.is_set():
                raise StorageUnavailable("the upload was stopped; run the same again to go on")
            yield piece
            self._sent_bytes += len(piece)
            self._on_sent(len(piece))

    def take_back(self) -> None:
        self._on_sent(-self._sent_bytes)


def _tries_of(refusal: ClipPlatformError) -> int:
    """A line that damages bytes may not do it twice; an upload that is over stays over."""
    if isinstance(refusal, UploadExpired):
        return 1
    return _TRIES_OF_DAMAGED if isinstance(refusal, ChecksumMismatch) else ATTEMPTS


def _refusal(number: int, response: httpx.Response) -> ClipPlatformError:
    said = " ".join(response.text[:_SAID_CHARACTERS].split())
    if any(word in said for word in _DAMAGED):
        return ChecksumMismatch(
            f"part {number} is not what was announced: the file has changed, or the network damages it; leave the file "
            "alone and run the same again"
        )
    if any(word in said for word in _OVER):
        return UploadExpired(f"the upload is over, the object store says: {said}; run the same again to begin anew")
    message = f"the object store refuses part {number} with {response.status_code}: {said}{_skew(response)}"
    return Forbidden(message) if response.status_code == 403 else StorageUnavailable(message)


def _skew(response: httpx.Response) -> str:
    """What to say when this machine's clock and the store's are far apart."""
    header = response.headers.get("date")
    try:
        there = parsedate_to_datetime(header) if header else None
    except ValueError:
        return ""
    if there is None:
        return ""
    apart_s = (datetime.now(there.tzinfo) - there).total_seconds()
    if abs(apart_s) < _SKEW_WORTH_SAYING_S:
        return ""
    return f"; this machine's clock is {apart_s:+.0f} s from the store's, set it by NTP"
