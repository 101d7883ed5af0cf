"""Videos' rows: registered, attempted, completed or failed. States follow `upload/states.py`.

Every attempt has a token. Whoever writes for an attempt shows it, so that of two overlapping attempts (a killed worker
may leave a step behind) the older one cannot win.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, text

from clip_platform.database import events, failures, usage
from clip_platform.database.connection import Database
from clip_platform.database.numbers import decimal_of
from clip_platform.database.statements import Lookup, named
from clip_platform.errors import Conflict, NotFound, Superseded
from clip_platform.identifiers import StoredObject
from clip_platform.upload.states import MAY_FOLLOW, VideoState


@dataclass(frozen=True, slots=True)
class VideoRow:
    """One video. `attempt` counts from 1, 0 before the first one; errors are those of the last failed attempt.

    `stored_source` is None until the bytes have arrived; `source_url` (sealed) says where they come from when they are
    fetched. `duration_s` is the source's, known once it was probed. `edit_revision` counts edits of its clips;
    `rendered_revision` is the last one whose clips are published, `failed_revision` the last one that cannot be
    rendered.
    """

    video_id: str
    tenant_id: str
    name: str
    stored_source: StoredObject | None
    source_url: bytes | None
    content_type: str | None
    duration_s: Fraction | None
    preferences: Mapping[str, Any]
    state: VideoState
    attempt: int
    failures: int
    attempt_token: str | None
    run_id: str | None
    error_class: str | None
    error_message: str | None
    error_detail: str | None
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    retry_at: datetime | None
    pinned: bool
    revision: int
    edit_revision: int
    rendered_revision: int
    failed_revision: int

    @property
    def source(self) -> StoredObject:
        """
        Raises:
            Conflict: its bytes are not there yet.
        """
        if self.stored_source is None:
            raise Conflict(f"video {self.video_id} is {self.state.value} and has no source yet; upload its bytes first")
        return self.stored_source


_COLUMNS = """id, tenant_id, name, source_key, source_sha256, source_size_bytes, source_url, content_type, duration_s,
    preferences, state, attempt, failures, attempt_token, run_id, error_class, error_message, error_detail, created_by,
    created_at, updated_at, completed_at, expires_at, retry_at, pinned, revision, edit_revision, rendered_revision,
    failed_revision"""
_REGISTER = text(f"""
    insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
    values (:video_id, :tenant_id, :name, :key, :sha256, :size_bytes, cast(:preferences as jsonb), :state)
    returning {_COLUMNS}""")  # noqa: S608
_BY_SOURCE = text(f"""
    select {_COLUMNS} from videos where source_sha256 = :sha256 and name = :name order by id desc limit 1""")  # noqa: S608
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:what, 0))")
_BY_ID = Lookup(f"select {_COLUMNS} from videos where id = %(video_id)s", _COLUMNS)  # noqa: S608
_BY_ID_LOCKED = Lookup(
    f"select {_COLUMNS} from videos where id = %(video_id)s for no key update",  # noqa: S608
    _COLUMNS,
)
_PAGE = named(
    f"""
    select {_COLUMNS} from videos
    where (cast(:before_id as text) is null or id < :before_id) and state <> 'deleting'
        and (cast(:state as text) is null or state = :state)
    order by id desc limit :limit""",  # noqa: S608
    _COLUMNS,
)
_SET_PREFERENCES = text("""
    update videos set preferences = cast(:preferences as jsonb), revision = revision + 1, updated_at = now()
    where id = :video_id""")
_BEGIN = text("""
    update videos
    set state = 'processing', attempt = attempt + 1, attempt_token = :token, run_id = :run_id,
        failures = failures + :crashed, error_class = null, error_message = null, error_detail = null,
        updated_at = now()
    where id = :video_id""")
_REMEMBER_ATTEMPT = text("""
    insert into attempts (video_id, tenant_id, attempt, run_id, edit_revision)
    select id, tenant_id, attempt, run_id, edit_revision from videos where id = :video_id""")
_FORGET_PROGRESS = text("delete from progress where video_id = :video_id")
_BEGAN_BEFORE = text("select from attempts where video_id = :video_id and run_id = :run_id")
_COMPLETE = text("""
    update videos set state = 'completed', failures = 0, completed_at = coalesce(completed_at, now()),
        updated_at = now()
    where id = :video_id""")
_CLIPS = text("select count(*) from clips where video_id = :video_id")
_SET_SOURCE = text("""
    update videos set source_key = :key, source_sha256 = :sha256, source_size_bytes = :size_bytes, updated_at = now()
    where id = :video_id""")
_SET_DURATION = text("""
    update videos set duration_s = :duration_s, updated_at = now()
    where id = :video_id and duration_s is distinct from :duration_s""")
_DELETE = text("""
    update videos set state = 'deleting', attempt_token = null, revision = revision + 1, updated_at = now()
    where id = :video_id and state <> 'deleting'""")
_REQUEUE = text("""
    update videos
    set state = 'submitted', failures = 0, attempt_token = null, completed_at = null, retry_at = null,
        error_class = null, error_message = null, error_detail = null, updated_at = now()
    where id = :video_id""")
_REQUEUED_FROM = {
    VideoState.SUBMITTED,
    VideoState.ADMITTED,
    VideoState.COMPLETED,
    VideoState.FAILED,
    VideoState.DEAD_LETTERED,
}
_TENANT_OF = text("select tenant_of_video(:video_id)")


def register(
    db: Database,
    tenant_id: str,
    *,
    video_id: str,
    name: str,
    source: StoredObject,
    preferences: Mapping[str, Any],
    state: VideoState = VideoState.SUBMITTED,
) -> VideoRow:
    """A new video. `preferences` are validated before, by `upload.preferences`; a caller that starts the run itself
    registers it as `admitted`, so that no sensor does."""
    values = _new(video_id, name, source, preferences, state)
    with db.tenant_transaction(tenant_id) as connection:
        return _row(connection.execute(_REGISTER, {"tenant_id": tenant_id, **values}).one())


def register_once(
    db: Database,
    tenant_id: str,
    *,
    video_id: str,
    name: str,
    source: StoredObject,
    preferences: Mapping[str, Any],
    state: VideoState = VideoState.SUBMITTED,
) -> VideoRow:
    """As `register`; of two callers with the same bytes and name at once, the second gets the first one's video."""
    values = _new(video_id, name, source, preferences, state)
    with db.tenant_transaction(tenant_id) as connection:
        connection.execute(_ONE_AT_A_TIME, {"what": f"{tenant_id}/{source.sha256}/{values['name']}"})
        found = connection.execute(_BY_SOURCE, {"sha256": source.sha256, "name": values["name"]}).one_or_none()
        return _row(found or connection.execute(_REGISTER, {"tenant_id": tenant_id, **values}).one())


