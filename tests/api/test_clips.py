"""Clips over HTTP: shown with their scores, re-cut, taken away; their files and what they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from starlette.testclient import TestClient

from clip_platform.api.services import Services
from clip_platform.database import clips, edits
from clip_platform.database.connection import Database
from tests.api.published import FEATURE, Published, publish, show

As = Callable[..., TestClient]
ANY = {"If-Match": "*"}


@pytest.fixture
def talk(database: Database, services: Services) -> Published:
    return publish(database, services)


def rendered(database: Database, services: Services, talk: Published) -> None:
    """A run shows what was asked for."""
    with database.tenant_transaction("acme") as connection:
        rows = [replace(row, score=row.score + 1) for row in clips.of_video(connection, talk.video_id)]
        revision = max((edit.revision for edit in edits.of_video(connection, talk.video_id)), default=0)
    show(database, services, talk, rows, revision)


def test_a_clip_says_why_it_has_its_score(as_: As, talk: Published) -> None:
    answer = as_("acme", "viewer").get(f"/v1/clips/{talk.clip_id}")

    clip = answer.json()
    assert (clip["start_s"], clip["end_s"], clip["rank"], clip["state"]) == (10, 40, 1, "ready")
    assert clip["score"] == {
        "value": 69.0,
        "baseline": 50.0,
        "contributions": [FEATURE],
        "reasons": ["a strong opening"],
        "model_version": "heuristic 1",
        "interval": None,
        "band": None,
        "top_chance": None,
    }
    assert clip["score_withheld"] is None


def test_clips_are_paged_best_first(as_: As, talk: Published) -> None:
    client, address = as_("acme", "viewer"), f"/v1/videos/{talk.video_id}/clips"

    first = client.get(address, params={"limit": 1}).json()
    second = client.get(address, params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [clip["clip_id"] for page in (first, second) for clip in page["items"]] == [
        talk.clip_id,
        f"{talk.video_id}.c2",
    ]
    assert second["next_cursor"] is None


def test_a_clip_is_cut_longer_and_says_that_it_renders(as_: As, database: Database, talk: Published) -> None:
    client, address = as_("acme", "editor"), f"/v1/clips/{talk.clip_id}"
    seen = client.get(address).headers["etag"]

    change = {"start_s": 8.25, "end_s": 55, "title": "Longer", "aspect": "1:1", "platforms": ["tiktok"]}
    changed = client.patch(address, json=change, headers={"If-Match": seen})

    assert changed.status_code == 200
    clip = changed.json()
    assert {name: clip[name] for name in change} == change
    assert clip["state"] == "rendering"
    assert client.get(address).headers["etag"] == changed.headers["etag"] != seen
    assert client.get(f"/v1/videos/{talk.video_id}").json()["rerendering"] is True
    with database.tenant_transaction("acme") as connection:
        (edit,) = edits.of_video(connection, talk.video_id)
    assert (edit.start_s, edit.end_s, edit.caption_style) == (Fraction(33, 4), Fraction(55), None)


def test_a_clip_is_ready_again_once_a_run_has_rendered_its_edit(
    as_: As, database: Database, services: Services, talk: Published
) -> None:
    client, address = as_("acme"), f"/v1/clips/{talk.clip_id}"
    client.patch(address, json={"title": "Another"}, headers=ANY)

    rendered(database, services, talk)

    assert client.get(address).json()["state"] == "ready"


def test_null_is_as_the_machine_chose(as_: As, database: Database, talk: Published) -> None:
    client, address = as_("acme"), f"/v1/clips/{talk.clip_id}"
    client.patch(address, json={"title": "Mine", "aspect": "1:1"}, headers=ANY)

    back = client.patch(address, json={"title": None}, headers=ANY).json()

    assert (back["title"], back["aspect"]) == ("Why sleep helps, part 1", "1:1")
    with database.tenant_transaction("acme") as connection:
        assert edits.of_video(connection, talk.video_id)[0].title is None


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({}, 400, "nothing is to be changed"),
        ({"start_s": 20, "end_s": 22.5}, 400, "lasts 2.5 s"),
        ({"start_s": 50, "end_s": 40}, 400, "lasts -10 s"),
        ({"start_s": 50}, 400, "lasts -10 s"),
        ({"end_s": 120.5}, 400, "after the end of the video"),
        ({"end_s": 911}, 400, "lasts 901 s"),
        ({"start_s": -1}, 422, "start_s"),
        ({"end_s": 10**18}, 422, "end_s"),
        ({"start_s": "NaN"}, 422, "start_s"),
        ({"aspect": "3:2"}, 422, "aspect"),
        ({"caption_style": "loud"}, 422, "caption_style"),
        ({"platforms": ["tiktok", "tiktok"]}, 422, "named twice"),
        ({"platforms": ["myspace"]}, 422, "platforms"),
        ({"title": "a\u202eb"}, 422, "U+202E"),
        ({"score": 100}, 422, "score"),
    ],
)
def test_a_clip_that_cannot_be_is_refused_by_name(
    as_: As, talk: Published, change: dict[str, Any], status: int, said: str
) -> None:
    answer = as_("acme").patch(f"/v1/clips/{talk.clip_id}", json=change, headers=ANY)

    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_a_change_needs_the_version_that_was_seen(
    as_: As, database: Database, services: Services, talk: Published
) -> None:
    client, address = as_("acme"), f"/v1/clips/{talk.clip_id}"
    seen = {"If-Match": client.get(address).headers["etag"]}

    rendered(database, services, talk)  # somebody else's run publishes in between
    answers = [client.patch(address, json={"title": "x"}, headers=headers) for headers in ({}, seen)]

    assert [answer.status_code for answer in answers] == [428, 412]


def test_of_two_changes_to_one_version_one_is_made(as_: As, talk: Published) -> None:
    client, address = as_("acme"), f"/v1/clips/{talk.clip_id}"
    seen = {"If-Match": client.get(address).headers["etag"]}

    with ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(lambda n: client.patch(address, json={"title": f"t{n}"}, headers=seen), range(4)))

    assert sorted(answer.status_code for answer in tried) == [200, 412, 412, 412]


def test_a_removed_clip_is_gone_at_once_and_stays_gone(
    as_: As, database: Database, services: Services, talk: Published
) -> None:
    client, address = as_("acme", "editor"), f"/v1/clips/{talk.clip_id}"

    answers = [client.delete(address) for _ in range(2)]
    rendered(database, services, talk)

    assert [answer.status_code for answer in answers] == [204, 204]
    assert client.get(address).status_code == 404
    assert [one["rank"] for one in client.get(f"/v1/videos/{talk.video_id}/clips").json()["items"]] == [2]


def test_files_are_fetched_without_a_token_by_addresses_that_are_audited(
    as_: As, client: TestClient, talk: Published
) -> None:
    files = as_("acme", "viewer").get(f"/v1/clips/{talk.clip_id}/files").json()["items"]

    assert [(file["kind"], file["name"]) for file in files] == [
        ("video", "01-why-sleep-helps-part-1.mp4"),
        ("srt", "01-why-sleep-helps-part-1.srt"),
    ]
    fetched = client.get(files[0]["url"])
    assert fetched.status_code == 200
    assert hashlib.sha256(fetched.content).hexdigest() == files[0]["sha256"]
    trail = as_("acme", "owner").get("/v1/audit-events").json()["items"]
    assert "clip.files_signed" in [event["action"] for event in trail]


def test_lineage_names_digests_versions_and_edits_but_no_folder(as_: As, talk: Published) -> None:
    client = as_("acme")
    client.patch(f"/v1/clips/{talk.clip_id}", json={"title": "Mine"}, headers=ANY)

    answer = client.get(f"/v1/clips/{talk.clip_id}/lineage")

    made = answer.json()
    assert made["source"] == {"sha256": "ab" * 32, "size_bytes": 1000}
    assert {asset["asset"] for asset in made["assets"]} == {"transcript", "clip_scores", "selected_clips"}
    assert made["assets"][0]["code_version"] == "1"
    assert made["assets"][0]["reads"] == {"model": "face.onnx"}
    assert (made["edit"]["title"], len(made["attempts"])) == ("Mine", 1)
    assert "/opt" not in answer.text


@pytest.mark.parametrize("clip_id", ["c1", ".", "x.y.z", "01ARZ3NDEKTSV4RRFFQ69G5FAV.c1", "%00.c1"])
def test_what_is_no_clip_is_not_found(as_: As, talk: Published, clip_id: str) -> None:
    del talk

    assert as_("acme").get(f"/v1/clips/{clip_id}").status_code in (400, 404)


@pytest.mark.parametrize("what", ["", "/files", "/lineage", "/feedback"])
def test_another_tenants_clip_is_not_there(as_: As, talk: Published, what: str) -> None:
    own = as_("acme", "viewer").get(f"/v1/clips/{talk.clip_id}{what}")
    others = as_("globex", "owner").get(f"/v1/clips/{talk.clip_id}{what}")

    assert (own.status_code, others.status_code) == (200, 404)
    assert "sleep" not in others.text


def test_another_tenant_cannot_change_or_remove_a_clip(as_: As, talk: Published) -> None:
    client, address = as_("globex", "owner"), f"/v1/clips/{talk.clip_id}"

    answers = [client.patch(address, json={"title": "x"}, headers=ANY), client.delete(address)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert as_("acme").get(address).json()["title"] == "Why sleep helps, part 1"
