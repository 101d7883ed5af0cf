"""Videos over HTTP: listed, shown, renamed, pinned, deleted; their log, candidates and transcript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from clip_platform.api.services import Services
from clip_platform.database import progress, video_log, videos
from clip_platform.database.connection import Database
from clip_platform.identifiers import StoredObject, new_ulid
from tests.api.published import DURATION_S, Published, publish
from tests.conftest import MigratedServer

As = Callable[..., TestClient]


@pytest.fixture
def talk(database: Database, services: Services) -> Published:
    return publish(database, services)


def submitted(database: Database, name: str = "later.mp4") -> str:
    source = StoredObject(f"acme/videos/{new_ulid()}/source/upload", "ab" * 32, 5)
    return videos.register(database, "acme", video_id=new_ulid(), name=name, source=source, preferences={}).video_id


def audited(server: MigratedServer) -> list[str]:
    """What people did; uses of keys are written whenever they are."""
    query = "select action from audit_events where actor not like 'process:%' order by sequence"
    with server.superuser() as connection:
        return [row[0] for row in connection.execute(query)]


def test_a_completed_video_says_all_there_is_to_know(as_: As, talk: Published) -> None:
    answer = as_("acme", "viewer").get(f"/v1/videos/{talk.video_id}")

    assert answer.status_code == 200
    said = answer.json()
    assert (said["state"], said["percent"], said["stage"], said["attempt"]) == ("completed", 100.0, None, 1)
    assert (said["size_bytes"], said["duration_s"], said["error"]) == (1000, DURATION_S, None)
    assert answer.headers["etag"] == '"1"'


def test_a_video_under_way_tells_stage_and_percent_and_a_failed_one_its_error(as_: As, database: Database) -> None:
    video_id = submitted(database)
    token = videos.begin_attempt(database, "acme", video_id, "run-1")
    progress.report(database, "acme", video_id, token, "media", "media_info", 1.0)
    client = as_("acme")

    under_way = client.get(f"/v1/videos/{video_id}").json()
    videos.fail(database, "acme", video_id, token, "NoSpeech", "nobody speaks", "a tail of stderr", permanent=True)
    failed = client.get(f"/v1/videos/{video_id}")

    assert (under_way["state"], under_way["stage"]) == ("processing", "media")
    assert 0 < under_way["percent"] < 10
    assert failed.json()["error"] == {"class": "NoSpeech", "message": "nobody speaks"}
    assert "stderr" not in failed.text


def test_videos_are_listed_newest_first_in_pages_and_by_state(as_: As, database: Database, talk: Published) -> None:
    later = [submitted(database, f"{n}.mp4") for n in range(3)]
    client = as_("acme")

    first = client.get("/v1/videos", params={"limit": 2}).json()
    second = client.get("/v1/videos", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    completed = client.get("/v1/videos", params={"state": "completed"}).json()

    listed = [video["video_id"] for page in (first, second) for video in page["items"]]
    assert sorted(listed) == sorted([*later, talk.video_id])
    assert listed == sorted(listed, reverse=True)
    assert second["next_cursor"] is None
    assert [video["video_id"] for video in completed["items"]] == [talk.video_id]


def test_a_video_is_renamed_and_pinned_by_whoever_saw_its_version(
    as_: As, talk: Published, migrated_server: MigratedServer
) -> None:
    client, address = as_("acme", "editor"), f"/v1/videos/{talk.video_id}"

    missing = client.patch(address, json={"name": "new"})
    changed = client.patch(address, json={"name": "Schlaf über alles", "pinned": True}, headers={"If-Match": '"1"'})
    stale = client.patch(address, json={"name": "old"}, headers={"If-Match": '"1"'})

    assert (missing.status_code, changed.status_code, stale.status_code) == (428, 200, 412)
    assert (changed.json()["name"], changed.json()["pinned"]) == ("Schlaf über alles", True)
    assert changed.headers["etag"] == '"2"'
    assert audited(migrated_server) == ["video.changed"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 400),
        ({"name": None}, 400),
        ({"name": ""}, 422),
        ({"name": "x" * 201}, 422),
        ({"name": "nul\0"}, 422),
        ({"name": "invoice\u202egpj.exe"}, 422),
        ({"state": "completed"}, 422),
    ],
)
def test_what_a_video_cannot_be_is_refused(as_: As, talk: Published, change: dict[str, Any], status: int) -> None:
    answer = as_("acme").patch(f"/v1/videos/{talk.video_id}", json=change, headers={"If-Match": "*"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_deleting_takes_a_video_out_of_sight_at_once_also_while_it_runs(
    as_: As, database: Database, migrated_server: MigratedServer
) -> None:
    video_id = submitted(database)
    token = videos.begin_attempt(database, "acme", video_id, "run-1")
    client = as_("acme", "editor")

    answers = [client.delete(f"/v1/videos/{video_id}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == {"video_id": video_id, "state": "deleting"}
    assert client.get(f"/v1/videos/{video_id}").status_code == 404
    assert client.get("/v1/videos").json()["items"] == []
    with pytest.raises(Exception, match="deleted"):
        progress.report(database, "acme", video_id, token, "media", "media_info", 1.0)
    assert audited(migrated_server) == ["video.deleted"]


def test_a_viewer_may_not_change_or_delete(as_: As, talk: Published) -> None:
    client, address = as_("acme", "viewer"), f"/v1/videos/{talk.video_id}"

    refused = [client.patch(address, json={"name": "x"}, headers={"If-Match": "*"}), client.delete(address)]

    assert [answer.status_code for answer in refused] == [403, 403]


def test_the_log_is_paged_oldest_first(as_: As, database: Database, talk: Published) -> None:
    with database.tenant_transaction("acme") as connection:
        for n in range(3):
            video_log.say(connection, "acme", talk.video_id, 1, "media", "info", f"line {n}")
    client = as_("acme", "viewer")

    first = client.get(f"/v1/videos/{talk.video_id}/log", params={"limit": 2}).json()
    second = client.get(f"/v1/videos/{talk.video_id}/log", params={"cursor": first["next_cursor"]}).json()

    assert [line["message"] for page in (first, second) for line in page["items"]] == ["line 0", "line 1", "line 2"]


def test_rejected_candidates_come_with_reason_score_and_contributions(as_: As, talk: Published) -> None:
    client, address = as_("acme", "viewer"), f"/v1/videos/{talk.video_id}/candidates"

    rejected = client.get(address, params={"rejected": True, "contributions": True, "limit": 1}).json()
    unfit = client.get(address, params={"cursor": rejected["next_cursor"]}).json()
    chosen = client.get(address, params={"rejected": False}).json()

    assert rejected["items"][0]["reason"] == "it overlaps the better clip 1"
    assert rejected["items"][0]["contributions"] == [{"feature": "hook", "value": 0.1, "points": -17.0}]
    assert [(one["candidate_id"], one["score"]) for one in unfit["items"]] == [(None, None)]
    assert [one["candidate_id"] for one in chosen["items"]] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("params", "accept", "media_type", "begins"),
    [
        ({}, "*/*", "application/json", '{"language":"en"'),
        ({}, "text/vtt, application/json", "text/vtt", "WEBVTT\n\n00:00:00.000 --> "),
        ({"format": "srt"}, "text/vtt", "application/x-subrip", "1\n00:00:00,000 --> "),
        ({"format": "text"}, "*/*", "text/plain", "Hello there.\n\nThis is"),
    ],
)
def test_a_transcript_has_four_formats(
    as_: As, talk: Published, params: dict[str, str], accept: str, media_type: str, begins: str
) -> None:
    address = f"/v1/videos/{talk.video_id}/transcript"

    answer = as_("acme", "viewer").get(address, params=params, headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.text.startswith(begins)


def test_spoken_markup_does_not_become_markup(as_: As, talk: Published) -> None:
    answer = as_("acme").get(f"/v1/videos/{talk.video_id}/transcript", params={"format": "vtt"})

    assert "<b>" not in answer.text
    assert "&lt;b&gt;a" in answer.text


def test_a_transcript_that_is_not_made_yet_is_a_conflict(as_: As, database: Database) -> None:
    answer = as_("acme").get(f"/v1/videos/{submitted(database)}/transcript")

    assert answer.status_code == 409
    assert "not made yet" in answer.json()["detail"]


@pytest.mark.parametrize("what", ["", "/log", "/transcript", "/candidates", "/clips", "/events"])
def test_another_tenants_video_is_not_there(as_: As, talk: Published, what: str) -> None:
    own = as_("acme", "viewer").get(f"/v1/videos/{talk.video_id}{what}")
    others = as_("globex", "owner").get(f"/v1/videos/{talk.video_id}{what}")

    assert own.status_code == 200
    assert others.status_code == 404
    assert others.json()["detail"] == f"there is no video {talk.video_id}; list the videos to find its id"