def _new(
    video_id: str, name: str, source: StoredObject, preferences: Mapping[str, Any], state: VideoState
) -> dict[str, object]:
    return {
        "video_id": video_id,
        "name": _storable(name),
        "key": source.key,
        "sha256": source.sha256,
        "size_bytes": source.size_bytes,
        "preferences": json.dumps(dict(preferences)),
        "state": state.value,
    }


def find_by_source(db: Database, tenant_id: str, sha256: str, name: str) -> VideoRow | None:
    """The tenant's latest video made from these bytes under this name."""
    with db.tenant_transaction(tenant_id) as connection:
        found = connection.execute(_BY_SOURCE, {"sha256": sha256, "name": _storable(name)}).one_or_none()
    return None if found is None else _row(found)


def find(connection: Connection, video_id: str) -> VideoRow:
    """The entered tenant's video, unless it is being deleted.

    Raises:
        NotFound.
    """
    video = _get(connection, video_id)
    if video.state is VideoState.DELETING:
        raise _no_such_video(video_id)
    return video


def page(
    connection: Connection, limit: int, before_id: str | None = None, state: VideoState | None = None
) -> list[VideoRow]:
    """The entered tenant's videos but those being deleted, newest first; `before_id` is the last id of the page
    before."""
    values = {"limit": limit, "before_id": before_id, "state": None if state is None else state.value}
    return [_row(found) for found in connection.execute(_PAGE, values)]


def get(db: Database, tenant_id: str, video_id: str) -> VideoRow:
    """
    Raises:
        NotFound: the tenant has no such video.
    """
    with db.tenant_transaction(tenant_id) as connection:
        return _get(connection, video_id)


def list_videos(db: Database, tenant_id: str, limit: int, before_id: str | None = None) -> list[VideoRow]:
    """The tenant's videos, newest first; `before_id` is the last id of the page before."""
    with db.tenant_transaction(tenant_id) as connection:
        return page(connection, limit, before_id)


def tenant_of(db: Database, video_id: str) -> str | None:
    """Whose video this is; None when there is none. Needs no tenant: a Dagster partition knows only the id."""
    with db.across_tenants() as connection:
        tenant_id: str | None = connection.execute(_TENANT_OF, {"video_id": video_id}).scalar_one()
    return tenant_id


