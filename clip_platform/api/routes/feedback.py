"""`/v1/clips/{clip_id}/feedback` and `/v1/feedback/import`: what tenants decide, and what viewers do."""

from __future__ import annotations

import tempfile
from datetime import date, datetime
from typing import IO, Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from clip_platform.api import bulk_feedback, clips, feedback
from clip_platform.api.access import Caller, TenantSession, caller, editor, viewer
from clip_platform.api.bulk_feedback import Imported
from clip_platform.api.feedback import FeedbackReport
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.principals import Role
from clip_platform.api.transactions import Transacted
from clip_platform.database import audit, tenants
from clip_platform.database import feedback as rows
from clip_platform.database.feedback import ClipKey, FeedbackRow, Kind
from clip_platform.errors import IdempotencyMismatch, InvalidInput, NotFound

router = APIRouter(prefix="/v1", tags=["feedback"], route_class=Transacted)

_IN_MEMORY_BYTES = 1024**2
_IMPORTS_AT_ONCE = 2
"""Each takes a thread and a connection to the database for as long as its file is; the others wait their turn."""
_MEDIA_TYPES = ("application/x-ndjson", "text/csv")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": {"type": "string"}} for media_type in _MEDIA_TYPES},
    }
}


class Feedback(BaseModel):
    feedback_id: str
    clip_id: str
    report_key: str
    kind: Kind
    current: bool = Field(description="No newer report is about the same thing.")
    decision: str | None
    platform: str | None
    day: date | None
    impressions: int | None
    views: int | None
    watched_s: float | None
    completions: int | None
    likes: int | None
    shares: int | None
    saves: int | None
    comments: int | None
    note: str | None
    occurred_at: datetime
    received_at: datetime
    reported_by: str
    clip_revision: int = Field(description="Of the clip when the report came.")
    model: str | None = Field(description="What had given the clip's score.")


class InvalidLine(BaseModel):
    line: int = Field(description="Counts from 1.")
    message: str


class ImportResult(BaseModel):
    taken: int
    repeated: int = Field(description="Known before; nothing was changed.")
    invalid: int
    errors: list[InvalidLine] = Field(description="Of the first 100 invalid lines.")


@router.post("/clips/{clip_id}/feedback", status_code=201, summary="Report a decision or a day's counters")
def add_feedback(
    session: Annotated[TenantSession, editor("feedback")], clip_id: str, report: FeedbackReport, once: Once
) -> Feedback:
    """The same report again, under its key or with the same content, is the first one. Late reports are welcome."""
    return once.answer(201, lambda: _added(session, clip_id, report))  # type: ignore[return-value]


@router.get("/clips/{clip_id}/feedback", summary="Reports about a clip, last received first")
def list_feedback(
    session: Annotated[TenantSession, viewer("feedback")],
    clip_id: str,
    current: Annotated[bool, Query(description="Only what no newer report replaces.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Feedback]:
    clips.find(session, clip_id)
    position = read_cursor(cursor, {"id": str})
    before = position["id"] if position else None
    found = rows.page(session.connection, _key(clip_id), limit + 1, before, current=current)
    return page_of(found, limit, _feedback, lambda row: {"id": row.feedback_id})


@router.post("/feedback/import", openapi_extra=_BODY, summary="Report by the file, NDJSON or CSV")
async def import_feedback(
    sender: Annotated[Caller, caller(Role.EDITOR, "feedback")],
    request: Request,
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
) -> ImportResult:
    """One report a line, as `add_feedback` takes them, with `clip_id`; up to 100,000 lines and 64 MiB. Valid lines are
    taken, the others are listed; to send a file again changes nothing."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise InvalidInput(f"Content-Type is {media_type[:80]!r}; send {' or '.join(_MEDIA_TYPES)}")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        async for chunk in request.stream():
            await run_in_threadpool(file.write, chunk)
        return await to_thread.run_sync(_imported, sender, file, media_type, limiter=_room(request))


def _room(request: Request) -> CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "import_room"):
        state.import_room = CapacityLimiter(_IMPORTS_AT_ONCE)
    room: CapacityLimiter = state.import_room
    return room


def _imported(sender: Caller, file: IO[bytes], media_type: str) -> ImportResult:
    file.seek(0)
    lines = bulk_feedback.csv_lines(file) if media_type == "text/csv" else bulk_feedback.ndjson_lines(file)
    result = Imported()
    try:
        for batch in bulk_feedback.in_batches(lines):  # a transaction each: what was taken stays if the rest cannot be
            with sender.services.database.tenant_transaction(sender.tenant_id) as connection:
                tenants.expect_open(connection)
                bulk_feedback.take(connection, batch, sender.actor, result)
    finally:
        _remember(sender, result)
    errors = [InvalidLine(line=line, message=message) for line, message in result.errors]
    return ImportResult(**_counts(result), errors=errors)


def _remember(sender: Caller, result: Imported) -> None:
    """In the audit trail, also when the file could not be read to its end."""
    if not any(_counts(result).values()):
        return
    about = (sender.tenant_id, sender.actor, "feedback.imported", "feedback", _counts(result), sender.request_id)
    with sender.services.database.tenant_transaction(sender.tenant_id) as connection:
        audit.append(connection, *about)


def _counts(result: Imported) -> dict[str, int]:
    return {"taken": result.taken, "repeated": result.repeated, "invalid": result.invalid}


def _added(session: TenantSession, clip_id: str, said: FeedbackReport) -> Feedback:
    clip = _key(clip_id)
    facts = rows.reported_clips(session.connection, [clip]).get(clip)
    if facts is None:
        raise NotFound(f"there is no clip {clip_id[:100]}; list the video's clips to find its id")
    is_named = said.report_key is not None or said.occurred_at is not None
    counting = None if is_named else rows.newest(session.connection, clip, said.kind, said.platform, said.day)
    report = feedback.report_of(said, clip, facts, counting)
    if rows.add(session.connection, [report], session.actor):
        session.audit("feedback.added", clip_id, kind=report.kind)
    elif rows.contents(session.connection, [report.key])[report.key] != rows.content_of(report):
        raise IdempotencyMismatch(f"report_key {report.report_key} was used for another report; name each its own")
    return _feedback(rows.find(session.connection, report.key))


def _key(public_id: str) -> ClipKey:
    return ClipKey(*clips.split_id(public_id))


def _feedback(row: FeedbackRow) -> Feedback:
    known = {name: getattr(row, name) for name in Feedback.model_fields if name not in ("clip_id", "current")}
    return Feedback(**known, clip_id=f"{row.video_id}.{row.clip_id}", current=row.is_current)
