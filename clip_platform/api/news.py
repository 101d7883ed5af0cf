"""Who watches which video, and telling them when there is news: two threads and one connection for all of a process.

One thread hears which videos have news (from Postgres, or from Redis when the worker passes it on there); another reads
those that are watched, many in one query, and leaves the newest standing in each watcher's mailbox of one. A watcher
that is slow, or was away, finds the newest and nothing older. What is lost on the way is read again after a minute.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from clip_platform.database.listening import Heard
from clip_platform.database.standing import Standing
from clip_platform.errors import RateLimited, TransientError

GATHERED_S = 0.2
"""News of this long is read at once; a video that reports more often is told of less often."""
SWEPT_S = 45.0
"""How often every watched video is read, and every watcher's token checked, although nobody told of news."""
MOST_WATCHERS = 10_000
MOST_WATCHERS_OF_A_TENANT = 2_000
_HEARING_S = 0.5
_AGAIN_S = 1.0
_log = logging.getLogger(__name__)

Reader = Callable[[str, Sequence[str]], Mapping[str, Standing]]
"""Where a tenant's videos stand, by id; those that are gone are left out."""


class Source(Protocol):
    """Tells which videos have news: JSON objects with `video`, or `{}` for any of them."""

    def hear(self, timeout_s: float) -> Heard: ...

    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class Watch:
    """One watcher's mailbox. `is_allowed` is asked now and then, by another thread; `grant` names whoever it asks for,
    so that watchers with one token are asked about once."""

    tenant_id: str
    video_id: str
    grant: str
    is_allowed: Callable[[], bool]
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _latest: Standing | None = None
    ended: str | None = None
    """Why there is no more news: `gone` or `unauthenticated`."""

    async def next(self) -> Standing | None:
        """Waits for news; None when there will be none, for the reason in `ended`."""
        await self._arrived.wait()
        self._arrived.clear()
        return None if self.ended else self._latest

    def put(self, latest: Standing | None, ended: str | None = None) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._take, latest, ended)

    def _take(self, latest: Standing | None, ended: str | None) -> None:
        self._latest, self.ended = latest, self.ended or ended
        self._arrived.set()


class News:
    """Threads are started with the first watcher."""

    def __init__(self, open_source: Callable[[], Source], read: Reader, *, swept_s: float = SWEPT_S) -> None:
        self._open_source = open_source
        self._read = read
        self._swept_s = swept_s
        self._watches: dict[str, set[Watch]] = {}
        self._by_tenant: dict[str, int] = {}
        self._dirty: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def watchers(self) -> int:
        with self._lock:
            return sum(self._by_tenant.values())

    def expect_room(self, tenant_id: str) -> None:
        """
        Raises:
            RateLimited: as many watch as one process, or one tenant, may have here.
        """
        with self._lock:
            of_tenant = self._by_tenant.get(tenant_id, 0)
            if of_tenant >= MOST_WATCHERS_OF_A_TENANT or sum(self._by_tenant.values()) >= MOST_WATCHERS:
                raise RateLimited(f"{of_tenant} streams of this tenant are open here; close some", retry_after_s=30)

    @contextmanager
    def watching(self, tenant_id: str, video_id: str, grant: str, is_allowed: Callable[[], bool]) -> Iterator[Watch]:
        """A mailbox that gets the standing once at first and then whenever it changes; within a running event loop."""
        watch = Watch(tenant_id, video_id, grant, is_allowed)
        self._add(watch)
        try:
            yield watch
        finally:
            self._drop(watch)

    def close(self) -> None:
        """Ends the threads."""
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()

    def _add(self, watch: Watch) -> None:
        with self._lock:
            self._by_tenant[watch.tenant_id] = self._by_tenant.get(watch.tenant_id, 0) + 1
            self._watches.setdefault(watch.video_id, set()).add(watch)
            self._dirty.add(watch.video_id)
            if not self._threads:
                self._start()
        self._wake.set()

    def _start(self) -> None:
        self._threads = [
            threading.Thread(target=self._hear, name="news-heard", daemon=True),
            threading.Thread(target=self._tell, name="news-told", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _drop(self, watch: Watch) -> None:
        with self._lock:
            self._watches[watch.video_id].discard(watch)
            if not self._watches[watch.video_id]:
                del self._watches[watch.video_id]
            self._by_tenant[watch.tenant_id] -= 1
            if not self._by_tenant[watch.tenant_id]:
                del self._by_tenant[watch.tenant_id]

    def _hear(self) -> None:
        source = self._open_source()
        try:
            while not self._closing.is_set():
                with _going_on():
                    heard = source.hear(_HEARING_S)
                    self._mark(None if heard.anew else _named(heard.payloads))
        finally:
            source.close()

    def _mark(self, video_ids: set[str] | None) -> None:
        """Of these videos (None: of any) there may be news."""
        with self._lock:
            found = set(self._watches) if video_ids is None else video_ids & self._watches.keys()
            self._dirty |= found
        if found:
            self._wake.set()

    def _tell(self) -> None:
        sweep_at = time.monotonic() + self._swept_s
        while not self._closing.is_set():
            with _going_on():
                self._wake.wait(min(self._swept_s, 1.0))
                if time.monotonic() >= sweep_at:
                    sweep_at = time.monotonic() + self._swept_s
                    self._end_the_disallowed()
                    self._mark(None)
                if self._wake.is_set():
                    self._wake.clear()
                    self._tell_dirty()
                    self._closing.wait(GATHERED_S)

    def _tell_dirty(self) -> None:
        with self._lock:
            dirty, self._dirty = self._dirty, set()
            watches = [watch for video_id in dirty for watch in self._watches.get(video_id, ())]
        by_tenant: dict[str, list[Watch]] = {}
        for watch in watches:
            by_tenant.setdefault(watch.tenant_id, []).append(watch)
        for tenant_id, told in by_tenant.items():
            self._tell_tenant(tenant_id, told)

    def _tell_tenant(self, tenant_id: str, told: Sequence[Watch]) -> None:
        video_ids = sorted({watch.video_id for watch in told})
        try:
            found = self._read(tenant_id, video_ids)
        except TransientError as error:
            _log.warning("watched videos cannot be read now", extra={"error": error.message})
            self._closing.wait(_AGAIN_S)
            self._mark(set(video_ids))
            return
        for watch in told:
            latest = found.get(watch.video_id)
            watch.put(latest, None if latest else "gone")

    def _end_the_disallowed(self) -> None:
        with self._lock:
            watches = [watch for of_video in self._watches.values() for watch in of_video]
        verdicts: dict[str, bool] = {}
        for watch in watches:
            if watch.grant not in verdicts:
                verdicts[watch.grant] = watch.is_allowed()
            if not verdicts[watch.grant]:
                watch.put(None, "unauthenticated")


@contextmanager
def _going_on() -> Iterator[None]:
    """One fault must not leave every watcher of the process without news."""
    try:
        yield
    except Exception:  # noqa: BLE001  whatever it is, it is logged and the thread goes on
        _log.exception("news of videos was lost; it is read again with the next sweep")
        time.sleep(_AGAIN_S)


def _named(payloads: Sequence[str]) -> set[str] | None:
    videos = [json.loads(payload).get("video") for payload in payloads]
    return None if None in videos else set(videos)
