"""Sensors notice, register and request; the rows are real."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from clip_platform.database import leases, recovery, tenants, videos
from clip_platform.database.leases import Holder
from clip_platform.database.videos import VideoRow
from clip_platform.definitions import build_definitions
from clip_platform.errors import AlreadyRunning
from clip_platform.identifiers import StoredObject, new_ulid
from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.videos import VideosResource
from clip_platform.sensors.abandoned import abandoned_runs
from clip_platform.sensors.endings import PROCESS_TAG, end_dead_runs, end_run, process_tag
from clip_platform.sensors.uploads import finished_uploads
from clip_platform.upload.states import VideoState
from tests.conftest import MigratedServer


class Queue:
    """Submits videos and ticks the sensors."""

    def __init__(self, videos_resource: VideosResource, backlog: BacklogResource, instance: dg.DagsterInstance) -> None:
        self.database = videos_resource.database.get()
        self.videos_resource, self.backlog, self.instance = videos_resource, backlog, instance

    def submit(self, tenant_id: str) -> VideoRow:
        tenants.ensure(self.database, tenant_id, tenant_id)
        video_id = new_ulid()
        source = StoredObject(f"{tenant_id}/videos/{video_id}/source/x", "ab" * 32, 10)
        return videos.register(
            self.database, tenant_id, video_id=video_id, name="talk.mp4", source=source, preferences={}
        )

    def tick(self, sensor: dg.SensorDefinition) -> dg.SensorResult | dg.SkipReason:
        resources = {"backlog": self.backlog, "videos": self.videos_resource}
        needed = {name: resources[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(
            instance=self.instance, definitions=build_definitions(), resources=needed
        ) as context:
            return sensor(context)

    def row(self, video: VideoRow) -> VideoRow:
        return videos.get(self.database, video.tenant_id, video.video_id)


@pytest.fixture
def queue(videos_resource: VideosResource, backlog_resource: BacklogResource, instance: dg.DagsterInstance) -> Queue:
    return Queue(videos_resource, backlog_resource, instance)


def test_as_many_runs_as_there_are_slots_round_robin_over_tenants(queue: Queue) -> None:
    first, _second, other = queue.submit("acme"), queue.submit("acme"), queue.submit("globex")

    result = queue.tick(finished_uploads)

    assert isinstance(result, dg.SensorResult)
    assert [request.partition_key for request in result.run_requests or []] == [first.video_id, other.video_id]
    assert isinstance(queue.tick(finished_uploads), dg.SkipReason)


def test_a_resubmitted_video_asks_for_a_fresh_run(queue: Queue) -> None:
    video = queue.submit("acme")
    queue.tick(finished_uploads)
    token = videos.begin_attempt(queue.database, "acme", video.video_id, "run-1")
    videos.fail(queue.database, "acme", video.video_id, token, "NoSpeech", "nobody speaks", "", permanent=True)
    videos.requeue(queue.database, "acme", video.video_id)

    result = queue.tick(finished_uploads)

    assert isinstance(result, dg.SensorResult)
    assert [request.run_key for request in result.run_requests or []] == [f"{video.video_id}:2"]


def test_a_run_whose_process_died_is_ended_and_its_video_submitted_again(queue: Queue) -> None:
    video = queue.submit("acme")
    run_id = queue.instance.create_run_for_job(build_definitions().resolve_job_def("process_video")).run_id
    videos.begin_attempt(queue.database, "acme", video.video_id, run_id)
    dead = Holder(leases.this_process().host, 1 << 22, "0")
    leases.acquire(queue.database, "acme", video.video_id, run_id, dead, ttl_s=60)

    queue.tick(abandoned_runs)

    run = queue.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert queue.row(video).state is VideoState.SUBMITTED


def test_a_live_run_is_left_alone(queue: Queue) -> None:
    video = queue.submit("acme")
    videos.begin_attempt(queue.database, "acme", video.video_id, "run-1")
    leases.acquire(queue.database, "acme", video.video_id, "run-1", leases.this_process(), ttl_s=60)

    queue.tick(abandoned_runs)

    assert queue.row(video).state is VideoState.PROCESSING


def test_an_older_runs_failure_does_not_touch_a_video_admitted_again(
    queue: Queue, empty_database: MigratedServer
) -> None:
    video = queue.submit("acme")
    queue.tick(finished_uploads)
    token = videos.begin_attempt(queue.database, "acme", video.video_id, "run-1")
    videos.fail(queue.database, "acme", video.video_id, token, "NoSpeech", "nobody speaks", "", permanent=False)
    with empty_database.superuser() as connection:
        connection.execute("update videos set retry_at = now()")
    queue.videos_resource.resubmit(queue.backlog.failed())
    queue.tick(finished_uploads)

    touched = queue.videos_resource.abandon(video.video_id, "run-1", "late news", attempt=1)

    assert not touched
    assert queue.row(video).state is VideoState.ADMITTED


def test_a_run_that_never_began_is_asked_for_again_under_another_key(queue: Queue) -> None:
    video = queue.submit("acme")
    first = queue.tick(finished_uploads)
    queue.videos_resource.abandon(video.video_id, "run-1", "it crashed on start", attempt=1)
    queue.videos_resource.resubmit(queue.backlog.failed())

    second = queue.tick(finished_uploads)

    assert isinstance(first, dg.SensorResult)
    assert isinstance(second, dg.SensorResult)
    keys = [request.run_key for result in (first, second) for request in result.run_requests or []]
    assert len(set(keys)) == 2  # Dagster silently drops a key it has seen


def test_a_video_whose_run_request_was_lost_waits_again(queue: Queue, empty_database: MigratedServer) -> None:
    lost, queued = queue.submit("acme"), queue.submit("globex")
    queue.tick(finished_uploads)
    job = build_definitions().resolve_job_def("process_video")
    queue.instance.create_run_for_job(job, tags={"dagster/partition": queued.video_id})
    with empty_database.superuser() as connection:
        connection.execute("update videos set updated_at = now() - interval '10 minutes'")

    queue.tick(abandoned_runs)

    assert queue.row(lost).state is VideoState.SUBMITTED
    assert queue.row(queued).state is VideoState.ADMITTED


def test_a_command_that_was_killed_leaves_no_run_behind(queue: Queue) -> None:
    job = build_definitions().resolve_job_def("process_video")
    holder = leases.this_process()
    runs = {
        name: queue.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED).run_id
        for name, tags in {
            "dead": {PROCESS_TAG: process_tag(Holder(holder.host, 1 << 22, "0"))},
            "living": {PROCESS_TAG: process_tag(holder)},
            "launched": {},
        }.items()
    }

    ended = end_dead_runs(queue.instance)

    assert ended == [runs["dead"]]


def test_stopping_one_run_leaves_another_ones_attempt_alone(queue: Queue) -> None:
    video = queue.submit("acme")
    videos.begin_attempt(queue.database, "acme", video.video_id, "theirs")
    leases.acquire(queue.database, "acme", video.video_id, "theirs", leases.this_process(), ttl_s=60)

    recovery.interrupt(queue.database, "acme", video.video_id, "ours")
    recovery.abandon(queue.database, "acme", video.video_id, "ours", "we died", attempt=2)

    assert queue.row(video).state is VideoState.PROCESSING
    with pytest.raises(AlreadyRunning, match="run theirs"):
        leases.refuse_if_held(queue.database, "acme", video.video_id)


def test_two_commands_with_the_same_file_at_once_make_one_video(queue: Queue) -> None:
    tenants.ensure(queue.database, "acme", "acme")

    def register(_number: int) -> str:
        video_id = new_ulid()
        source = StoredObject(f"acme/videos/{video_id}/source/x", "ab" * 32, 10)
        return videos.register_once(
            queue.database, "acme", video_id=video_id, name="talk.mp4", source=source, preferences={}
        ).video_id

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(register, range(4)))

    assert len(ids) == 1


def test_the_slots_of_a_run_that_its_launcher_reported_dead_are_freed(queue: Queue) -> None:
    job = build_definitions().resolve_job_def("process_video")
    run_id = queue.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE).run_id
    storage = queue.instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    assert storage.claim_concurrency_slot("gpu", run_id, "vision").is_claimed

    ended = end_run(queue.instance, run_id, "its process is gone")

    assert not ended  # it had ended already
    assert storage.claim_concurrency_slot("gpu", "another run", "vision").is_claimed