def set_preferences(db: Database, tenant_id: str, video_id: str, preferences: Mapping[str, Any]) -> VideoRow:
    """Replaces the preferences; what has to be made again follows from the checkpoints' keys."""
    with db.tenant_transaction(tenant_id) as connection:
        _get(connection, video_id, lock=True)
        connection.execute(_SET_PREFERENCES, {"video_id": video_id, "preferences": json.dumps(dict(preferences))})
        return _get(connection, video_id)


def begin_attempt(db: Database, tenant_id: str, video_id: str, run_id: str) -> str:
    """Starts an attempt and fences every older one; returns its token.

    Whether another process still works on the video is the lease's business, to be taken first. A video found in state
    `processing` had an attempt that died without a word; that counts as a failure.

    Raises:
        NotFound: the tenant has no such video.
        Superseded: this run has had its attempt, and a newer one has begun since or it was requeued.
    """
    with db.tenant_transaction(tenant_id) as connection:
        return _begin(connection, _get(connection, video_id, lock=True), run_id)


def join_attempt(db: Database, tenant_id: str, video_id: str, run_id: str) -> str:
    """The token of this run's attempt, which is begun unless it is the current one. Raises as `begin_attempt`."""
    with db.tenant_transaction(tenant_id) as connection:
        video = _get(connection, video_id, lock=True)
        if video.run_id == run_id and video.attempt_token is not None:
            return video.attempt_token
        return _begin(connection, video, run_id)


def complete(db: Database, tenant_id: str, video_id: str, token: str) -> None:
    """
    Raises:
        Superseded: the token is not the current attempt's, or the attempt has failed meanwhile.
    """
    with db.tenant_transaction(tenant_id) as connection:
        video = fenced(connection, video_id, token)
        _may_become(video, VideoState.COMPLETED)
        connection.execute(_COMPLETE, {"video_id": video_id})
        if video.completed_at is None:  # clips that were only rendered again are told of one by one
            _tell_completed(connection, video)


def _tell_completed(connection: Connection, video: VideoRow) -> None:
    clips = connection.execute(_CLIPS, {"video_id": video.video_id}).scalar_one()
    duration_s = None if video.duration_s is None else float(video.duration_s)
    payload = events.about(video, "completed", percent=100.0, clips=clips, duration_s=duration_s)
    events.record(connection, video.tenant_id, events.EventType.COMPLETED, video.video_id, payload)
    if video.duration_s is not None:
        minutes = decimal_of(video.duration_s / 60)
        usage.charge(connection, f"minutes/{video.video_id}", "source_minutes", minutes, video.video_id)


def set_source(db: Database, tenant_id: str, video_id: str, token: str, source: StoredObject) -> VideoRow:
    """The bytes of a video that was registered by an address have arrived; they count as stored, once.

    Raises:
        Superseded: the token is not the current attempt's; nothing is written.
    """
    values = {"key": source.key, "sha256": source.sha256, "size_bytes": source.size_bytes}
    with db.tenant_transaction(tenant_id) as connection:
        fenced(connection, video_id, token)
        connection.execute(_SET_SOURCE, {"video_id": video_id, **values})
        usage.charge(connection, f"stored/{video_id}", "stored_bytes", source.size_bytes, video_id)
        return _get(connection, video_id)


def set_duration(db: Database, tenant_id: str, video_id: str, token: str, duration_s: Fraction) -> None:
    """How long the source is, as it was probed. Raises as `set_source`."""
    with db.tenant_transaction(tenant_id) as connection:
        fenced(connection, video_id, token)
        connection.execute(_SET_DURATION, {"video_id": video_id, "duration_s": decimal_of(duration_s)})


def fail(
    db: Database,
    tenant_id: str,
    video_id: str,
    token: str,
    error_class: str,
    message: str,
    detail: str,
    permanent: bool,
) -> VideoState:
    """Ends the attempt with its error, in the state that `failures.ending` says.

    An attempt that has failed already keeps its first error.

    Raises:
        Superseded: the token is not the current attempt's, or the attempt has been completed.
    """
    with db.tenant_transaction(tenant_id) as connection:
        video = fenced(connection, video_id, token)
        if video.state in (VideoState.FAILED, VideoState.DEAD_LETTERED):
            return video.state
        state = failures.ending(video, permanent=permanent)
        _may_become(video, state)
        failure = failures.Failure(error_class, _storable(message), _storable(detail))
        failures.end(connection, video, state, failure)
    return state


