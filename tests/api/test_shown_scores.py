"""The score a clip is shown with: of the version its tenant sees, never two at once, and none while people judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from clip_platform.api.services import Services
from clip_platform.database import arms, clips, rescoring
from clip_platform.database.arms import VideoArm
from clip_platform.database.connection import Database
from clip_platform.identifiers import StoredObject
from tests.api.published import FEATURE, Published, publish, show
from tests.conftest import MigratedServer

As = Callable[..., TestClient]
Json = dict[str, Any]
OUTLOOK: Json = {"low": 60.5, "high": 90.25, "band": "high", "top_chance": 0.625}


@pytest.fixture
def talk(database: Database, services: Services) -> Published:
    return publish(database, services)


@pytest.fixture
def explored(database: Database, talk: Published) -> Published:
    decide(database, talk, "explore")
    return talk


def decide(database: Database, talk: Published, arm: arms.Arm) -> None:
    with database.tenant_transaction(talk.tenant_id) as connection:
        arms.decide(connection, VideoArm(talk.video_id, arm, None, None, 0.1))


def score_again(door: Database, talk: Published, version: str, values: Mapping[str, float], reasons: str = "") -> None:
    rescoring.begin(door, version)
    lines = (
        f"{talk.tenant_id},{talk.video_id},{name},{value},{value - 5},{value + 5},middle,0.4,{reasons}\n".encode()
        for name, value in values.items()
    )
    rescoring.write_day(door, version, datetime.now(UTC).date(), lines)


def listed(client: TestClient, talk: Published) -> list[Json]:
    items: list[Json] = client.get(f"/v1/videos/{talk.video_id}/clips").json()["items"]
    return items


def everything(client: TestClient, talk: Published) -> str:
    """All that the API says of a video's clips."""
    clip, video = f"/v1/clips/{talk.video_id}", f"/v1/videos/{talk.video_id}"
    addresses = [f"{clip}.c1", f"{clip}.c2", f"{video}/clips", f"{clip}.c1/lineage", f"{video}/candidates"]
    chosen = [f"{video}/candidates?rejected=false", f"{video}/candidates?contributions=true"]
    return "\n".join(client.get(address).text for address in (*addresses, *chosen))


def shown_again(database: Database, services: Services, talk: Published, **changes: Any) -> None:
    """The pipeline publishes the same clips anew, with other values."""
    with database.tenant_transaction(talk.tenant_id) as connection:
        rows = clips.of_video(connection, talk.video_id)
    show(database, services, talk, [replace(row, **changes) for row in rows])


def test_a_clip_scored_by_a_model_has_interval_band_and_chance(
    as_: As, database: Database, services: Services, talk: Published
) -> None:
    shown_again(database, services, talk, model="engagement-3", **OUTLOOK)

    score = as_("acme", "viewer").get(f"/v1/clips/{talk.clip_id}").json()["score"]

    assert score == {
        "value": 69.0,
        "interval": [60.5, 90.25],
        "band": "high",
        "top_chance": 0.625,
        "reasons": ["a strong opening"],
        "baseline": 50.0,
        "contributions": [FEATURE],
        "model_version": "engagement-3",
    }


def test_no_more_than_three_reasons_are_given(as_: As, database: Database, services: Services, talk: Published) -> None:
    shown_again(database, services, talk, reasons=("the wish", "one", "two", "three"))

    assert as_("acme").get(f"/v1/clips/{talk.clip_id}").json()["score"]["reasons"] == ["the wish", "one", "two"]


