"""From reports to examples by the real assets: rows in Postgres, files by tenant and day, the same again the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import numpy as np
import pytest

from clip_platform.assets.learning import LEARNING
from clip_platform.evaluation.learning_path import computed_examples, same_examples
from clip_platform.evaluation.simulated_past import SimulatedPast
from clip_platform.ml import tables
from clip_platform.ml.examples import Examples
from clip_platform.ml.simulate import Clips, make_clips, make_world
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.learning_days import all_examples
from clip_platform.storage.objects import folder_of
from tests.conftest import MigratedServer

DAYS = 8
FIRST = datetime.now(UTC).date() - timedelta(days=DAYS + 1)


@dataclass
class Nobody:
    champion: None = None
    challenger: None = None


@dataclass(frozen=True)
class Past:
    server: MigratedServer
    resource: LearningResource
    clips: Clips
    simulated: SimulatedPast
    first: date
    last: date

    def materialize(self, first: date | None = None, last: date | None = None) -> dg.ExecuteInProcessResult:
        """All three assets over a range of days in one run."""
        tags = {
            "dagster/asset_partition_range_start": (first or self.first).isoformat(),
            "dagster/asset_partition_range_end": (last or self.last).isoformat(),
        }
        with dg.DagsterInstance.ephemeral(settings={"python_logs": {"python_log_level": "WARNING"}}) as instance:
            return dg.materialize(
                [*LEARNING],
                resources={"learning": self.resource},
                tags=tags,
                instance=instance,
            )

    def files(self) -> dict[str, bytes]:
        store = self.resource.store()
        return {
            key: b"".join(store.open_stream(key))
            for tenant in self.resource.tenants()
            for key in store.list_keys(f"{tenant}/learning")
        }


@pytest.fixture
def past(learning_resource: LearningResource, empty_database: MigratedServer) -> Past:
    """Twenty videos of eight days, four tenants; the heuristic serves."""
    world = make_world(3, tenants=4)
    clips = make_clips(world, 20, 4, days=(0, DAYS - 1))
    with empty_database.superuser() as connection:
        simulated = SimulatedPast(connection, learning_resource.store(), world, FIRST, exploration_share=0.3)
        simulated.begin()
        simulated.make(clips, 4, Nobody())
        for number in range(DAYS):
            simulated.report(FIRST + timedelta(days=number))
    return Past(empty_database, learning_resource, clips, simulated, FIRST, FIRST + timedelta(days=DAYS))


def _examples(past: Past) -> Examples:
    return all_examples(past.resource)


def test_examples_are_the_clips_with_what_was_reported(past: Past) -> None:
    assert past.materialize().success
    examples = _examples(past)
    assert len(examples) == len(past.clips)
    assert sorted(map(tuple, examples.features.tolist())) == sorted(map(tuple, past.clips.features.tolist()))
    assert examples.watched.sum() > 30
    assert examples.reviewed.sum() > 100
    assert 0.1 < examples.explored.mean() < 0.6
    with past.server.superuser() as connection:
        views = connection.execute("select sum(views) from clip_feedback").fetchone()
    assert views == (int(examples.trials[:, 0].sum()),)
    # a day that is made again has the same bytes
    before = past.files()
    assert len(before) > 15
    past.materialize()
    assert past.files() == before


def test_examples_are_those_of_the_arrays_that_the_rows_were_written_from(past: Past) -> None:
    past.materialize()
    path = _examples(past)
    same, counts = same_examples(path, computed_examples(past.simulated, past.last - timedelta(days=1)))
    assert same == 1.0
    assert 0.6 < counts < 1.05  # counters come in by the day, and are computed as if by the minute
    other = replace(path, explored=~path.explored)
    assert same_examples(other, path) == (0.0, 1.0)
    features = path.features.copy()
    features[:10, -1] += 1
    assert same_examples(replace(path, features=features), path) == (1 - 10 / len(path), 1.0)
    assert same_examples(path.where(np.arange(3)), path)[0] == 0.0


def test_a_file_that_cannot_be_read_fails_with_its_class(past: Past) -> None:
    past.materialize()
    tenant = next(tenant for tenant in past.resource.tenants() if past.resource.days("features", tenant))
    day = past.resource.days("features", tenant)[0]
    past.resource.put("features", tenant, day, b"no parquet")
    with pytest.raises(dg.Failure, match="CorruptArtifact"):
        dg.materialize(
            [*LEARNING],
            selection=dg.AssetSelection.assets("training_examples"),
            resources={"learning": past.resource},
            tags={f"dagster/asset_partition_range_{end}": day.isoformat() for end in ("start", "end")},
        )


def test_reports_that_come_late_change_examples_of_clips_made_earlier(past: Past) -> None:
    past.materialize()
    before = _examples(past)
    video, clip = before.video[before.watched][0], before.clip[before.watched][0]
    late = datetime.combine(past.last, time(12), UTC)
    with past.server.superuser() as connection:
        connection.execute(
            """insert into clip_feedback (feedback_id, tenant_id, video_id, clip_id, report_key, kind, platform, day,
                views, impressions, occurred_at, received_at, reported_by, clip_revision)
            select 'fbk_late', tenant_id, id, %s, 'late', 'counters', 'reels', %s, 1000, 1000, %s, %s, 'x', 1
            from videos where id = %s""",
            [clip, past.last, late, late, video],
        )
    past.materialize()
    after = _examples(past)
    row = int(np.flatnonzero((after.video == video) & (after.clip == clip))[0])
    assert after.trials[row, 1] == before.trials[row, 1] + 1000  # impressions


def test_what_a_tenant_deletes_goes_when_its_day_is_made_again(past: Past) -> None:
    past.materialize()
    tenant = _examples(past).tenant[0]
    with past.server.superuser() as connection:
        connection.execute("delete from videos where tenant_id = %s", [tenant])
    past.materialize()
    assert tenant not in _examples(past).tenant
    assert not [key for key in past.files() if key.startswith(f"{tenant}/")]


def test_files_are_sealed_with_their_tenants_key(past: Past) -> None:
    past.materialize()
    resource = past.resource.videos.object_store
    key = next(iter(past.files()))
    assert b"PAR1" not in (folder_of(resource.url) / key).read_bytes()


def test_features_of_another_version_are_left_out_and_counted(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    past.materialize()
    assert len(_examples(past)) > 0
    monkeypatch.setattr("clip_platform.scoring.features.VERSION", 99)
    tables.schema_of.cache_clear()
    try:
        result = past.materialize()
        assert len(_examples(past)) == 0
        made = result.asset_materializations_for_node("feature_snapshot")[0].metadata["left_out"].value
        assert made == {"features of another version": len(past.clips)}
    finally:
        tables.schema_of.cache_clear()


def test_an_empty_day_is_no_file(past: Past) -> None:
    quiet = past.first - timedelta(days=40)
    assert past.materialize(quiet, quiet).success
    assert past.files() == {}