def begin_deleting(connection: Connection, video_id: str) -> bool:
    """Takes the entered tenant's video out of sight and fences its attempt; False when that was done before.

    Raises:
        NotFound.
    """
    _get(connection, video_id, lock=True)
    return connection.execute(_DELETE, {"video_id": video_id}).rowcount == 1


def requeue(db: Database, tenant_id: str, video_id: str) -> VideoRow:
    """Back to `submitted`, with all its chances.

    Raises:
        NotFound: no such video.
        Conflict: it is being processed.
    """
    with db.tenant_transaction(tenant_id) as connection:
        return put_back(connection, video_id)


def put_back(connection: Connection, video_id: str) -> VideoRow:
    """As `requeue`, in the caller's transaction."""
    video = _get(connection, video_id, lock=True)
    if video.state not in _REQUEUED_FROM:
        raise Conflict(
            f"video {video_id} is {video.state.value}; what was taken in and is not being processed can be requeued"
        )
    connection.execute(_REQUEUE, {"video_id": video_id})
    return _get(connection, video_id)


def fenced(connection: Connection, video_id: str, token: str) -> VideoRow:
    """The video, locked until the transaction ends, so that what follows is written by the current attempt or not.

    Raises:
        Superseded: the token is not the current attempt's.
    """
    return _current(_get(connection, video_id, lock=True), token)


def still(connection: Connection, video_id: str, token: str) -> VideoRow:
    """As `fenced`, for what does no harm when a newer attempt begins in the same moment: nothing is locked."""
    return _current(_get(connection, video_id), token)


def _current(video: VideoRow, token: str) -> VideoRow:
    if video.state is VideoState.DELETING:
        raise Superseded(f"video {video.video_id} is being deleted; these results are not kept")
    if video.attempt_token != token:
        raise Superseded(
            f"attempt {video.attempt} (run {video.run_id}) has taken over video {video.video_id}; these results are "
            "not kept"
        )
    return video


def locked(connection: Connection, video_id: str) -> VideoRow:
    """The video, locked until the end of the transaction."""
    return _get(connection, video_id, lock=True)


def _begin(connection: Connection, video: VideoRow, run_id: str) -> str:
    identity = {"video_id": video.video_id, "run_id": run_id}
    if connection.execute(_BEGAN_BEFORE, identity).rowcount:
        raise Superseded(
            f"run {run_id} has had its attempt at video {video.video_id}, which is now at attempt {video.attempt}; "
            "start a new run"
        )
    crashed = video.state is VideoState.PROCESSING
    if not crashed:
        _may_become(video, VideoState.PROCESSING)
    token = secrets.token_hex(16)
    connection.execute(_BEGIN, {**identity, "token": token, "crashed": int(crashed)})
    connection.execute(_REMEMBER_ATTEMPT, {"video_id": video.video_id})
    connection.execute(_FORGET_PROGRESS, {"video_id": video.video_id})
    return token


def _may_become(video: VideoRow, state: VideoState) -> None:
    if state not in MAY_FOLLOW[video.state]:
        raise Superseded(
            f"video {video.video_id} is {video.state.value} and cannot become {state.value}; its attempt "
            f"{video.attempt} has ended already"
        )


def _get(connection: Connection, video_id: str, *, lock: bool = False) -> VideoRow:
    found = (_BY_ID_LOCKED if lock else _BY_ID).one_or_none(connection, video_id=video_id)
    if found is None:
        raise _no_such_video(video_id)
    return _video(found)


def _no_such_video(video_id: str) -> NotFound:
    return NotFound(f"there is no video {video_id}; list the videos to find its id")


def _row(found: Row[Any]) -> VideoRow:
    return _video(dict(found._mapping))


def _video(found: Mapping[str, Any]) -> VideoRow:
    values = dict(found)
    key, sha256, size_bytes = (values.pop(f"source_{part}") for part in ("key", "sha256", "size_bytes"))
    duration_s = values.pop("duration_s")
    return VideoRow(
        video_id=values.pop("id"),
        stored_source=None if key is None else StoredObject(key, sha256, size_bytes),
        source_url=None if (url := values.pop("source_url")) is None else bytes(url),
        duration_s=None if duration_s is None else Fraction(duration_s),
        state=VideoState(values.pop("state")),
        **values,
    )


def _storable(text_: str) -> str:
    """Postgres takes no NUL and no lone surrogate, as a file's name on Linux may hold."""
    return text_.replace("\0", "").encode("utf-8", "backslashreplace").decode()