def test_a_new_version_is_shown_when_it_is_flipped_to_and_clips_stand_by_it(
    as_: As, rescorer_door: Database, talk: Published
) -> None:
    client = as_("acme", "viewer")
    before = everything(client, talk)

    score_again(rescorer_door, talk, "7", {"c1": 40.0, "c2": 90.0}, '"[""helps: a question""]"')
    while_scoring = everything(client, talk)
    rescoring.flip(rescorer_door, "7")

    assert while_scoring == before
    best, other = listed(client, talk)
    assert [(one["clip_id"], one["rank"]) for one in (best, other)] == [(f"{talk.video_id}.c2", 1), (talk.clip_id, 2)]
    assert best["score"] == {
        "value": 90.0,
        "interval": [85.0, 95.0],
        "band": "middle",
        "top_chance": 0.4,
        "reasons": ["helps: a question"],
        "baseline": None,
        "contributions": [],
        "model_version": "engagement-7",
    }
    assert [client.get(f"/v1/clips/{one['clip_id']}").json() for one in (best, other)] == [best, other]
    chosen = client.get(f"/v1/videos/{talk.video_id}/candidates?rejected=false").json()["items"]
    assert [(one["candidate_id"], one["score"]) for one in chosen] == [("c2", 90.0), ("c1", 40.0)]
    assert client.get(f"/v1/clips/{talk.video_id}.c2/files").json()["items"][0]["name"].startswith("01-")
    assert client.get(f"/v1/clips/{talk.clip_id}/lineage").json()["model"] == "engagement-7"


