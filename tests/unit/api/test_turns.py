"""Few at once, and never fewer than can go on."""

from __future__ import annotations

import asyncio

import pytest

from clip_platform.api import turns


async def entered(stays: asyncio.Event, said: list[int], number: int) -> None:
    async with turns.turn():
        said.append(number)
        await stays.wait()


async def begin(count: int) -> tuple[list[asyncio.Task[None]], list[int], asyncio.Event]:
    stays, said = asyncio.Event(), list[int]()
    tasks = [asyncio.create_task(entered(stays, said, number)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks, said, stays


def test_no_more_than_a_few_run_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "PATIENCE_S", 60.0)

    async def several() -> tuple[list[int], list[int]]:
        tasks, said, stays = await begin(turns.AT_ONCE + 2)
        at_first = list(said)
        stays.set()
        await asyncio.gather(*tasks)
        return at_first, said

    at_first, in_the_end = asyncio.run(several())

    assert at_first == list(range(turns.AT_ONCE))
    assert in_the_end == list(range(turns.AT_ONCE + 2))


def test_whoever_waits_for_long_keeps_nobody_else_waiting():
    async def several() -> list[int]:
        tasks, said, stays = await begin(turns.AT_ONCE * 3)
        async with asyncio.timeout(5):
            while len(said) < turns.AT_ONCE * 3:
                await asyncio.sleep(turns.PATIENCE_S)
        stays.set()
        await asyncio.gather(*tasks)
        return said

    assert asyncio.run(several()) == list(range(turns.AT_ONCE * 3))


def test_a_turn_is_given_back_once_however_it_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "PATIENCE_S", 60.0)

    async def broken() -> int:
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                async with turns.turn():
                    _ = 1 / 0
        monkeypatch.setattr(turns, "PATIENCE_S", 0.0)
        async with turns.turn():
            await asyncio.sleep(0.01)  # it has run out, and is over
        monkeypatch.setattr(turns, "PATIENCE_S", 60.0)
        tasks, said, stays = await begin(turns.AT_ONCE + 1)
        count = len(said)
        stays.set()
        await asyncio.gather(*tasks)
        return count

    assert asyncio.run(broken()) == turns.AT_ONCE
