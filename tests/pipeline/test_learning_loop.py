"""The loop by its real assets on a real MLflow: trained, refused, promoted by force, the archive follows, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clip_platform.database import rescoring
from clip_platform.database.simulated import shown_values
from clip_platform.evaluation.simulated_past import SimulatedPast
from clip_platform.jobs import LEARNING
from clip_platform.ml.simulate import make_clips, make_world
from clip_platform.resources import model_registry
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.rescoring import day_ranges
from clip_platform.resources.training import Serving, roll_back_model, show_again
from clip_platform.sensors.learning import changed_champion
from tests.conftest import MigratedServer
from tests.peers.mlflow import MlflowPeer

DAYS = 40
TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=DAYS)


@dataclass
class Loop:
    server: MigratedServer
    learning: LearningResource
    models: ModelsResource
    instance: dg.DagsterInstance

    def run(self, *assets: str, days: tuple[date, date] | None = None, **config: Any) -> dict[str, Any]:
        """Materialises assets; the metadata of the last one."""
        tags = {}
        if days is not None:
            names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
            tags = dict(zip(names, (day.isoformat() for day in days), strict=True))
        result = dg.materialize(
            LEARNING,
            selection=dg.AssetSelection.assets(*assets),
            resources={"learning": self.learning, "models": self.models},
            tags=tags,
            instance=self.instance,
            run_config={"ops": {assets[-1]: {"config": config}}} if config else None,
        )
        found = result.asset_materializations_for_node(assets[-1])[0].metadata
        return {name: value.value for name, value in found.items()}

    def seen(self) -> dict[tuple[str, str], float]:
        """Scores as tenants see them."""
        with self.server.superuser() as connection:
            return shown_values(connection)


@pytest.fixture
def loop(
    learning_resource: LearningResource,
    empty_database: MigratedServer,
    mlflow_peer: MlflowPeer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Loop]:
    """Forty days of 220 videos, shown by the heuristic; a registered model of this test's own."""
    monkeypatch.setattr(model_registry, "NAME", "engagement-of-the-loop")
    world = make_world(7, tenants=3)
    clips = make_clips(world, 220, 8, days=(0, DAYS - 2))
    with empty_database.superuser() as connection:
        past = SimulatedPast(connection, learning_resource.store(), world, FIRST, exploration_share=0.2)
        past.begin()
        past.make(clips, 8, Serving(None, None))
        for number in range(DAYS):
            past.report(FIRST + timedelta(days=number))
    models = ModelsResource(mlflow_uri=mlflow_peer.uri, cache=str(tmp_path / "models"))
    with dg.DagsterInstance.ephemeral(settings={"python_logs": {"python_log_level": "ERROR"}}) as instance:
        yield Loop(empty_database, learning_resource, models, instance)


def test_the_loop(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MLFLOW_DISABLE_TELEMETRY", "true")
    days = (FIRST, TODAY - timedelta(days=1))
    loop.run("clip_feedback", "feature_snapshot", "training_examples", days=days)
    registry = loop.models.registry()

    # too little is no model, and no failure
    early = loop.run("engagement_model", as_of=str(FIRST + timedelta(days=8)))
    assert "the heuristic" in early["status"]
    assert registry.newest() is None

    trained = loop.run("engagement_model", as_of=str(TODAY))
    assert trained["status"] == "challenger"
    assert trained["watched_clips"] > 300
    assert trained["mlflow_run"].startswith(loop.models.mlflow_uri)
    assert trained["tenants"] == 3
    assert "data:image/png" in trained["tenants_plot"]
    version = trained["version"]

    # nobody is promoted without evidence, and the heuristic goes on serving
    judged = loop.run("champion", today=str(TODAY))
    assert judged["action"] == "goes on"
    assert "heuristic serves" in loop.run("model_health", today=str(TODAY))["status"]
    assert "explored videos" in judged["reason"]
    assert loop.models.serving(is_expected=True).champion is None
    assert loop.models.serving(is_expected=True).challenger is not None
    before = loop.seen()

    # another model serves: a sensor asks for the archive, the archive follows, tenants see all of it at once
    registry.promote(version, reason="a test", by="somebody", force=True)
    with loop.server.superuser() as connection:  # a version that served long ago left its scores
        connection.execute("""
            insert into clip_scores (tenant_id, video_id, clip_id, model_version, value, low, high, band, top_chance)
            select tenant_id, video_id, clip_id, 'long ago', 1, 0, 2, 'low', 0 from clips limit 1""")
    requests = _asked(loop)
    assert requests
    assert {request.tags["dagster/priority"] for request in requests} == {"-10"}
    for request in requests:
        first, last = (
            date.fromisoformat(request.tags[f"dagster/asset_partition_range_{end}"]) for end in ("start", "end")
        )
        rescored = loop.run("rescored_clips", days=(first, last))
    assert rescored["shown"] == "yes"
    assert rescored["clips"] == len(before)
    assert loop.seen() != before
    with loop.server.superuser() as connection:
        assert connection.execute("select distinct model_version from clip_scores").fetchall() == [(version,)]
    assert set(rescoring.shown(loop.learning.scores()).values()) == {version}
    assert _asked(loop, cursor=True) == []

    # again is nothing new but the last days
    again = loop.run("rescored_clips", days=days)
    assert again["days_skipped"] >= DAYS - 3
    assert again["tenants_flipped"] == 0

    # how the model does is measured for three weeks, in numbers and pictures
    health = loop.run("model_health", today=str(TODAY))
    assert health["model"] == version
    assert health["asks_for_training"] is False

    # back is exactly back
    roll_back_model(registry, loop.learning, reason="a test", by="somebody")
    assert loop.seen() == before
    assert loop.models.serving(is_expected=True).champion is None

    # and forth: a version that was rolled back may serve again, although another one was to be shown meanwhile
    assert not show_again(loop.learning, "another")
    registry.promote(version, reason="a test", by="somebody", force=True)
    assert loop.run("rescored_clips", days=(TODAY, TODAY))["shown"] == "yes"
    assert loop.seen() != before


def _asked(loop: Loop, *, cursor: bool = False) -> list[dg.RunRequest]:
    """What the sensor requests; with `cursor` when it has asked for this champion already."""
    seen = _tick(loop, None).cursor if cursor else None
    found = _tick(loop, seen)
    return list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []


def _tick(loop: Loop, seen: str | None) -> Any:
    resources = {"learning": loop.learning, "models": loop.models}
    with dg.build_sensor_context(instance=loop.instance, resources=resources, cursor=seen) as context:
        return changed_champion(context)


def test_days_are_asked_for_in_bounded_ranges_newest_first() -> None:
    days = [date(2026, 1, 1), date(2026, 3, 1), date(2026, 5, 10)]
    ranges = day_ranges(days, most=60)
    assert ranges[0] == (date(2026, 3, 12), date(2026, 5, 10))
    assert ranges[-1][0] == date(2026, 1, 1)
    assert all((last - first).days < 60 for first, last in ranges)
    assert sum((last - first).days + 1 for first, last in ranges) == (days[-1] - days[0]).days + 1
    assert day_ranges([]) == []