def test_pages_follow_the_shown_rank(as_: As, rescorer_door: Database, talk: Published) -> None:
    score_again(rescorer_door, talk, "7", {"c1": 40.0, "c2": 90.0})
    rescoring.flip(rescorer_door, "7")
    client, address = as_("acme", "viewer"), f"/v1/videos/{talk.video_id}/clips"

    first = client.get(address, params={"limit": 1}).json()
    second = client.get(address, params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [page["items"][0]["score"]["value"] for page in (first, second)] == [90.0, 40.0]


def test_rolling_back_says_exactly_what_was_said(as_: As, rescorer_door: Database, talk: Published) -> None:
    client, said = as_("acme", "viewer"), {}
    said[None] = everything(client, talk)
    for version, values in (("7", {"c1": 40.1, "c2": 90.2}), ("8", {"c1": 50.3, "c2": 20.4})):
        score_again(rescorer_door, talk, version, values)
        rescoring.flip(rescorer_door, version)
        said[version] = everything(client, talk)

    again = {}
    for earlier in ("7", None):
        rescoring.roll_back(rescorer_door, earlier)
        again[earlier] = everything(client, talk)

    assert len(set(said.values())) == 3
    assert again == {"7": said["7"], None: said[None]}


def test_a_clip_made_since_shows_what_it_was_made_with(as_: As, rescorer_door: Database, talk: Published) -> None:
    score_again(rescorer_door, talk, "7", {"c2": 60.0})
    rescoring.flip(rescorer_door, "7")

    shown = {one["clip_id"][-2:]: one["score"] for one in listed(as_("acme", "viewer"), talk)}

    assert (shown["c1"]["value"], shown["c1"]["model_version"], shown["c1"]["baseline"]) == (69.0, "heuristic 1", 50.0)
    assert (shown["c2"]["value"], shown["c2"]["model_version"], shown["c2"]["baseline"]) == (60.0, "engagement-7", None)


def test_another_tenants_pointer_changes_nothing(
    as_: As, database: Database, services: Services, rescorer_door: Database, talk: Published
) -> None:
    others = publish(database, services, "globex")
    score_again(rescorer_door, talk, "7", {"c1": 40.0, "c2": 90.0})
    rescoring.flip(rescorer_door, "7")

    assert [one["score"]["value"] for one in listed(as_("globex", "viewer"), others)] == [69.0, 68.0]
    assert as_("globex", "viewer").get(f"/v1/clips/{talk.clip_id}").status_code == 404


def test_no_answer_ever_mixes_versions(as_: As, rescorer_door: Database, talk: Published) -> None:
    for version, values in (("7", {"c1": 40.0, "c2": 90.0}), ("8", {"c1": 90.0, "c2": 40.0})):
        score_again(rescorer_door, talk, version, values)
        rescoring.flip(rescorer_door, version)
    client = as_("acme", "viewer")

    def flips() -> None:
        for turn in range(60):
            rescoring.roll_back(rescorer_door, "78"[turn % 2])

    with ThreadPoolExecutor(1) as pool:
        flipping = pool.submit(flips)
        answers = []
        while not flipping.done():
            answers.append(listed(client, talk))
        flipping.result()

    seen = {tuple((one["clip_id"][-2:], one["score"]["model_version"]) for one in answer) for answer in answers}
    assert seen <= {
        (("c2", "engagement-7"), ("c1", "engagement-7")),
        (("c1", "engagement-8"), ("c2", "engagement-8")),
    }


def test_a_report_names_the_model_whose_score_was_shown(as_: As, rescorer_door: Database, talk: Published) -> None:
    client, address = as_("acme"), f"/v1/clips/{talk.clip_id}/feedback"

    before = client.post(address, json={"decision": "accepted"}).json()
    score_again(rescorer_door, talk, "7", {"c1": 40.0})
    rescoring.flip(rescorer_door, "7")
    after = client.post(address, json={"decision": "rejected"}).json()

    assert (before["model"], after["model"]) == ("heuristic 1", "engagement-7")


def test_a_video_that_explores_says_no_score_and_why(as_: As, explored: Published) -> None:
    client = as_("acme", "viewer")

    said = everything(client, explored)

    assert {(one["score"], one["score_withheld"]) for one in listed(client, explored)} == {(None, "exploration")}
    assert [number for number in ("69", "68.0", "33.0", "12.5") if f":{number}" in said] == []
    assert "better clip" not in said
    chosen = client.get(f"/v1/videos/{explored.video_id}/candidates?rejected=false").json()["items"]
    rejected = client.get(f"/v1/videos/{explored.video_id}/candidates?contributions=true").json()["items"]
    for one in (*chosen, *rejected):
        assert (one["score"], one["baseline"], one["contributions"], one["reason"]) == (None, None, None, None)
        assert one["score_withheld"] == "exploration"


def test_the_order_of_a_video_that_explores_does_not_follow_its_scores(
    as_: As, database: Database, services: Services, explored: Published
) -> None:
    client = as_("acme", "viewer")
    with database.tenant_transaction("acme") as connection:
        one, two = clips.of_video(connection, explored.video_id)

    orders = []
    for rows in ([one, two], [replace(two, rank=1, score=99.0), replace(one, rank=2, score=1.0)]):
        show(database, services, explored, rows)
        orders.append([(clip["clip_id"], clip["rank"]) for clip in listed(client, explored)])

    assert orders[0] == orders[1]
    assert [rank for _, rank in orders[0]] == [1, 2]


def test_videos_that_explore_do_not_all_begin_with_their_best_clip(
    as_: As, database: Database, services: Services
) -> None:
    first = set()
    for number in range(12):  # the same order in all by chance: once in 2,048 times
        talk = publish(database, services, name=f"talk {number}")
        decide(database, talk, "explore")
        first.add(listed(as_("acme", "viewer"), talk)[0]["clip_id"][-2:])

    assert first == {"c1", "c2"}


def test_no_way_of_asking_for_a_version_shows_what_is_withheld(
    as_: As, rescorer_door: Database, explored: Published
) -> None:
    score_again(rescorer_door, explored, "7", {"c1": 40.0, "c2": 90.0})
    rescoring.flip(rescorer_door, "7")

    assert {one["score"] for one in listed(as_("acme", "viewer"), explored)} == {None}


@pytest.mark.parametrize("arm", ["champion", "challenger"])
def test_other_arms_withhold_nothing(as_: As, database: Database, talk: Published, arm: arms.Arm) -> None:
    decide(database, talk, arm)

    assert [one["score"]["value"] for one in listed(as_("acme", "viewer"), talk)] == [69.0, 68.0]


def test_scores_are_shown_once_every_clip_has_a_decision(as_: As, explored: Published) -> None:
    client = as_("acme")
    counters = {"platform": "tiktok", "day": "2026-01-02", "views": 5}

    withheld = []
    for name, report in (("c1", {"decision": "accepted"}), ("c2", counters), ("c2", {"decision": "rejected"})):
        client.post(f"/v1/clips/{explored.video_id}.{name}/feedback", json=report).raise_for_status()
        withheld.append({one["score_withheld"] for one in listed(client, explored)})

    assert withheld == [{"exploration"}, {"exploration"}, {None}]
    assert [one["score"]["value"] for one in listed(client, explored)] == [69.0, 68.0]


def test_a_clip_that_is_taken_away_is_not_waited_for(as_: As, explored: Published) -> None:
    client = as_("acme")
    client.post(f"/v1/clips/{explored.clip_id}/feedback", json={"decision": "accepted"}).raise_for_status()

    client.delete(f"/v1/clips/{explored.video_id}.c2").raise_for_status()

    assert [one["score"]["value"] for one in listed(client, explored)] == [69.0]


@pytest.mark.parametrize(("age", "shown"), [("27 days 23 hours", {None}), ("28 days 1 hour", {69.0, 68.0})])
def test_scores_are_shown_after_28_days(
    as_: As, migrated_server: MigratedServer, explored: Published, age: str, shown: set[float | None]
) -> None:
    with migrated_server.superuser() as connection:
        connection.execute("update clips set created_at = now() - cast(%s as interval)", [age])

    answers = listed(as_("acme", "viewer"), explored)

    assert {one["score"] and one["score"]["value"] for one in answers} == shown


def test_an_edit_of_a_clip_does_not_tell_its_score(as_: As, explored: Published) -> None:
    answer = as_("acme").patch(f"/v1/clips/{explored.clip_id}", json={"title": "x"}, headers={"If-Match": "*"})

    assert (answer.json()["score"], answer.json()["score_withheld"]) == (None, "exploration")


@pytest.fixture
def told(migrated_server: MigratedServer) -> Callable[[], dict[str, tuple[int, float | None]]]:
    """Rank and score of the last `clip.rendered` of each clip."""

    def read() -> dict[str, tuple[int, float | None]]:
        with migrated_server.superuser() as connection:
            rows = connection.execute("select payload from events where type = 'clip.rendered' order by sequence")
            return {row["clip_id"][-2:]: (row["rank"], row["score"]) for (row,) in rows}

    return read


def rendered_again(database: Database, services: Services, talk: Published) -> None:
    other = {"video": StoredObject("acme/x", "cd" * 32, 5)}
    shown_again(database, services, talk, files=other)


def test_what_webhooks_are_told_of_a_clip_is_what_the_api_shows(
    as_: As, database: Database, services: Services, rescorer_door: Database, talk: Published,
    told: Callable[[], dict[str, tuple[int, float | None]]],
) -> None:  # fmt: skip
    at_first = told()
    score_again(rescorer_door, talk, "7", {"c1": 40.0, "c2": 90.0})
    rescoring.flip(rescorer_door, "7")

    rendered_again(database, services, talk)

    assert at_first == {"c1": (1, 69.0), "c2": (2, 68.0)}
    assert told() == {"c1": (2, 40.0), "c2": (1, 90.0)}
    assert {one["clip_id"][-2:]: one["rank"] for one in listed(as_("acme"), talk)} == {"c1": 2, "c2": 1}


def test_webhooks_are_not_told_what_is_withheld(
    as_: As, database: Database, services: Services, explored: Published,
    told: Callable[[], dict[str, tuple[int, float | None]]],
) -> None:  # fmt: skip
    rendered_again(database, services, explored)

    ranks = {one["clip_id"][-2:]: one["rank"] for one in listed(as_("acme"), explored)}
    assert told() == {name: (rank, None) for name, rank in ranks.items()}
