"""States, attempts and their tokens: of two overlapping attempts the older one never wins."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING

import psycopg
import pytest

from clip_platform.database import backlog, clips, leases, progress, results, roles, schema, videos
from clip_platform.database.clips import CandidateRow, ClipRow
from clip_platform.database.connection import Database
from clip_platform.database.leases import Holder
from clip_platform.database.results import AssetResult
from clip_platform.database.videos import VideoRow
from clip_platform.errors import AlreadyRunning, InvalidInput, StorageUnavailable, Superseded
from clip_platform.identifiers import StoredObject
from clip_platform.upload.states import MAX_ATTEMPTS, VideoState

if TYPE_CHECKING:
    from tests.conftest import MigratedServer
    from tests.database.conftest import RegisterVideo

ARTIFACT = StoredObject("acme/videos/x/shots.json", "cd" * 32, 5)
ELSEWHERE = Holder("elsewhere", 1, "1")


def begin(database: Database, video: VideoRow, run_id: str) -> str:
    return videos.begin_attempt(database, video.tenant_id, video.video_id, run_id)


def fail(database: Database, video: VideoRow, token: str, *, permanent: bool = False) -> VideoState:
    return videos.fail(
        database, "acme", video.video_id, token, "DeadlineExceeded", "too slow", "tail of stderr", permanent
    )


def result_of(video: VideoRow, fingerprint: str = "f1", asset: str = "shots", attempt: int = 1) -> AssetResult:
    return AssetResult(video.video_id, asset, fingerprint, ARTIFACT, attempt)


def test_a_registered_video_is_found_by_its_source_and_keeps_what_it_was_given(database, register_video: RegisterVideo):
    video = register_video(name="naïve “talk”: 100%;'--.mp4")

    found = videos.find_by_source(database, "acme", video.source.sha256, video.name)

    assert found == video
    assert (video.state, video.attempt, video.preferences) == (VideoState.SUBMITTED, 0, {"clips": 3})
    assert videos.find_by_source(database, "acme", video.source.sha256, "other.mp4") is None
    assert videos.find_by_source(database, "globex", video.source.sha256, video.name) is None


def test_a_name_that_is_no_text_is_stored_as_what_can_be_shown(database, register_video: RegisterVideo):
    video = register_video(name=b"caf\xe9.mp4".decode("utf-8", "surrogateescape"))

    assert video.name == "caf\\udce9.mp4"
    assert videos.find_by_source(database, "acme", video.source.sha256, "caf\udce9.mp4") == video


def test_videos_are_listed_newest_first_page_by_page(database, register_video: RegisterVideo):
    ids = sorted((register_video().video_id for _ in range(5)), reverse=True)

    first = [video.video_id for video in videos.list_videos(database, "acme", 3)]
    second = [video.video_id for video in videos.list_videos(database, "acme", 3, first[-1])]

    assert first + second == ids


def test_an_attempt_goes_from_submitted_to_completed(database, register_video: RegisterVideo):
    video = register_video()

    token = begin(database, video, "run-1")
    during = videos.get(database, "acme", video.video_id)
    videos.complete(database, "acme", video.video_id, token)

    assert (during.state, during.attempt, during.run_id) == (VideoState.PROCESSING, 1, "run-1")
    assert videos.get(database, "acme", video.video_id).state is VideoState.COMPLETED


def test_steps_of_one_run_join_one_attempt(database, register_video: RegisterVideo):
    video = register_video()

    first = videos.join_attempt(database, "acme", video.video_id, "run-1")
    second = videos.join_attempt(database, "acme", video.video_id, "run-1")

    assert first == second
    assert videos.get(database, "acme", video.video_id).attempt == 1


@pytest.mark.parametrize("write", ["commit", "complete", "fail", "publish"])
def test_the_older_of_two_attempts_cannot_write_anything(database, register_video: RegisterVideo, write: str):
    video = register_video()
    old = begin(database, video, "run-1")
    new = begin(database, video, "run-2")
    writes = {
        "commit": lambda token: results.commit(database, "acme", result_of(video), token),
        "complete": lambda token: videos.complete(database, "acme", video.video_id, token),
        "fail": lambda token: fail(database, video, token),
        "publish": lambda token: clips.publish(database, "acme", video.video_id, token, [], []),
    }

    with pytest.raises(Superseded, match="run-2"):
        writes[write](old)
    untouched = videos.get(database, "acme", video.video_id)
    writes[write](new)

    assert (untouched.state, untouched.attempt_token) == (VideoState.PROCESSING, new)
    assert results.current(database, "acme", video.video_id, "shots") == (
        result_of(video) if write == "commit" else None
    )


def test_a_run_that_lost_its_attempt_cannot_take_it_back(database, register_video: RegisterVideo):
    video = register_video()
    begin(database, video, "run-1")
    new = begin(database, video, "run-2")

    with pytest.raises(Superseded, match="run-1"):
        videos.join_attempt(database, "acme", video.video_id, "run-1")

    assert videos.get(database, "acme", video.video_id).attempt_token == new


def test_a_commit_and_a_new_attempt_at_the_same_moment_do_not_both_win(database, register_video: RegisterVideo):
    video = register_video()
    old = begin(database, video, "run-1")
    outcome: list[str] = []

    def late_commit() -> None:
        try:
            results.commit(database, "acme", result_of(video), old)
            outcome.append("committed")
        except Superseded:
            outcome.append("superseded")

    with database.tenant_transaction("acme") as connection:
        videos.fenced(connection, video.video_id, old)  # a beginning attempt holds this lock
        late = threading.Thread(target=late_commit)
        late.start()
        late.join(0.3)
        waited = late.is_alive()
        videos._begin(connection, videos._get(connection, video.video_id), "run-2")
    late.join(10)

    assert waited
    assert outcome == ["superseded"]
    assert results.current(database, "acme", video.video_id, "shots") is None


def test_transient_failures_may_be_tried_again_until_there_were_too_many(database, register_video: RegisterVideo):
    video = register_video()

    states = [fail(database, video, begin(database, video, f"run-{turn}")) for turn in range(MAX_ATTEMPTS)]

    assert states == [*[VideoState.FAILED] * (MAX_ATTEMPTS - 1), VideoState.DEAD_LETTERED]
    row = videos.get(database, "acme", video.video_id)
    assert (row.error_class, row.error_message, row.error_detail) == ("DeadlineExceeded", "too slow", "tail of stderr")


def test_completed_attempts_do_not_count_against_a_later_failure(database, register_video: RegisterVideo):
    video = register_video()
    for turn in range(MAX_ATTEMPTS + 1):
        videos.complete(database, "acme", video.video_id, begin(database, video, f"run-{turn}"))

    state = fail(database, video, begin(database, video, "last"))

    assert state is VideoState.FAILED


def test_a_permanent_failure_is_dead_lettered_at_once_and_can_be_requeued(
    database, sensors_database, register_video: RegisterVideo
):
    video = register_video()

    state = fail(database, video, begin(database, video, "run-1"), permanent=True)
    waiting = backlog.submitted(sensors_database, 10)
    requeued = videos.requeue(database, "acme", video.video_id)

    assert (state, waiting) == (VideoState.DEAD_LETTERED, [])
    assert (requeued.state, requeued.failures, requeued.error_class) == (VideoState.SUBMITTED, 0, None)
    assert [row.video_id for row in backlog.submitted(sensors_database, 10)] == [video.video_id]


def test_an_attempt_that_died_without_a_word_counts_as_a_failure(database, register_video: RegisterVideo):
    video = register_video()
    for turn in range(MAX_ATTEMPTS):
        token = begin(database, video, f"run-{turn}")  # none but the last one ends

    state = fail(database, video, token)

    assert state is VideoState.DEAD_LETTERED


def test_a_second_failure_of_one_attempt_keeps_the_first_ones_words(database, register_video: RegisterVideo):
    video = register_video()
    token = begin(database, video, "run-1")
    fail(database, video, token)

    again = videos.fail(database, "acme", video.video_id, token, "Other", "an echo", "", False)

    row = videos.get(database, "acme", video.video_id)
    assert (again, row.error_class, row.failures) == (VideoState.FAILED, "DeadlineExceeded", 1)


def test_a_failed_attempt_cannot_be_completed(database, register_video: RegisterVideo):
    video = register_video()
    token = begin(database, video, "run-1")
    fail(database, video, token)

    with pytest.raises(Superseded, match="failed and cannot become completed"):
        videos.complete(database, "acme", video.video_id, token)


def test_a_video_being_processed_cannot_be_requeued(database, register_video: RegisterVideo):
    video = register_video()
    begin(database, video, "run-1")

    with pytest.raises(InvalidInput, match="processing"):
        videos.requeue(database, "acme", video.video_id)


def test_the_latest_commit_is_current_and_older_fingerprints_stay_found(database, register_video: RegisterVideo):
    video = register_video()
    token = begin(database, video, "run-1")

    for fingerprint in ("f1", "f2", "f1"):
        results.commit(database, "acme", result_of(video, fingerprint), token)

    assert results.current(database, "acme", video.video_id, "shots") == result_of(video, "f1")
    assert results.find(database, "acme", video.video_id, "shots", "f2") == result_of(video, "f2")
    assert results.find(database, "acme", video.video_id, "shots", "f3") is None


def test_published_clips_replace_the_earlier_ones(database, register_video: RegisterVideo):
    video = register_video()
    token = begin(database, video, "run-1")
    clip = ClipRow("c1", 1, Fraction(1, 3), Fraction(20), 81.5, "Title", ("why",), {"video": ARTIFACT}, ("fit",), "m1")
    rejected = CandidateRow(None, Fraction(30), Fraction(33), None, "text", "too short")
    clips.publish(database, "acme", video.video_id, token, [clip], [rejected, rejected])

    other = ClipRow("c2", 1, Fraction(5), Fraction(25), 70.0, "Other", (), {}, (), "m1")
    before = clips.list_clips(database, "acme", video.video_id)
    clips.publish(database, "acme", video.video_id, token, [other], [])

    assert [(found.clip_id, found.start_s, found.files) for found in before] == [
        ("c1", Fraction("0.333333"), {"video": ARTIFACT})
    ]
    assert clips.list_clips(database, "acme", video.video_id) == [other]
    assert clips.list_candidates(database, "acme", video.video_id) == []


def test_progress_is_kept_told_to_listeners_and_forgotten_by_the_next_attempt(
    database, empty_database: MigratedServer, register_video: RegisterVideo
):
    video = register_video()
    token = begin(database, video, "run-1")
    with psycopg.connect(empty_database.url(driver="postgresql"), autocommit=True) as listener:
        listener.execute(f"listen {progress.CHANNEL}")
        for share in (0.1, 0.7, 1.5):
            progress.report(database, "acme", video.video_id, token, "speech", "transcript", share, "half-way")
        told = list(listener.notifies(timeout=5, stop_after=3))
    read = progress.read(database, "acme", video.video_id)
    begin(database, video, "run-2")

    assert [(row.asset, row.share, row.message) for row in read] == [("transcript", 1.0, "half-way")]
    assert video.video_id in told[0].payload
    assert progress.read(database, "acme", video.video_id) == []


def test_a_live_lease_keeps_others_out_and_says_who_holds_it(database, register_video: RegisterVideo):
    video = register_video()
    leases.acquire(database, "acme", video.video_id, "run-1", leases.this_process(), 30)

    with pytest.raises(AlreadyRunning, match=r"run run-1 \(process \d+ on .*works on video"):
        leases.acquire(database, "acme", video.video_id, "run-2", ELSEWHERE, 30)

    leases.acquire(database, "acme", video.video_id, "run-1", leases.this_process(), 30)
    leases.release(database, "acme", video.video_id, "run-1")
    leases.acquire(database, "acme", video.video_id, "run-2", ELSEWHERE, 30)


def test_a_lease_that_is_not_renewed_lapses(database, sensors_database, register_video: RegisterVideo):
    video = register_video()
    leases.acquire(database, "acme", video.video_id, "run-1", ELSEWHERE, 0.0)

    late = leases.lapsed(sensors_database)
    renewed = leases.renew(database, "acme", video.video_id, "run-1", 30)
    after = leases.lapsed(sensors_database)
    leases.renew(database, "acme", video.video_id, "run-1", 0.0)
    leases.acquire(database, "acme", video.video_id, "run-2", ELSEWHERE, 30)

    assert [(lease.tenant_id, lease.video_id, lease.run_id) for lease in late] == [("acme", video.video_id, "run-1")]
    assert (renewed, after) == (True, [])
    assert not leases.renew(database, "acme", video.video_id, "run-1", 30)


def test_a_dead_process_of_this_machine_holds_nothing_however_long_its_lease(
    database, sensors_database, register_video: RegisterVideo
):
    video = register_video()
    alive = leases.this_process()
    recycled = Holder(alive.host, alive.pid, "1")  # the number is ours now, the process was another
    leases.acquire(database, "acme", video.video_id, "run-1", recycled, 3600)

    lapsed = leases.lapsed(sensors_database)
    leases.acquire(database, "acme", video.video_id, "run-2", alive, 3600)

    assert [lease.run_id for lease in lapsed] == ["run-1"]
    assert not leases.is_dead(alive)
    assert not leases.is_dead(Holder("elsewhere", alive.pid, "1"))
    assert leases.lapsed(sensors_database) == []


def test_of_many_that_reach_for_a_free_lease_one_gets_it(database, register_video: RegisterVideo):
    video = register_video()
    won: list[str] = []

    def reach(run_id: str) -> None:
        try:
            leases.acquire(database, "acme", video.video_id, run_id, ELSEWHERE, 30)
            won.append(run_id)
        except AlreadyRunning:
            pass

    threads = [threading.Thread(target=reach, args=(f"run-{turn}",)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1


def test_the_backlog_takes_tenants_in_turn_and_each_ones_oldest_first(sensors_database, register_video: RegisterVideo):
    acme = [register_video("acme").video_id for _ in range(4)]
    globex = [register_video("globex").video_id for _ in range(2)]

    order = [video.video_id for video in backlog.submitted(sensors_database, 5)]

    assert order == [acme[0], globex[0], acme[1], globex[1], acme[2]]


def test_a_video_is_admitted_once(sensors_database, register_video: RegisterVideo):
    video = register_video()

    first = backlog.admit(sensors_database, [video.video_id])
    second = backlog.admit(sensors_database, [video.video_id])

    assert (first, second) == ([video.video_id], [])
    assert backlog.in_flight(sensors_database) == 1
    assert backlog.submitted(sensors_database, 10) == []


def test_the_tenant_of_a_video_is_known_to_whoever_knows_its_id(
    database, sensors_database, register_video: RegisterVideo
):
    video = register_video("globex")

    assert videos.tenant_of(database, video.video_id) == "globex"
    assert videos.tenant_of(sensors_database, video.video_id) == "globex"
    assert videos.tenant_of(database, "nobody's") is None


def test_a_server_that_is_not_there_is_a_transient_error():
    nowhere = Database("postgresql+psycopg://a:b@127.0.0.1:1/c")

    with pytest.raises(StorageUnavailable, match="does not answer"), nowhere.tenant_transaction("acme"):
        pass


def test_commands_that_migrate_at_once_wait_for_each_other(migrated_server: MigratedServer):
    with migrated_server.superuser() as connection:
        connection.execute(f"create database migrated_twice owner {roles.OWNER}")
    url = migrated_server.server.url(roles.OWNER, "migrated_twice")

    with ThreadPoolExecutor(2) as commands:
        outcomes = list(commands.map(schema.migrate, [url, url]))  # raises what any of them raised

    assert outcomes == [None, None]
