"""What a receiver gets, in which order, how often, and when it is given up. Time is moved, not waited for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import pairwise

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from clip_platform.database import outbox
from clip_platform.worker.webhooks import next_attempt_at
from tests.unit.network.servers import Peer, says, serving
from tests.worker.conftest import Office


def _told(peer: Peer) -> list[str]:
    """Ids of the events, as they came."""
    return [headers["webhook-id"] for _, _, headers, _ in peer.seen]


def test_a_receiver_gets_an_event_that_standardwebhooks_verifies(office: Office, video: Callable[[], str]) -> None:
    with serving(says(204)) as peer:
        _, secret = office.endpoint(peer.url("/hook?x=1"))
        video_id = video()
        event_id = office.event(video_id, name="naïve “talk”")
        office.rounds()

    ((method, path, headers, body),) = peer.seen
    content = Webhook(secret).verify(body, headers)
    assert (method, path, headers["content-type"]) == ("POST", "/hook?x=1", "application/json")
    assert headers["webhook-id"] == event_id
    assert content["type"] == "video.completed"
    assert content["data"] == {"video_id": video_id, "name": "naïve “talk”"}
    assert datetime.fromisoformat(content["timestamp"]).tzinfo is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    assert office.states() == ["succeeded"]


def test_a_backlog_is_worked_off_although_lanes_end_at_the_same_time(office: Office, video: Callable[[], str]) -> None:
    with serving(says(200)) as peer:
        office.endpoint(peer.url())
        for _ in range(6):
            office.event(video())
        office.dispatch()
        while running := office.rows("select id, args from jobs.procrastinate_jobs where status = 'todo'"):
            office.rows("update jobs.procrastinate_jobs set status = 'doing' returning 1")
            for job_id, args in running:  # each has finished, and is still there as running
                office.postman.deliver(**args, job_id=job_id)
            assert office.rows("select count(*) from jobs.procrastinate_jobs where status = 'todo'")[0][0] <= 2

    assert office.states() == ["succeeded"] * 6


def test_both_secrets_verify_while_a_rotation_lasts_and_only_the_new_one_after(office: Office) -> None:
    with serving(says(200)) as peer:
        endpoint_id, old = office.endpoint(peer.url())
        new = "whsec_" + "bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ="
        sealed = office.columns.seal("acme", outbox.SECRET_COLUMN, endpoint_id, new)
        office.rows(
            "update webhook_endpoints set previous_secret = secret, secret = %s, previous_secret_until = %s"
            " returning 1",
            sealed,
            office.clock() + timedelta(minutes=2),
        )
        office.event()
        office.rounds()
        office.clock.move(timedelta(minutes=3))
        office.event()
        office.rounds()

    during, after = peer.seen
    assert all(Webhook(secret).verify(during[3], during[2]) for secret in (old, new))
    assert Webhook(new).verify(after[3], after[2])
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after[3], after[2])


def test_an_endpoint_gets_the_events_it_asked_for_and_only_its_tenants(office: Office) -> None:
    with serving(says(200)) as every, serving(says(200)) as some, serving(says(200)) as other:
        office.endpoint(every.url())
        office.endpoint(some.url(), ("video.failed", "clip.rendered"))
        office.endpoint(other.url(), tenant_id="globex")
        completed, failed = office.event(), office.event(type_="video.failed")
        office.rounds()

    assert _told(every) == [completed, failed]
    assert _told(some) == [failed]
    assert _told(other) == []


def test_dispatching_twice_delivers_once(office: Office) -> None:
    with serving(says(200)) as peer:
        office.endpoint(peer.url())
        office.event()
        first, second = office.dispatch(), office.dispatch()
        office.rounds()
        office.rounds()

    assert (first, second) == (1, 0)
    assert len(peer.seen) == 1


def test_events_of_a_video_come_in_order_and_an_undelivered_one_holds_back_only_its_video(
    office: Office, video: Callable[[], str]
) -> None:
    stuck, free = video(), video()
    down = {stuck}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        says(503 if json.loads(peer.seen[-1][3])["data"]["video_id"] in down else 200)(handler)

    with serving(answer) as peer:
        office.endpoint(peer.url())
        expected = {video_id: [office.event(video_id, n=n) for n in range(5)] for video_id in (stuck, free)}
        office.rounds()
        while_down = _told(peer)
        down.clear()
        office.clock.move(timedelta(seconds=10))
        office.rounds()

    assert [each for each in while_down if each in expected[free]] == expected[free]
    assert [each for each in while_down if each in expected[stuck]] == expected[stuck][:1]
    assert [each for each in _told(peer)[len(while_down) :] if each in expected[stuck]] == expected[stuck]
    assert set(office.states()) == {"succeeded"}


def test_a_held_back_event_is_sent_when_the_one_before_it_is_given_up(office: Office, video: Callable[[], str]) -> None:
    with serving(says(500)) as peer:
        office.endpoint(peer.url())
        video_id = video()
        first, second = office.event(video_id), office.event(video_id)
        office.rounds()
        office.clock.move(timedelta(hours=24))
        office.rounds()
        office.rounds()

    assert _told(peer) == [first, first, second]
    assert office.states()[0] == "dead_lettered"


def test_waits_grow_to_hours_over_a_day_and_then_it_is_given_up(office: Office) -> None:
    with serving(says(500)) as peer:
        office.endpoint(peer.url())
        office.event()
        began = office.clock()
        office.rounds()
        while office.states() == ["pending"]:
            ((due,),) = office.rows("select next_attempt_at from webhook_deliveries")
            office.clock.now = due - timedelta(milliseconds=1)
            office.rounds()  # not before its time
            office.clock.now = due
            office.rounds()

    ((attempts, ended),) = office.rows("select attempts, ended_at from webhook_deliveries")
    at = [moment for (moment,) in office.rows("select at from webhook_attempts order by attempt")]
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
    assert office.states() == ["dead_lettered"]
    assert 12 <= attempts == len(peer.seen) == len(at) <= 30
    assert waits[0] < 10
    assert max(waits) <= 4 * 3600 * 1.21
    assert timedelta(hours=23, minutes=59) < ended - began < timedelta(hours=24, minutes=1)


def test_waits_double_and_are_spread() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)

    def wait_s(elapsed_s: float, chance: float) -> float:
        now = began + timedelta(seconds=elapsed_s)
        return (next_attempt_at(began, now, chance) - now).total_seconds()

    assert [wait_s(elapsed, 0.5) for elapsed in (0, 5, 10, 20, 40, 10**6)] == [5, 5, 10, 20, 40, 4 * 3600]
    assert (wait_s(100, 0.0), wait_s(100, 1.0)) == (80, 120)


@pytest.mark.parametrize(
    ("status", "words"), [(400, "400"), (302, "redirects are not followed"), (199 + 300, "must answer 2xx")]
)
def test_only_2xx_is_success_and_nothing_of_the_answer_is_kept(office: Office, status: int, words: str) -> None:
    with serving(says(status, b"secret words of the receiver", location="http://169.254.169.254/")) as peer:
        office.endpoint(peer.url())
        office.event()
        office.rounds()

    ((kept, error),) = office.rows("select status, error from webhook_attempts")
    assert len(peer.seen) == 1
    assert kept == status
    assert words in error
    assert "secret words" not in error
    assert office.states() == ["pending"]


def test_an_endless_answer_is_cut_off_and_its_status_counts(office: Office) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        for _ in range(1000):
            handler.wfile.write(bytes(100_000))

    with serving(endless) as peer:
        office.endpoint(peer.url())
        office.event()
        office.rounds()

    assert office.states() == ["succeeded"]


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://169.254.169.254/", "http://127.0.0.2:1/", "https://localhost/"]
)
def test_an_unsafe_endpoint_is_not_connected_to(office: Office, url: str) -> None:
    office.endpoint(url)
    office.event()
    office.rounds()

    ((status, error),) = office.rows("select status, error from webhook_attempts")
    assert status is None
    assert error


def test_a_receiver_that_is_gone_is_disabled_and_the_others_are_told(office: Office, video: Callable[[], str]) -> None:
    with serving(says(410)) as gone, serving(says(200)) as other:
        endpoint_id, _ = office.endpoint(gone.url(), ("video.completed",))
        office.endpoint(other.url(), ("webhook.endpoint_disabled",))
        video_id = video()
        office.event(video_id)
        office.event(video_id)
        office.rounds()
        office.rounds()
        office.event(video_id)
        office.rounds()

    ((state, reason),) = office.rows(
        "select state, state_reason from webhook_endpoints where endpoint_id = %s", endpoint_id
    )
    ((_, _, _, body),) = other.seen
    assert (state, len(gone.seen)) == ("disabled", 1)
    assert "410" in reason
    assert json.loads(body)["data"]["endpoint_id"] == endpoint_id
    assert (
        office.rows("select state from webhook_deliveries where endpoint_id = %s", endpoint_id)
        == [("dead_lettered",)] * 2
    )


def test_an_endpoint_that_failed_for_days_is_disabled_and_a_success_in_between_resets_that(office: Office) -> None:
    status = [500]
    with serving(lambda handler: says(status[0])(handler)) as peer:
        office.endpoint(peer.url())

        def fail_for(days: int) -> str:
            for _ in range(days * 2):
                office.event()
                office.rounds()
                office.clock.move(timedelta(hours=12))
            office.rounds()
            return str(office.rows("select state from webhook_endpoints")[0][0])

        after_two_days = fail_for(2)
        status[0] = 200
        office.event()
        office.rounds()
        recovered = office.rows("select state, failing_since from webhook_endpoints")
        status[0] = 500
        again_two_days = fail_for(2)
        after_four_days = fail_for(2)

    assert (after_two_days, recovered) == ("failing", [("enabled", None)])
    assert (again_two_days, after_four_days) == ("failing", "disabled")
    assert "pending" not in office.states()


def test_an_endpoint_has_two_lanes_however_much_waits(office: Office, video: Callable[[], str]) -> None:
    endpoint_id, _ = office.endpoint("http://127.0.0.1:9/")
    for _ in range(20):
        office.event(video())
    office.dispatch()
    office.dispatch()
    with office.services.database.tenant_transaction("acme") as connection:
        more = outbox.queue_due(connection, endpoint_id, office.clock())

    assert (len(office.queued()), more) == (2, 0)


def test_jobs_carry_ids_only(office: Office) -> None:
    office.endpoint("http://127.0.0.1:9/")
    office.event(name="private")
    office.dispatch()

    ((job),) = office.queued()
    assert set(job) == {"tenant_id", "endpoint_id", "delivery_id"}
    assert "private" not in str(job)
