"""Live progress on a real server: what a stream says, how it is taken up again, when it ends, and what it costs."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from clip_platform.api import news as news_module
from clip_platform.api.app import build_app
from clip_platform.api.events import stream
from clip_platform.api.news import News
from clip_platform.api.opening import open_news
from clip_platform.api.services import Services
from clip_platform.database import progress, roles, standing, videos
from clip_platform.database import tokens as api_tokens
from clip_platform.database.connection import Database
from clip_platform.database.listening import Listener
from clip_platform.database.standing import Standing
from clip_platform.identifiers import StoredObject, new_ulid
from clip_platform.worker.passing_on import pass_on
from tests.conftest import MigratedServer
from tests.peers.processes import free_ports
from tests.peers.redis import serving_redis
from tests.peers.serving import serving_app
from tests.worker.conftest import wait_until

Tokens = Callable[..., str]
WAIT_S = 10.0


@dataclass(frozen=True)
class Running:
    """A video that a run works on."""

    database: Database
    video_id: str
    token: str

    def report(self, share: float, asset: str = "transcript") -> None:
        progress.report(self.database, "acme", self.video_id, self.token, "speech", asset, share)

    def complete(self) -> None:
        videos.complete(self.database, "acme", self.video_id, self.token)


@dataclass(frozen=True)
class Said:
    event: str
    id: str | None
    data: Mapping[str, object]


@pytest.fixture
def running(database: Database) -> Running:
    source = StoredObject(f"acme/videos/{new_ulid()}/source/upload", "ab" * 32, 5)
    video = videos.register(database, "acme", video_id=new_ulid(), name="t.mp4", source=source, preferences={})
    return Running(database, video.video_id, videos.begin_attempt(database, "acme", video.video_id, "run-1"))


@contextmanager
def serving(services: Services, news: News) -> Iterator[str]:
    (port,) = free_ports(1)
    with serving_app(build_app(replace(services, news=news)), port):
        yield f"http://127.0.0.1:{port}"
    news.close()


@pytest.fixture
def api(services: Services) -> Iterator[str]:
    with serving(services, services.news) as address:
        yield address


class Stream:
    """An open stream, read event by event."""

    def __init__(self, address: str, token: str, video_id: str, **headers: str) -> None:
        self._stack = ExitStack()
        client = self._stack.enter_context(httpx.Client(timeout=WAIT_S))
        authorised = {"Authorization": f"Bearer {token}", **headers}
        url = f"{address}/v1/videos/{video_id}/events"
        self.answer = self._stack.enter_context(client.stream("GET", url, headers=authorised))
        self._lines = self.answer.iter_lines()

    def next(self) -> Said:
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and "event" in fields:
                return Said(fields["event"], fields.get("id"), json.loads(fields["data"]))
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError

    def until(self, event: str) -> list[Said]:
        said = [self.next()]
        while said[-1].event != event:
            said.append(self.next())
        return said

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def test_a_stream_begins_with_all_there_is_and_ends_with_the_video(api: str, tokens: Tokens, running: Running) -> None:
    running.report(0.25)

    with Stream(api, tokens("acme", "viewer"), running.video_id) as watched:
        state, before = watched.next(), watched.next()
        running.report(0.5)
        after = watched.next()
        running.complete()
        rest = watched.until("end")
        with pytest.raises(EOFError):
            watched.next()

    assert watched.answer.headers["content-type"].startswith("text/event-stream")
    assert (state.event, state.data["state"]) == ("state", "processing")
    assert (before.event, before.data["stage"]) == ("progress", "speech")
    assert [event.data["assets"][0]["percent"] for event in (before, after)] == [25.0, 50.0]  # type: ignore[index]
    assert {event.event for event in rest} >= {"state", "end"}
    assert rest[-1].data == {"video_id": running.video_id, "reason": "completed"}


def test_a_stream_that_is_taken_up_again_says_what_differs_and_nothing_else(
    api: str, tokens: Tokens, running: Running
) -> None:
    token = tokens("acme")
    running.report(0.25)
    with Stream(api, token, running.video_id) as watched:
        seen = watched.until("progress")[-1].id
    running.report(0.75)

    with Stream(api, token, running.video_id, **{"Last-Event-ID": str(seen)}) as again:
        first = again.next()
    with Stream(api, token, running.video_id, **{"Last-Event-ID": "made up"}) as anew:
        events = [anew.next().event, anew.next().event]

    assert (first.event, first.data["assets"][0]["percent"]) == ("progress", 75.0)  # type: ignore[index]
    assert events == ["state", "progress"]


def test_a_finished_video_says_so_and_ends_at_once(api: str, tokens: Tokens, running: Running) -> None:
    videos.fail(
        running.database, "acme", running.video_id, running.token, "NoSpeech", "nobody speaks", "", permanent=True
    )

    with Stream(api, tokens("acme"), running.video_id) as watched:
        said = watched.until("end")

    assert said[0].data["error"] == {"class": "NoSpeech", "message": "nobody speaks"}
    assert said[-1].data["reason"] == "dead_lettered"


def test_deleting_a_video_ends_its_stream(api: str, tokens: Tokens, running: Running) -> None:
    token = tokens("acme")
    with Stream(api, token, running.video_id) as watched:
        watched.next()
        httpx.delete(f"{api}/v1/videos/{running.video_id}", headers={"Authorization": f"Bearer {token}"})

        assert watched.until("end")[-1].data["reason"] == "gone"


def test_a_revoked_token_ends_the_streams_it_opened_and_no_other(
    services: Services, tokens: Tokens, running: Running, api_door: Database, migrated_server: MigratedServer
) -> None:
    quick = News(lambda: Listener(migrated_server.url(roles.API), progress.CHANNEL), _reader(services), swept_s=0.3)
    revoked, kept = tokens("acme", "viewer"), tokens("acme", "owner")

    with (
        serving(services, quick) as address,
        Stream(address, revoked, running.video_id) as ended,
        Stream(address, kept, running.video_id) as going_on,
    ):
        ended.next()
        with api_door.tenant_transaction("acme") as connection:
            one = next(token for token in api_tokens.page(connection, 50) if token.role == "viewer")
            api_tokens.revoke(connection, one.token_id)

        assert ended.until("end")[-1].data["reason"] == "unauthenticated"
        running.complete()
        assert going_on.until("end")[-1].data["reason"] == "completed"


def test_news_goes_on_when_the_listening_connection_is_lost(
    api: str, tokens: Tokens, running: Running, migrated_server: MigratedServer
) -> None:
    with Stream(api, tokens("acme"), running.video_id) as watched:
        watched.next()  # which may be before anybody listens
        with migrated_server.superuser() as connection:
            wait_until(lambda: _listeners(connection, "select pid"))
            lost = _listeners(connection, "select pg_terminate_backend(pid)")
        running.complete()

        assert watched.until("end")[-1].data["reason"] == "completed"
    assert lost == [(True,)]


def _listeners(connection: psycopg.Connection, select: LiteralString) -> list[tuple[Any, ...]]:
    named = " from pg_stat_activity where application_name = 'clip-platform-listener'"
    return connection.execute(select + named).fetchall()


def test_whoever_goes_away_is_forgotten(services: Services, api: str, tokens: Tokens, running: Running) -> None:
    with Stream(api, tokens("acme"), running.video_id) as watched:
        watched.next()
        watching = services.news.watchers

    assert watching == 1
    assert _becomes(lambda: services.news.watchers == 0)


def test_a_tenant_has_so_many_streams_and_another_has_its_own(
    api: str, tokens: Tokens, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_module, "MOST_WATCHERS_OF_A_TENANT", 1)
    token = tokens("acme")

    with Stream(api, token, running.video_id) as first, Stream(api, token, running.video_id) as second:
        first.next()
        said = second.answer

        assert (said.status_code, said.headers["retry-after"]) == (429, "30")


def test_news_comes_through_redis_where_that_is_set_also_after_it_was_away(
    services: Services, tokens: Tokens, running: Running, migrated_server: MigratedServer, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url, stopping = f"redis://127.0.0.1:{port}/0", threading.Event()
    settings = services.settings.model_copy(update={"redis_url": SecretStr(url)})
    passing = threading.Thread(target=pass_on, args=(migrated_server.url(roles.WORKER), url, stopping))

    with ExitStack() as stack:
        redis_away = stack.enter_context(ExitStack())
        redis_away.enter_context(serving_redis(tmp_path, port))
        passing.start()
        stack.callback(passing.join)
        stack.callback(stopping.set)
        news = open_news(settings, "postgresql://nobody@127.0.0.1:1/nothing", services.database)
        address = stack.enter_context(serving(services, news))
        watched = stack.enter_context(Stream(address, tokens("acme"), running.video_id))
        watched.next()
        running.report(0.5)
        half = watched.next()
        redis_away.close()
        running.complete()
        stack.enter_context(serving_redis(tmp_path, port))

        assert half.event == "progress"
        assert watched.until("end")[-1].data["reason"] == "completed"


def test_idle_watchers_cost_no_thread_and_no_query_and_news_is_read_once_for_all(
    services: Services, running: Running, migrated_server: MigratedServer
) -> None:
    reads: list[int] = []
    read = _reader(services)

    def counting(tenant_id: str, video_ids: Sequence[str]) -> Mapping[str, Standing]:
        reads.append(len(video_ids))
        return read(tenant_id, video_ids)

    news = News(lambda: Listener(migrated_server.url(roles.API), progress.CHANNEL), counting)

    async def watch(watchers: int) -> tuple[int, int, int]:
        with ExitStack() as stack:
            watches = [
                stack.enter_context(news.watching("acme", running.video_id, "one", lambda: True))
                for _ in range(watchers)
            ]
            await asyncio.gather(*(watch.next() for watch in watches))
            await asyncio.sleep(1.5)  # the listener has connected, and what that made it read is over
            threads, idle = threading.active_count(), len(reads)
            await asyncio.sleep(1.0)
            reads_idle = len(reads) - idle
            running.report(0.5)
            async with asyncio.timeout(WAIT_S):
                while len(reads) - idle == reads_idle:  # what the listener's connecting made known may lie there still
                    await asyncio.gather(*(watch.next() for watch in watches))
            return threads, reads_idle, len(reads) - idle

    before = threading.active_count()
    threads, reads_idle, reads_with_news = asyncio.run(watch(1000))
    news.close()

    assert threads - before <= 3  # two of ours, and asyncio may keep one
    assert (reads_idle, reads_with_news) == (0, 1)


def test_a_slow_watcher_is_told_the_newest_and_nothing_older(services: Services, running: Running) -> None:
    async def watch() -> list[float]:
        shares, reported = [], threading.Event()
        with services.news.watching("acme", running.video_id, "one", lambda: True) as watch:
            async for event in stream(watch, None):
                if event.event == "progress" and event.data["assets"]:
                    shares.append(event.data["assets"][0]["percent"])
                if shares == [10.0] and not reported.is_set():
                    reported.set()
                    for share in (0.3, 0.4, 0.5, 1.0):  # while this watcher does not look
                        running.report(share)
                        time.sleep(0.3)
                    running.complete()
                    time.sleep(0.5)
        return shares

    running.report(0.1)

    assert asyncio.run(asyncio.wait_for(watch(), WAIT_S)) == [10.0, 100.0]


def test_another_tenant_watches_nothing(api: str, tokens: Tokens, running: Running) -> None:
    url = f"{api}/v1/videos/{running.video_id}/events"

    others = httpx.get(url, headers={"Authorization": f"Bearer {tokens('globex')}"})
    nobody = httpx.get(url)

    assert (others.status_code, nobody.status_code) == (404, 401)


def _reader(services: Services) -> news_module.Reader:
    def read(tenant_id: str, video_ids: Sequence[str]) -> Mapping[str, Standing]:
        with services.database.tenant_transaction(tenant_id) as connection:
            return standing.of(connection, video_ids)

    return read


def _becomes(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + WAIT_S
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()
