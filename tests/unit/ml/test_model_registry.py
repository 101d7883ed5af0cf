"""What serves was promoted with a reason, is the file that was registered, and outlives MLflow's absence."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clip_platform.errors import Conflict, CorruptArtifact, FeatureMismatch, InvalidInput, NotFound, StorageUnavailable
from clip_platform.ml.backtest import backtest
from clip_platform.ml.experiment import Experiment, Source, simulated_examples
from clip_platform.ml.gates import GateResult, Verdict
from clip_platform.ml.recipe import Recipe
from clip_platform.resources import model_registry
from clip_platform.resources.mlflow_server import MlflowServer
from clip_platform.resources.model_registry import FOLDER, NAME, ModelRegistry
from clip_platform.resources.tracking import RECORD, TRAINING, Origin, Tracker

PASSED = Verdict((GateResult("offline", "passed", "no worse on 60 videos", {"z": np.float64(1.2)}),))
WAITING = Verdict((*PASSED.results, GateResult("shadow", "waiting", "40 videos of 100; wait")))
FIGURES = {"gain.png": b"\x89PNG a picture"}


@pytest.fixture(scope="module")
def client(mlflow_peer):
    with MlflowServer(mlflow_peer.uri).asked() as found:
        return found


@pytest.fixture
def registry(mlflow_peer, client, tmp_path):
    """An empty one."""
    if any(model.name == NAME for model in client.search_registered_models()):
        client.delete_registered_model(NAME)
    return ModelRegistry(mlflow_peer.uri, tmp_path / "cache")


@pytest.fixture
def track(mlflow_peer, registry, learned):
    """Tracks and registers a model whose heuristic slope is given, so that versions can be told apart."""

    def tracked(slope=0.2, **changes):
        model = replace(learned.model, heads=replace(learned.model.heads, slope=slope), **changes)
        origin = Origin("abc123", "run-1", "http://127.0.0.1:3000/runs/run-1")
        return Tracker(mlflow_peer.uri, registry).track_training(
            model, recipe=Recipe(), metrics={"tau": slope}, figures=FIGURES, origin=origin
        )

    return tracked


def promoted(registry, track, slope=0.2, **changes):
    run = track(slope, **changes)
    registry.promote(run.version, reason="better", by="ann", verdict=PASSED)
    return run


def fresh(mlflow_peer, tmp_path, name="other"):
    """A registry that has loaded nothing yet, as in another process."""
    return ModelRegistry(mlflow_peer.uri, tmp_path / name)


def test_a_run_says_all_that_the_model_was_made_of(client, mlflow_peer, track, learned):
    tracked = track(0.2)

    run = client.get_run(tracked.run_id)
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == TRAINING
    assert run.data.metrics["tau"] == 0.2
    assert run.data.metrics["model/watched_clips"] == learned.model.facts["watched_clips"]
    assert run.data.params["label.num_leaves"] == str(learned.model.heads.label.params["num_leaves"])
    assert run.data.params["label"] == "engagement"
    tags = run.data.tags
    assert (tags["mlflow.source.git.commit"], tags["dagster.run_id"]) == ("abc123", "run-1")
    assert "http://127.0.0.1:3000/runs/run-1" in tags["mlflow.note.content"]
    assert (tags["feature_digest"], tags["data_digest"]) == (learned.model.feature_digest, learned.model.data_digest)
    assert run.inputs.dataset_inputs[0].dataset.digest == learned.model.data_digest
    assert mlflow_peer.file(tracked.run_id, "figures/gain.png").read_bytes() == FIGURES["gain.png"]
    assert tracked.url == f"{mlflow_peer.uri}/#/experiments/{run.info.experiment_id}/runs/{tracked.run_id}"


def test_a_version_has_its_signature_and_nothing_that_runs_code(mlflow_peer, registry, track):
    tracked = track()

    folder = mlflow_peer.file(tracked.run_id, FOLDER)
    assert {path.name for path in folder.iterdir()} == {"model.json", "label.txt", "accept.txt", "MLmodel"}
    description = (folder / "MLmodel").read_text()
    assert all(name in description for name in ("duration_s", "tenant_id", "top_chance"))
    assert "python_function" not in description
    assert registry.describe(tracked.version).run_url == tracked.url


def test_a_run_that_breaks_off_is_failed_and_registers_nothing(client, mlflow_peer, registry, learned):
    tracker = Tracker(mlflow_peer.uri, registry)
    broken = replace(learned.model, feature_digest="9f3c00000000")

    with pytest.raises(FeatureMismatch):
        tracker.track_training(broken, recipe=Recipe(), metrics={}, figures={}, origin=Origin())

    newest = client.search_runs([client.get_experiment_by_name(TRAINING).experiment_id], max_results=1)[0]
    assert newest.info.status == "FAILED"
    assert registry.aliases() == {}


def test_before_the_first_promotion_nothing_serves(registry, track):
    assert registry.load_champion() is None

    version = track().version

    assert registry.load_champion() is None
    assert registry.load(version).version == version


def test_what_was_promoted_serves_as_it_was_trained_under_its_version(registry, track, learned):
    version = promoted(registry, track, 0.3).version

    champion = registry.load_champion()

    assert (champion.version, champion.note, champion.model.version) == (version, "", version)
    model = replace(learned.model, heads=replace(learned.model.heads, slope=0.3))
    features, tenant = learned.fresh_examples.features, learned.fresh_examples.tenant
    assert np.array_equal(champion.model.raw(features, tenant), model.raw(features, tenant))


@pytest.mark.parametrize(("verdict", "said"), [(None, "no gate has judged it"), (WAITING, "shadow: 40 videos of 100")])
def test_without_a_passed_verdict_nothing_is_promoted_unless_forced(registry, track, verdict, said):
    version = track().version

    with pytest.raises(Conflict, match=said):
        registry.promote(version, reason="I like it", by="bob", verdict=verdict)
    assert registry.load_champion() is None
    assert registry.history() == []

    event = registry.promote(version, reason="I like it", by="bob", force=True)

    assert registry.load_champion().version == version
    assert (event.forced, event.by, event.reason) == (True, "bob", "I like it")
    assert registry.history() == [event]


def test_a_verdict_that_was_recorded_counts_until_the_next(registry, track):
    version = track().version
    registry.record_verdict(version, PASSED)
    registry.record_verdict(version, WAITING)

    with pytest.raises(Conflict, match="shadow"):
        registry.promote(version, reason="now", by="ann")
    registry.record_verdict(version, PASSED)

    assert registry.promote(version, reason="now", by="ann").gates == {"offline": "passed"}
    recorded = model_registry.recorded_verdict(registry.describe("champion").tags)
    assert recorded["gates"][0]["statistics"] == {"z": 1.2}


@pytest.mark.parametrize("reason", ["", "  "])
def test_nobody_changes_what_serves_without_a_reason(registry, track, reason):
    version = track().version

    with pytest.raises(InvalidInput, match="say why"):
        registry.promote(version, reason=reason, by="ann", force=True)
    with pytest.raises(InvalidInput, match="say why"):
        registry.roll_back(reason=reason, by="ann")


def test_an_alias_that_was_moved_by_hand_does_not_serve(client, registry, track):
    good = promoted(registry, track, 0.1)
    other = track(0.2)
    client.set_registered_model_alias(NAME, "champion", other.version)

    with pytest.raises(Conflict, match=f"version {other.version} was made champion past the gates"):
        registry.load_champion()
    assert registry.last_good() is None  # nothing was loaded before

    registry.promote(other.version, reason="as it should be", by="ann", force=True)
    assert registry.load_champion().version == other.version
    assert registry.aliases()["previous"] == good.version


def test_rolling_back_goes_back_step_by_step_down_to_the_heuristic(registry, track):
    first, second, third = (promoted(registry, track, slope).version for slope in (0.1, 0.2, 0.3))
    assert registry.aliases() == {"champion": third, "previous": second}

    registry.roll_back(reason="worse", by="ann")
    assert (registry.load_champion().version, registry.aliases()["previous"]) == (second, first)
    registry.roll_back(reason="worse", by="ann")
    assert registry.aliases() == {"champion": first}
    last = registry.roll_back(reason="all are worse", by="ann")

    assert (last.version, last.replaced) == (None, first)
    assert registry.load_champion() is None
    assert [event.action for event in registry.history()] == ["rollback"] * 3 + ["promote"] * 3
    with pytest.raises(Conflict, match="nothing to roll back from"):
        registry.roll_back(reason="more", by="ann")


def test_a_version_that_was_rolled_back_serves_only_when_promoted_anew(client, registry, track):
    first, second = (promoted(registry, track, slope).version for slope in (0.1, 0.2))
    registry.roll_back(reason="worse", by="ann")
    client.set_registered_model_alias(NAME, "champion", second)

    with pytest.raises(Conflict, match="past the gates"):
        registry.load_champion()
    with pytest.raises(Conflict, match="no gate has judged it"):
        registry.promote(second, reason="again", by="ann")

    registry.promote(second, reason="it was the data", by="ann", verdict=PASSED)
    assert registry.load_champion().version == second
    assert registry.history()[0].replaced == first


def test_rolling_back_restores_scores_exactly(registry, track, learned):
    features, tenant = learned.fresh_examples.features, learned.fresh_examples.tenant
    promoted(registry, track, 0.1)
    before = registry.load_champion().model.score(features, tenant)
    promoted(registry, track, 0.9)
    assert not np.array_equal(registry.load_champion().model.score(features, tenant).value, before.value)

    registry.roll_back(reason="worse", by="ann")

    after = registry.load_champion().model.score(features, tenant)
    assert after.version == before.version
    assert all(np.array_equal(getattr(after, name), getattr(before, name)) for name in ("value", "low", "high"))


def test_with_mlflow_away_the_last_champion_goes_on_and_says_so(mlflow_peer, registry, track, tmp_path):
    version = promoted(registry, track).version
    with mlflow_peer.that_can_go() as line:
        served = ModelRegistry(line.uri, tmp_path / "there")
        assert served.load_champion().note == ""
        line.cut()

        for again in (served, ModelRegistry(line.uri, tmp_path / "there")):
            champion = again.load_champion()
            assert champion.version == version
            assert f"no MLflow server answers at {line.uri}" in champion.note
            assert f"version {version}, which served last, goes on" in champion.note
        with pytest.raises(StorageUnavailable, match="clip-platform up"):
            ModelRegistry(line.uri, tmp_path / "elsewhere").load_champion()
        with pytest.raises(StorageUnavailable):
            again.promote(version, reason="now", by="ann", force=True)


def test_after_a_rollback_to_the_heuristic_an_absent_server_revives_no_model(mlflow_peer, registry, track, tmp_path):
    promoted(registry, track)
    with mlflow_peer.that_can_go() as line:
        served = ModelRegistry(line.uri, tmp_path / "there")
        assert served.load_champion() is not None
        served.roll_back(reason="worse", by="ann")
        assert served.load_champion() is None
        line.cut()

        with pytest.raises(StorageUnavailable):
            served.load_champion()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("label.txt", lambda content: content.replace(b"leaf_value=", b"leaf_value=9", 1)),
        ("label.txt", lambda _content: pickle.dumps({"model": 1})),
        ("accept.txt", lambda content: content[: len(content) // 2]),
        ("model.json", lambda content: content.replace(b'"slope": 0.5', b'"slope": 0.7')),
        ("model.json", lambda _content: pickle.dumps({"model": 1})),
        ("model.json", lambda _content: b""),
        ("label.txt", None),
    ],
    ids=["one leaf", "pickled text", "cut", "another slope", "pickled document", "empty", "gone"],
)
def test_a_tampered_artifact_is_refused_and_the_last_good_one_kept(
    mlflow_peer, registry, track, tmp_path, name, damage
):
    good = promoted(registry, track, 0.1).version
    server = fresh(mlflow_peer, tmp_path)
    assert server.load_champion().version == good
    bad = promoted(registry, track, 0.5)
    path = mlflow_peer.file(bad.run_id, f"{FOLDER}/{name}")
    if damage is None:
        path.unlink()
    else:
        changed = damage(path.read_bytes())
        assert changed != path.read_bytes()
        path.write_bytes(changed)

    with pytest.raises(CorruptArtifact, match="roll back"):
        server.load_champion()

    assert server.last_good().version == good
    assert "from the local copy" in server.last_good().note
    assert sorted(place.name for place in next((tmp_path / "other").iterdir()).iterdir()) == sorted(
        [good, "champion.json"]
    )


def test_a_document_and_its_digests_changed_together_are_refused(mlflow_peer, registry, track, tmp_path):
    tracked = promoted(registry, track)
    label, document = (mlflow_peer.file(tracked.run_id, f"{FOLDER}/{name}") for name in ("label.txt", "model.json"))
    label.write_bytes(label.read_bytes().replace(b"leaf_value=", b"leaf_value=9", 1))
    said = json.loads(document.read_text())
    said["sha256"]["label.txt"] = model_registry._sha256(label)
    document.write_text(json.dumps(said))

    with pytest.raises(CorruptArtifact, match="not the one that was registered"):
        fresh(mlflow_peer, tmp_path).load_champion()


def test_a_damaged_local_copy_is_fetched_again(mlflow_peer, registry, track, tmp_path):
    version = promoted(registry, track).version
    fresh(mlflow_peer, tmp_path).load_champion()
    copy = next((tmp_path / "other").glob(f"*/{version}/label.txt"))
    copy.write_text("tree\nrotten")

    assert fresh(mlflow_peer, tmp_path).load_champion().version == version
    assert copy.read_text() != "tree\nrotten"


def test_a_foreign_feature_digest_is_refused_at_every_door(registry, track, mlflow_peer, tmp_path, monkeypatch):
    version = promoted(registry, track).version
    other = track(0.3).version
    monkeypatch.setattr("clip_platform.ml.saved.feature_digest", lambda: "51ab00000000")
    server = fresh(mlflow_peer, tmp_path)

    for asked in (server.load_champion, lambda: server.load(version),
                  lambda: server.promote(other, reason="new", by="ann", force=True)):  # fmt: skip
        with pytest.raises(FeatureMismatch, match="this code computes 51ab00000000"):
            asked()
    assert server.aliases() == {"champion": version}


def test_a_version_that_somebody_else_registered_is_refused(client, registry, track):
    run = client.get_run(track().run_id)
    version = client.create_model_version(
        NAME, f"{run.info.artifact_uri}/figures", run.info.run_id, await_creation_for=0
    ).version

    with pytest.raises(CorruptArtifact, match="nothing vouches for its files"):
        registry.promote(version, reason="found it", by="ann", force=True)


def test_a_challenger_is_tried_and_serves_nobody(registry, track):
    version = track().version
    registry.set_challenger(version)

    assert registry.load_champion() is None
    assert registry.load("challenger").version == version


@pytest.mark.parametrize("version", ["99", "best"])
def test_what_is_not_there_is_named(registry, track, version):
    track()

    for asked in (registry.describe, registry.load, registry.set_challenger,
                  lambda name: registry.promote(name, reason="x", by="ann", force=True)):  # fmt: skip
        with pytest.raises(NotFound, match=version):
            asked(version)


def test_versions_are_compared_side_by_side(registry, track):
    one, other = track(0.1).version, track(0.4).version

    first, second = registry.compare(one, other)

    assert (first.metrics["tau"], second.metrics["tau"]) == (0.1, 0.4)
    assert first.parameters == second.parameters


def test_loading_takes_less_than_half_a_second_from_the_server_and_from_the_copy(
    mlflow_peer, registry, track, tmp_path
):
    promoted(registry, track)
    places = (fresh(mlflow_peer, tmp_path, name) for name in ("a", "b", "c", "a", "b", "c"))

    seconds = []
    for server in places:
        begun = time.perf_counter()
        server.load_champion()
        seconds.append(time.perf_counter() - begun)

    assert min(seconds[:3]) < 0.5
    assert min(seconds[3:]) < 0.5


def test_an_experiment_is_the_same_again_from_its_record(mlflow_peer, registry):
    source, recipe = Source(simulated_clips=500, seed=2), Recipe(parameters={"rounds": 20}, tenant_parts=False)
    tracker, experiment = Tracker(mlflow_peer.uri, registry), Experiment(source, recipe, 7)
    test = backtest(simulated_examples(500, 2), seed=7, recipe=recipe)
    tracked = tracker.track_experiment(experiment, test, seconds=1.5, figures=FIGURES, origin=Origin())

    record = tracker.record_of(tracked.run_id[:8])
    again = backtest(record.source.read(), seed=record.seed, recipe=record.recipe)

    assert record == experiment
    shown = tracker.experiment_run(tracked.run_id)
    assert {**again.metrics, "seconds": 1.5} == shown.metrics
    assert again.model.data_digest == shown.data_digest
    assert tracker.experiments(1)[0] == shown


def test_a_run_without_a_readable_record_cannot_be_repeated(mlflow_peer, registry, track):
    tracker = Tracker(mlflow_peer.uri, registry)
    training = track().run_id

    with pytest.raises(InvalidInput, match=f"has no {RECORD} that can be read"):
        tracker.record_of(training)
    with pytest.raises(InvalidInput, match="too short"):
        tracker.record_of("ab")
    with pytest.raises(NotFound):
        tracker.record_of("0" * 32)


def test_a_uri_that_is_no_server_is_said_at_once(tmp_path: Path):
    begun = time.perf_counter()

    with pytest.raises(StorageUnavailable, match=r"no MLflow server answers at http://127\.0\.0\.1:9"):
        ModelRegistry("http://127.0.0.1:9/", tmp_path).history()

    assert time.perf_counter() - begun < 5
