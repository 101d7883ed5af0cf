"""One number for a whole video, and what is told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from clip_platform.cli.display import STAGE_ASSETS
from clip_platform.database import events, progress, usage, video_log, videos
from clip_platform.database.connection import Database
from clip_platform.database.progress import WEIGHTS, AssetProgress, overall
from clip_platform.errors import Superseded
from tests.database.conftest import RegisterVideo


def said(stage: str, asset: str, share: float) -> AssetProgress:
    return AssetProgress(stage, asset, share, "", datetime(2026, 1, 1, tzinfo=UTC))


def test_the_weights_name_every_asset_and_sum_to_the_whole():
    assert {stage: set(assets) for stage, assets in WEIGHTS.items()} == {
        stage: set(assets) for stage, assets in STAGE_ASSETS.items()
    }
    assert sum(weight for assets in WEIGHTS.values() for weight in assets.values()) == pytest.approx(100)


def test_the_whole_never_goes_back_as_assets_follow_each_other():
    reports: list[AssetProgress] = []
    percents = [overall(reports)]
    for stage, assets in WEIGHTS.items():
        for asset in assets:
            for share in (0.0, 0.5, 1.0):
                reports = [one for one in reports if one.asset != asset] + [said(stage, asset, share)]
                percents.append(overall(reports))

    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0.0, pytest.approx(100))


def test_what_a_run_leaves_out_is_done_but_not_what_runs_beside():
    rendering = overall([said("rendering", "edited_clips", 0.0)])
    speech = overall([said("media", "audio_track", 1.0), said("vision", "shots", 1.0)])

    assert rendering == pytest.approx(100 - sum(WEIGHTS["rendering"].values()) - sum(WEIGHTS["delivery"].values()))
    assert speech == pytest.approx(7 + WEIGHTS["vision"]["shots"])  # the transcript is still to come


def test_the_first_word_of_a_stage_is_told_once_in_an_attempt(database: Database, register_video: RegisterVideo):
    video = register_video()
    for run_id in ("run-1", "run-2"):
        token = videos.begin_attempt(database, "acme", video.video_id, run_id)
        for share in (0.0, 0.4, 1.0):
            progress.report(database, "acme", video.video_id, token, "media", "media_info", share)

    with database.tenant_transaction("acme") as connection:
        told = [(event.type, event.payload) for event in events.of_video(connection, video.video_id)]

    assert [(type_, payload["stage"], payload["attempt"]) for type_, payload in told] == [
        ("video.stage_changed", "media", 1),
        ("video.stage_changed", "media", 2),
    ]


def test_a_fenced_attempt_reports_nothing(database: Database, register_video: RegisterVideo):
    video = register_video()
    old = videos.begin_attempt(database, "acme", video.video_id, "run-1")
    videos.begin_attempt(database, "acme", video.video_id, "run-2")

    with pytest.raises(Superseded, match="run-2"):
        progress.report(database, "acme", video.video_id, old, "media", "media_info", 0.5)

    assert progress.read(database, "acme", video.video_id) == []


def test_completion_is_told_and_charged_the_first_time_only(database: Database, register_video: RegisterVideo):
    video = register_video()
    for run_id in ("run-1", "run-2"):
        token = videos.begin_attempt(database, "acme", video.video_id, run_id)
        videos.set_duration(database, "acme", video.video_id, token, Fraction(90))
        videos.complete(database, "acme", video.video_id, token)
    again = videos.requeue(database, "acme", video.video_id)
    token = videos.begin_attempt(database, "acme", video.video_id, "run-3")
    videos.complete(database, "acme", video.video_id, token)

    with database.tenant_transaction("acme") as connection:
        told = [event.type for event in events.of_video(connection, video.video_id)]
        minutes = usage.totals(connection).source_minutes
        known_s = videos.find(connection, video.video_id).duration_s

    assert again.completed_at is None
    assert told == ["video.completed", "video.completed"]  # a requeued video is a new promise
    assert (minutes, known_s) == (1.5, 90)


def test_the_last_failure_is_told_and_not_the_ones_before(database: Database, register_video: RegisterVideo):
    video = register_video()
    for turn in range(3):
        token = videos.begin_attempt(database, "acme", video.video_id, f"run-{turn}")
        videos.fail(database, "acme", video.video_id, token, "DeadlineExceeded", "too slow", "", False)

    with database.tenant_transaction("acme") as connection:
        told = events.of_video(connection, video.video_id)

    (failed,) = told
    assert failed.type == "video.failed"
    error = {"class": "DeadlineExceeded", "message": "too slow"}
    assert failed.payload == {"video_id": video.video_id, "state": "dead_lettered", "attempt": 3, "error": error}


def test_log_lines_are_short_paged_and_in_order(database: Database, register_video: RegisterVideo):
    video, other = register_video(), register_video()
    with database.tenant_transaction("acme") as connection:
        for turn in range(5):
            video_log.say(connection, "acme", video.video_id, 1, "media", "info", f"line {turn}\n{'x' * 2000}")
        video_log.say(connection, "acme", other.video_id, 1, "media", "info", "of another video")
        first = video_log.page(connection, video.video_id, 3)
        rest = video_log.page(connection, video.video_id, 3, first[-1].line_id)

    assert [line.message[:6] for line in (*first, *rest)] == [f"line {turn}" for turn in range(5)]
    assert {len(line.message) for line in first} == {video_log.LONGEST_MESSAGE}
