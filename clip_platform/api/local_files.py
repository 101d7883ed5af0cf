"""The route behind the local store's signed addresses: takes parts, serves files. No token: the signature is all.

Only where the object store is a folder of this machine; S3 and Azure take and serve themselves.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from clip_platform.api.requests import SLOWEST_BODY_BYTES_A_S
from clip_platform.errors import Conflict, CorruptArtifact, Forbidden, InvalidInput, NotFound
from clip_platform.storage.objects import ObjectStore
from clip_platform.storage.parts.local import LocalPartStore

router = APIRouter(prefix="/objects", include_in_schema=False)

_PARTS_AT_ONCE = 8
"""Each holds a part in memory."""
_SHORTEST_DEADLINE_S = 30.0
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_CHUNK_BYTES = 1024 * 1024


@router.put("/uploads/{upload_id}/{number}", status_code=200)
async def put_part(request: Request, upload_id: str, number: int) -> Response:
    store = _part_store(request)
    query = dict(request.query_params)
    store.expect_signed("PUT", f"uploads/{upload_id}/{number}", query)
    if request.headers.get("content-md5") != query["md5"]:
        raise Forbidden(f"Content-MD5 must be {query['md5']}, for which this address was given out")
    if request.headers.get("content-length") != query["size"]:
        raise Forbidden(f"Content-Length must be {query['size']}, for which this address was given out")
    async with _room(request):
        plain = await _in_time(request, int(query["size"]))
        await to_thread.run_sync(store.receive, upload_id, number, plain, query["md5"])
    return Response(headers={"ETag": f'"{query["md5"]}"'})


@router.api_route("/files/{key:path}", methods=["GET", "HEAD"])
async def get_file(request: Request, key: str) -> Response:
    store, query = _part_store(request), dict(request.query_params)
    store.expect_signed("GET", f"files/{key}", query)
    objects: ObjectStore = request.app.state.services.object_store
    try:
        size_bytes = await to_thread.run_sync(objects.size_of, key)
    except CorruptArtifact as error:
        raise NotFound("this file is gone; list the clip's files again") from error
    start, end, partial = _wanted(request.headers.get("range"), size_bytes)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(query['name'], safe='')}",
        "ETag": f'"{key.rsplit("/", 1)[-1]}"',
        "Cache-Control": "private, max-age=300",
    }
    if start >= size_bytes and partial:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    status = 206 if partial else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=query["type"])
    body = iterate_in_threadpool(_in_chunks(objects.open_stream(key, start, end - start)))
    return StreamingResponse(body, status, headers, media_type=query["type"])


def _room(request: Request) -> asyncio.Semaphore:
    state = request.app.state
    if not hasattr(state, "part_room"):
        state.part_room = asyncio.Semaphore(_PARTS_AT_ONCE)
    room: asyncio.Semaphore = state.part_room
    return room


def _part_store(request: Request) -> LocalPartStore:
    store = request.app.state.services.part_store
    if not isinstance(store, LocalPartStore):
        raise NotFound("this installation's object store takes and serves files itself")
    return store


async def _in_time(request: Request, size_bytes: int) -> memoryview:
    """A sender that trickles must not keep its place in the room from the others."""
    try:
        async with asyncio.timeout(_SHORTEST_DEADLINE_S + size_bytes / SLOWEST_BODY_BYTES_A_S):
            return await _body(request, size_bytes)
    except TimeoutError as error:
        raise HTTPException(408, "the part came too slowly; send it again") from error


async def _body(request: Request, size_bytes: int) -> memoryview:
    """Exactly so many bytes, copied once."""
    body, filled = memoryview(bytearray(size_bytes)), 0
    async for chunk in _chunks(request):
        if filled + len(chunk) > size_bytes:
            raise InvalidInput(f"more than the {size_bytes} bytes announced came; send the part again")
        body[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    if filled != size_bytes:
        raise Conflict(f"{filled} of {size_bytes} bytes came; send the part again")
    return body


def _chunks(request: Request) -> AsyncIterator[bytes]:
    return request.stream()


def _wanted(header: str | None, size_bytes: int) -> tuple[int, int, bool]:
    """Start, end and whether that is a part; more than one range, or none that can be read, is the whole file
    (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return 0, size_bytes, False
    if not found[1]:
        return max(0, size_bytes - int(found[2])), size_bytes, True
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return 0, size_bytes, False
    return start, min(int(found[2]) + 1, size_bytes) if found[2] else size_bytes, True


def _in_chunks(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        for start in range(0, len(part), _CHUNK_BYTES):
            yield part[start : start + _CHUNK_BYTES]
