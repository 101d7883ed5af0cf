"""What the clock and the alarms start: ranges of days that exist, and never a promotion."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from clip_platform.assets.training import GATES, day_of, gate_checks
from clip_platform.assets.watching import CHECKS
from clip_platform.database import rescoring
from clip_platform.definitions import build_definitions
from clip_platform.errors import InvalidInput
from clip_platform.ml import monitoring
from clip_platform.ml.gates import GateResult, Verdict
from clip_platform.partitions import days
from clip_platform.resources.learning import LearningResource
from clip_platform.sensors.learning import nightly_learning, nightly_rescoring, stale_model
from tests.conftest import MigratedServer
from tests.database.archive import make_clips, scores_csv

NIGHT = datetime(2026, 3, 2, 0, 20, tzinfo=UTC)


def _requested(schedule: dg.ScheduleDefinition, at: datetime) -> dg.RunRequest:
    (request,) = _all_requested(schedule, at)
    return request


def _all_requested(schedule: dg.ScheduleDefinition, at: datetime, **resources: Any) -> list[dg.RunRequest]:
    with dg.build_schedule_context(scheduled_execution_time=at, resources=resources) as context:
        return list(schedule.evaluate_tick(context).run_requests or [])


def _range(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"]


def test_at_night_yesterday_and_all_that_its_reports_change_is_made() -> None:
    request = _requested(nightly_learning, NIGHT)
    assert _range(request) == ("2026-01-25", "2026-03-01")
    assert set(_range(request)) <= set(days.get_partition_keys(current_time=NIGHT))


def test_at_night_the_last_days_are_scored_again_and_those_that_were_missed(
    learning_resource: LearningResource, empty_database: MigratedServer
) -> None:
    missed, scored = date(2026, 1, 7), date(2026, 1, 8)
    keys = {day: make_clips(empty_database, "acme", day) for day in (missed, scored)}
    door = learning_resource.scores()
    rescoring.begin(door, "7")
    rescoring.write_day(door, "7", scored, scores_csv("acme", keys[scored], 70))

    requests = _all_requested(nightly_rescoring, NIGHT.replace(hour=2), learning=learning_resource)

    assert [_range(request) for request in requests] == [("2026-02-28", "2026-03-02"), ("2026-01-07", "2026-01-07")]
    assert {request.tags["dagster/priority"] for request in requests} == {"-10"}
    assert len({request.run_key for request in requests}) == 2
    assert set(_range(requests[0])) <= set(days.get_partition_keys(current_time=NIGHT))

    rescoring.roll_back(door, None)
    assert len(_all_requested(nightly_rescoring, NIGHT, learning=learning_resource)) == 1


@pytest.mark.parametrize(
    ("metadata", "asks"),
    [({"asks_for_training": True}, True), ({"asks_for_training": False}, False), ({}, False)],
)
def test_a_stale_model_asks_for_a_training_and_nothing_else(metadata: dict[str, bool], asks: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.AssetMaterialization("model_health", metadata=metadata)
        instance.report_runless_asset_event(made)
        context = dg.build_sensor_context(instance=instance, definitions=build_definitions())
        found = stale_model.evaluate_tick(context)
    assert [request.run_key[:5] for request in found.run_requests or []] == (["stale"] if asks else [])
    assert stale_model.job_name == "train_model"


def test_every_alarm_is_a_check() -> None:
    assert tuple(CHECKS) == monitoring.CHECKS


def test_jobs_of_the_loop_resolve() -> None:
    definitions = build_definitions()
    for name in ("learn_daily", "train_model", "judge_models", "rescore_archive", "roll_back_model"):
        assert definitions.resolve_job_def(name).description


def test_a_day_that_is_none_is_refused_with_its_value() -> None:
    assert day_of("2026-02-03") == date(2026, 2, 3)
    with pytest.raises(InvalidInput, match="'yesterday' is no day; give one as YYYY-MM-DD"):
        day_of("yesterday")


def test_a_gate_that_waits_is_no_warning_and_one_that_fails_is() -> None:
    results = (GateResult("digest and parity", "passed", "fine"), GateResult("data", "waiting", "3 of 30"))
    waiting = {check.check_name: check for check in gate_checks(Verdict(results))}
    assert list(waiting) == [name.replace(" ", "_") for name in GATES]
    assert all(check.passed for check in waiting.values())
    assert waiting["data"].description == "waiting: 3 of 30"
    assert str(waiting["shadow"].description).startswith("not tried")
    failed = {check.check_name: check for check in gate_checks(Verdict((GateResult("data", "failed", "too few"),)))}
    assert not failed["data"].passed
    assert failed["data"].severity == dg.AssetCheckSeverity.WARN
