"""Feedback over HTTP: one by one and by the file; repeated, late, contradictory and impossible reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from clip_platform.api import bulk_feedback
from clip_platform.api.services import Services
from clip_platform.database.connection import Database
from tests.api.published import Published, publish
from tests.conftest import MigratedServer

As = Callable[..., TestClient]
VIEWS = {"platform": "tiktok", "day": "2026-01-05", "views": 10, "watched_s": 200.0}
NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}


@pytest.fixture
def talk(database: Database, services: Services) -> Published:
    return publish(database, services)


def report(client: TestClient, talk: Published, content: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/v1/clips/{talk.clip_id}/feedback", json=content)
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


def listed(client: TestClient, talk: Published, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/v1/clips/{talk.clip_id}/feedback", params=params).json()["items"]
    return items


def imported(client: TestClient, content: str | bytes, headers: dict[str, str] = NDJSON) -> dict[str, Any]:
    answer = client.post("/v1/feedback/import", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_a_report_counts_once_under_its_key_and_under_its_content(as_: As, talk: Published) -> None:
    client = as_("acme", "editor")

    keyed = [report(client, talk, {"decision": "accepted", "report_key": "k1"}) for _ in range(2)]
    plain = [report(client, talk, VIEWS) for _ in range(2)]

    assert keyed[0] == keyed[1]
    assert plain[0] == plain[1]
    assert len(listed(client, talk)) == 2
    assert (plain[0]["clip_revision"], plain[0]["model"]) == (1, "heuristic 1")


def test_a_key_belongs_to_one_report(as_: As, talk: Published) -> None:
    client = as_("acme")
    report(client, talk, {"decision": "accepted", "report_key": "k1"})

    other = client.post(f"/v1/clips/{talk.clip_id}/feedback", json={"decision": "rejected", "report_key": "k1"})

    assert (other.status_code, other.json()["type"]) == (422, "urn:clip-platform:problem:idempotency-mismatch")


def test_going_back_to_an_earlier_decision_is_a_report_of_its_own(as_: As, talk: Published) -> None:
    client = as_("acme")

    for decision in ("accepted", "rejected", "accepted", "accepted"):
        report(client, talk, {"decision": decision})

    assert [one["decision"] for one in listed(client, talk)] == ["accepted", "rejected", "accepted"]
    assert [one["decision"] for one in listed(client, talk, current=True)] == ["accepted"]


def test_the_newest_count_of_a_day_wins_and_a_late_older_one_does_not(as_: As, talk: Published) -> None:
    client = as_("acme")

    report(client, talk, {**VIEWS, "views": 30, "occurred_at": "2026-01-07T00:00:00Z"})
    report(client, talk, {**VIEWS, "views": 20, "occurred_at": "2026-01-06T00:00:00+01:00"})
    report(client, talk, {**VIEWS, "platform": "x"})

    assert len(listed(client, talk)) == 3
    assert {(one["platform"], one["views"]) for one in listed(client, talk, current=True)} == {
        ("tiktok", 30),
        ("x", 10),
    }


def test_feedback_is_paged(as_: As, talk: Published) -> None:
    client, address = as_("acme"), f"/v1/clips/{talk.clip_id}/feedback"
    for n in range(3):
        report(client, talk, {"decision": "published", "report_key": f"k{n}"})

    first = client.get(address, params={"limit": 2}).json()
    second = client.get(address, params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [one["report_key"] for page in (first, second) for one in page["items"]] == ["k2", "k1", "k0"]


TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({}, 422, "send a decision, or platform, day"),
        ({"decision": "accepted", **VIEWS}, 422, "a decision has no platform"),
        ({"decision": "maybe"}, 422, "decision"),
        ({"platform": "tiktok", "day": "2026-01-05"}, 422, "at least one counter"),
        ({**VIEWS, "platform": "myspace"}, 422, "platform"),
        ({**VIEWS, "views": -1}, 422, "views"),
        ({**VIEWS, "views": 10**18}, 422, "views"),
        ({**VIEWS, "views": 1.5}, 422, "views"),
        ({**VIEWS, "likes": -(10**30)}, 422, "likes"),
        ({**VIEWS, "watched_s": "Infinity"}, 422, "watched_s"),
        ({**VIEWS, "watched_s": 304.0}, 400, "watched_s 304 is more than 10 views of 30 s"),
        ({"platform": "x", "day": "2026-01-05", "watched_s": 5}, 422, "watched_s needs views"),
        ({**VIEWS, "day": TOMORROW}, 422, "not between"),
        ({**VIEWS, "day": "1999-01-01"}, 422, "not between"),
        ({"decision": "accepted", "occurred_at": IN_AN_HOUR}, 422, "in the future"),
        ({"decision": "accepted", "occurred_at": "2026-01-01T00:00:00"}, 422, "timezone"),
        ({"decision": "accepted", "note": "\u202etxet"}, 422, "U+202E"),
        ({"decision": "accepted", "note": "a\0b"}, 422, "U+0000"),
        ({"decision": "accepted", "report_key": "a b"}, 422, "report_key"),
    ],
)
def test_an_impossible_report_is_refused_by_name(
    as_: As, talk: Published, content: dict[str, Any], status: int, said: str
) -> None:
    answer = as_("acme").post(f"/v1/clips/{talk.clip_id}/feedback", json=content)

    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_not_a_number_is_refused(as_: As, talk: Published) -> None:
    content = json.dumps({**VIEWS, "watched_s": float("nan")})

    answer = as_("acme").post(
        f"/v1/clips/{talk.clip_id}/feedback", content=content, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422


def test_a_clip_that_was_cut_anew_may_have_been_watched_longer(as_: As, talk: Published) -> None:
    client = as_("acme")
    client.patch(f"/v1/clips/{talk.clip_id}", json={"end_s": 20}, headers={"If-Match": "*"})

    late = report(client, talk, {**VIEWS, "watched_s": 300.0})

    assert late["watched_s"] == 300.0


def test_a_viewer_reads_feedback_and_gives_none(as_: As, talk: Published) -> None:
    client, address = as_("acme", "viewer"), f"/v1/clips/{talk.clip_id}/feedback"

    answers = [client.get(address), client.post(address, json={"decision": "accepted"})]
    by_file = client.post("/v1/feedback/import", content="", headers=NDJSON)

    assert [answer.status_code for answer in (*answers, by_file)] == [200, 403, 403]


def test_another_tenants_clip_takes_no_feedback(as_: As, talk: Published) -> None:
    client = as_("globex")

    one = client.post(f"/v1/clips/{talk.clip_id}/feedback", json={"decision": "accepted"})
    by_file = imported(client, json.dumps({"clip_id": talk.clip_id, **VIEWS}))

    assert one.status_code == 404
    assert (by_file["taken"], by_file["invalid"]) == (0, 1)
    assert listed(as_("acme"), talk) == []


def test_a_file_is_taken_line_by_line_and_changes_nothing_the_second_time(as_: As, talk: Published) -> None:
    client = as_("acme")
    lines = [
        {"clip_id": talk.clip_id, **VIEWS},
        {"clip_id": talk.clip_id, **VIEWS},
        {"clip_id": talk.clip_id, "decision": "accepted", "occurred_at": "2026-01-02T00:00:00Z"},
        {"clip_id": talk.clip_id, "decision": "accepted"},
        {"clip_id": f"{talk.video_id}.nope", **VIEWS},
        {"clip_id": talk.clip_id, **VIEWS, "views": -1},
    ]
    content = "\ufeff" + "\n".join(json.dumps(line) for line in lines) + '\n\n{"clip_id": \n' + "[" * 30_000 + "\n"

    first, second = imported(client, content), imported(client, content)

    assert (first["taken"], first["repeated"], first["invalid"]) == (2, 1, 5)
    assert [error["line"] for error in first["errors"]] == [6, 8, 9, 4, 5]
    assert "needs occurred_at or report_key" in first["errors"][3]["message"]
    assert (second["taken"], second["repeated"]) == (0, 3)
    assert len(listed(client, talk)) == 2


def test_a_spreadsheets_csv_is_read_with_its_quirks(as_: As, talk: Published) -> None:
    content = (
        "\ufeffclip_id,platform,day,views,watched_s,note\r\n"
        f'{talk.clip_id},tiktok,2026-01-05,10,200.5,"said ""wow"",\nand left"\r\n'
        f"{talk.clip_id},x,2026-01-05,=1+1,,\r\n"
        f"{talk.clip_id},x,2026-01-05,5\r\n"
        ",,,,,\r\n"
        f"{talk.clip_id},x,2026-01-06,5,,=HYPERLINK(1)\r\n"
    )
    client = as_("acme")

    result = imported(client, content, CSV)

    assert (result["taken"], result["invalid"]) == (2, 2)
    assert [error["line"] for error in result["errors"]] == [4, 5]
    assert {one["note"] for one in listed(client, talk)} == {'said "wow",\nand left', "=HYPERLINK(1)"}


@pytest.mark.parametrize(
    ("content", "headers", "said"),
    [
        ("clip_id;views\n", CSV, "no such column"),
        ("views,platform\n", CSV, "no column clip_id"),
        ("clip_id,clip_id\n", CSV, "twice"),
        ("x" * 70_000, CSV, "longer than"),
        (b"\xff\xfe\n", CSV, "not UTF-8"),
        ("{}", {"Content-Type": "application/json"}, "Content-Type"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    as_: As, talk: Published, content: str | bytes, headers: dict[str, str], said: str
) -> None:
    del talk
    answer = as_("acme").post("/v1/feedback/import", content=content, headers=headers)

    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_what_comes_before_an_unreadable_place_of_a_csv_is_taken(as_: As, talk: Published) -> None:
    content = (
        f'clip_id,platform,day,views\n{talk.clip_id},x,2026-01-05,5\n{talk.clip_id},"x,2026-01-05,5\n' + "y" * 70_000
    )

    result = imported(as_("acme"), content, CSV)

    assert (result["taken"], result["invalid"]) == (1, 1)
    assert "nor what follows" in result["errors"][0]["message"]


def test_errors_of_a_large_file_are_a_bounded_list_and_its_lines_are_added_in_batches(as_: As, talk: Published) -> None:
    good = [json.dumps({"clip_id": talk.clip_id, **VIEWS, "report_key": f"r{n}"}) for n in range(1200)]

    result = imported(as_("acme"), "\n".join(good + ["nonsense"] * 150))

    assert (result["taken"], result["invalid"], len(result["errors"])) == (1200, 150, 100)


@pytest.mark.parametrize("character", ["\0", "\u202e"])
def test_a_character_that_no_id_has_spoils_its_line_only(as_: As, talk: Published, character: str) -> None:
    client, good = as_("acme"), {"clip_id": talk.clip_id, **VIEWS}
    bad = {**good, "clip_id": talk.clip_id + character}

    by_json = imported(client, "\n".join(map(json.dumps, [bad, good])))
    by_csv = imported(client, f"clip_id,decision,report_key\n{bad['clip_id']},accepted,k\n", CSV)

    assert [(error["line"], by_json["taken"]) for error in by_json["errors"]] == [(1, 1)]
    assert by_csv["invalid"] == 1


def test_imports_that_wait_leave_room_for_everybody_else(
    app: FastAPI, tokens: Callable[..., str], talk: Published, empty_database: MigratedServer
) -> None:
    line = json.dumps({"clip_id": talk.clip_id, **VIEWS, "report_key": "r"})
    mine, others = ({"Authorization": f"Bearer {tokens(tenant)}"} for tenant in ("acme", "globex"))

    with TestClient(app) as client, ThreadPoolExecutor(20) as pool:
        with empty_database.superuser() as other, other.transaction():
            other.execute("select from videos where id = %s for update", [talk.video_id])
            imports = [
                pool.submit(client.post, "/v1/feedback/import", content=line, headers=mine | NDJSON) for _ in range(20)
            ]
            time.sleep(1.0)
            began = time.monotonic()
            answer = client.get("/v1/account", headers=others)
            waited_s = time.monotonic() - began
        done = [one.result().json() for one in imports]

    assert answer.status_code == 200
    assert waited_s < 5
    assert sum(one["taken"] for one in done) == 1
    assert sum(one["repeated"] for one in done) == 19


@pytest.mark.parametrize("headers", [NDJSON, CSV])
def test_a_file_of_too_many_lines_is_refused_and_what_came_before_is_taken_and_in_the_audit_trail(
    as_: As, talk: Published, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_feedback, "MOST_LINES", 3)
    monkeypatch.setattr(bulk_feedback, "LINES_AT_ONCE", 1)
    good = [json.dumps({"clip_id": talk.clip_id, **VIEWS, "report_key": f"r{n}"}) for n in range(4)]
    rows = ["clip_id,decision,report_key", *(f"{talk.clip_id},accepted,r{n}" for n in range(4))]
    client = as_("acme")

    answer = client.post("/v1/feedback/import", content="\n".join(rows if headers is CSV else good), headers=headers)

    taken = 2 if headers is CSV else 3
    event = client.get("/v1/audit-events").json()["items"][0]
    assert (answer.status_code, "more than 3 lines" in answer.json()["detail"]) == (400, True)
    assert (event["action"], event["details"]["taken"]) == ("feedback.imported", taken)
    assert len(listed(client, talk)) == taken
