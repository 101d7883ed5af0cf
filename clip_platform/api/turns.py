"""Whose turn it is to run: few threads at once, since Python runs one at a time and the others cost it time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.lowlevel import RunVar

AT_ONCE = 2
"""Enough that one computes while others wait for the database. With eight a fifth of all time went into switching."""
PATIENCE_S = 0.005
_free: RunVar[asyncio.Semaphore] = RunVar("_free")  # one of each event loop


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """A place among the few. Whoever has had it for `PATIENCE_S` waits for something slow, a lock or a store, and no
    longer counts, so that it keeps nobody else waiting."""
    try:
        free = _free.get()
    except LookupError:
        free = asyncio.Semaphore(AT_ONCE)
        _free.set(free)
    await free.acquire()
    is_held = True

    def release() -> None:
        nonlocal is_held
        if is_held:
            is_held = False
            free.release()

    patience = asyncio.get_running_loop().call_later(PATIENCE_S, release)
    try:
        yield
    finally:
        patience.cancel()
        release()
