"""What serves was promoted with a reason, is the file that was registered, and outlives MLflow's absence."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
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
from clip_platform.resources.model_registry import FOLDER, NAME, ModelRegistry
from clip_platform.resources.tracking import RECORD, TRAINING, Origin, Tracker

PASSED = Verdict((GateResult("offline", "passed", "no worse on 60 videos", {"z": np.float64(1.2)}),))
FIGURES = {"gain.png": b"\x89PNG a picture"}
WAITING = Verdict((*PASSED.results, GateResult("shadow", "waiting", "40 videos of 100; wait")))


def with_slope(model, slope):
    return replace(model, heads=replace(model.heads, slope=slope))


def promoted(registry, *versions):
    for version in versions:
        champion = registry.aliases().get("champion")
        registry.promote(version, reason="better", by="ann", verdict=PASSED, against=champion)


def fresh(mlflow_peer, tmp_path, name="other"):
    """A registry that has loaded nothing yet, as in another process."""
    return ModelRegistry(mlflow_peer.uri, tmp_path / name)


def test_a_run_says_all_that_the_model_was_made_of(client, mlflow_peer, versions, learned):
    run = client.get_run(versions[0].run_id)

    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == TRAINING
    assert run.data.metrics["tau"] == 0.1
    assert run.data.metrics["model/watched_clips"] == learned.model.facts["watched_clips"]
    assert run.data.params["label.num_leaves"] == str(learned.model.heads.label.params["num_leaves"])
    assert run.data.params["label"] == "engagement"
    tags = run.data.tags
    assert (tags["mlflow.source.git.commit"], tags["dagster.run_id"]) == ("abc123", "run-1")
    assert "http://127.0.0.1:3000/runs/run-1" in tags["mlflow.note.content"]
    assert (tags["feature_digest"], tags["data_digest"]) == (learned.model.feature_digest, learned.model.data_digest)
    assert run.inputs.dataset_inputs[0].dataset.digest == learned.model.data_digest
    assert mlflow_peer.file(run.info.run_id, "figures/gain.png").read_bytes() == FIGURES["gain.png"]
    assert versions[0].url == f"{mlflow_peer.uri}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def test_a_version_has_its_signature_and_nothing_that_runs_code(mlflow_peer, registry, versions):
    folder = mlflow_peer.file(versions[0].run_id, FOLDER)

    assert {path.name for path in folder.iterdir()} == {"model.json", "label.txt", "accept.txt", "MLmodel"}
    description = (folder / "MLmodel").read_text()
    assert all(name in description for name in ("duration_s", "tenant_id", "top_chance"))
    assert "python_function" not in description
    assert registry.describe(versions[0].version).run_url == versions[0].url


def test_a_run_that_breaks_off_is_failed_and_registers_nothing(client, mlflow_peer, registry, learned):
    tracker = Tracker(mlflow_peer.uri, registry)
    broken = replace(learned.model, feature_digest="9f3c00000000")
    before = len(client.search_model_versions(f"name = '{NAME}'"))

    with pytest.raises(FeatureMismatch):
        tracker.track_training(broken, recipe=Recipe(), metrics={}, figures={}, origin=Origin())

    newest = client.search_runs([client.get_experiment_by_name(TRAINING).experiment_id], max_results=1)[0]
    assert newest.info.status == "FAILED"
    assert len(client.search_model_versions(f"name = '{NAME}'")) == before


def test_before_the_first_promotion_nothing_serves(registry, numbers):
    assert registry.load_champion() is None
    assert registry.history() == []
    assert registry.load(numbers[0]).version == numbers[0]


def test_what_was_promoted_serves_as_it_was_trained_under_its_version(registry, numbers, learned):
    promoted(registry, numbers[2])

    champion = registry.load_champion()

    assert (champion.version, champion.note, champion.model.version) == (numbers[2], "", numbers[2])
    features, tenant = learned.fresh_examples.features, learned.fresh_examples.tenant
    assert np.array_equal(champion.model.raw(features, tenant), with_slope(learned.model, 0.3).raw(features, tenant))


@pytest.mark.parametrize(("verdict", "said"), [(None, "no gate has judged it"), (WAITING, "shadow: 40 videos of 100")])
def test_without_a_passed_verdict_nothing_is_promoted_unless_forced(registry, numbers, verdict, said):
    with pytest.raises(Conflict, match=said):
        registry.promote(numbers[0], reason="I like it", by="bob", verdict=verdict)
    assert registry.load_champion() is None
    assert registry.history() == []

    event = registry.promote(numbers[0], reason="I like it", by="bob", force=True)

    assert registry.load_champion().version == numbers[0]
    assert (event.forced, event.by, event.reason) == (True, "bob", "I like it")
    assert registry.history() == [event]


def test_a_verdict_that_was_recorded_counts_until_the_next(registry, numbers):
    registry.record_verdict(numbers[0], PASSED, against=None)
    registry.record_verdict(numbers[0], WAITING, against=None)

    with pytest.raises(Conflict, match="shadow"):
        registry.promote(numbers[0], reason="now", by="ann")
    registry.record_verdict(numbers[0], PASSED, against=None)

    assert registry.promote(numbers[0], reason="now", by="ann").gates == {"offline": "passed"}
    recorded = model_registry.recorded_verdict(registry.describe("champion").tags)
    assert recorded["gates"][0]["statistics"] == {"z": 1.2}


def test_a_verdict_against_another_champion_than_serves_says_nothing(registry, numbers):
    first, second, _ = numbers
    registry.record_verdict(second, PASSED, against=None)
    promoted(registry, first)

    with pytest.raises(Conflict, match=f"judged against the heuristic, but {first} serves now"):
        registry.promote(second, reason="it passed once", by="ann")

    assert registry.aliases() == {"champion": first}


@pytest.mark.parametrize("reason", ["", "  "])
def test_nobody_changes_what_serves_without_a_reason(registry, numbers, reason):
    with pytest.raises(InvalidInput, match="say why"):
        registry.promote(numbers[0], reason=reason, by="ann", force=True)
    with pytest.raises(InvalidInput, match="say why"):
        registry.roll_back(reason=reason, by="ann")


def test_an_alias_that_was_moved_by_hand_does_not_serve(client, registry, numbers):
    promoted(registry, numbers[0])
    client.set_registered_model_alias(NAME, "champion", numbers[1])

    with pytest.raises(Conflict, match=f"version {numbers[1]} was made champion past the gates"):
        registry.load_champion()

    registry.promote(numbers[1], reason="as it should be", by="ann", force=True)
    assert registry.load_champion().version == numbers[1]
    assert registry.aliases()["previous"] == numbers[0]


def test_rolling_back_goes_back_step_by_step_down_to_the_heuristic(registry, numbers):
    first, second, third = numbers
    promoted(registry, *numbers)
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


def test_a_version_that_was_rolled_back_serves_only_when_judged_and_promoted_anew(client, registry, numbers):
    first, second, _ = numbers
    promoted(registry, first, second)
    registry.roll_back(reason="worse", by="ann")
    client.set_registered_model_alias(NAME, "champion", second)

    with pytest.raises(Conflict, match="past the gates"):
        registry.load_champion()
    with pytest.raises(Conflict, match="no gate has judged it"):
        registry.promote(second, reason="again", by="ann")

    registry.promote(second, reason="it was the data", by="ann", verdict=PASSED, against=second)
    assert registry.load_champion().version == second
    assert registry.history()[0].replaced == first


def test_a_verdict_against_another_champion_than_serves_promotes_nobody(registry, numbers):
    first, second, third = numbers
    promoted(registry, first, second)
    registry.roll_back(reason="while the third was judged", by="ann")

    with pytest.raises(Conflict, match=f"judged against {second}, but {first} serves now"):
        registry.promote(third, reason="better", by="dagster", verdict=PASSED, against=second)
    assert registry.load_champion().version == first
    registry.promote(third, reason="better", by="dagster", verdict=PASSED, against=first)
    assert registry.load_champion().version == third


def test_rolling_back_restores_scores_exactly(registry, numbers, learned):
    features, tenant = learned.fresh_examples.features, learned.fresh_examples.tenant
    promoted(registry, numbers[0])
    before = registry.load_champion().model.score(features, tenant)
    promoted(registry, numbers[2])
    assert not np.array_equal(registry.load_champion().model.score(features, tenant).value, before.value)

    registry.roll_back(reason="worse", by="ann")

    after = registry.load_champion().model.score(features, tenant)
    assert after.version == before.version
    assert all(np.array_equal(getattr(after, name), getattr(before, name)) for name in ("value", "low", "high"))


def cut_before_the_champion(patch):
    """MLflow goes away just before the champion's alias is moved."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    moving = MlflowClient.set_registered_model_alias

    def moved(self, name, alias, version):
        if alias == "champion":
            raise MlflowException("connection reset")
        moving(self, name, alias, version)

    patch.setattr(MlflowClient, "set_registered_model_alias", moved)


def test_a_rollback_that_was_cut_off_is_finished_by_the_same_command(registry, numbers, monkeypatch):
    first, second, third = numbers
    promoted(registry, first, second, third)
    with monkeypatch.context() as patch:
        cut_before_the_champion(patch)
        with pytest.raises(StorageUnavailable):
            registry.roll_back(reason="worse", by="ann")
    assert registry.load_champion().version == third

    event = registry.roll_back(reason="worse", by="ann")

    assert (event.version, event.replaced) == (second, third)
    assert registry.load_champion().version == second
    assert registry.aliases()["previous"] == first
    assert [one.action for one in registry.history()] == ["rollback"] + ["promote"] * 3
    with pytest.raises(Conflict, match="no gate has judged it"):
        registry.promote(third, reason="again", by="ann")


def test_a_promotion_that_was_cut_off_is_finished_by_the_same_command(registry, numbers, monkeypatch):
    first, second, _ = numbers
    promoted(registry, first)
    with monkeypatch.context() as patch:
        cut_before_the_champion(patch)
        with pytest.raises(StorageUnavailable):
            promoted(registry, second)

    promoted(registry, second)

    assert registry.aliases() == {"champion": second, "previous": first}
    assert registry.history()[0].replaced == first
    assert registry.roll_back(reason="worse", by="ann").version == first


def test_a_challenger_that_is_promoted_by_hand_is_no_challenger_any_more(registry, numbers):
    registry.set_challenger(numbers[1])
    registry.promote(numbers[0], reason="a try", by="ann", force=True)
    assert registry.aliases()["challenger"] == numbers[1]
    registry.promote(numbers[1], reason="I like it", by="ann", force=True)
    assert registry.aliases() == {"champion": numbers[1], "previous": numbers[0]}


@pytest.fixture
def impatient(monkeypatch):
    """Without MLflow's pauses between tries."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.usefixtures("impatient")
def test_with_mlflow_away_the_last_champion_goes_on_and_says_so(mlflow_peer, registry, numbers, tmp_path):
    promoted(registry, numbers[1])
    with mlflow_peer.that_can_go() as line:
        served = ModelRegistry(line.uri, tmp_path / "there")
        assert served.load_champion().note == ""
        line.cut()

        for again in (served, ModelRegistry(line.uri, tmp_path / "there")):
            champion = again.load_champion()
            assert champion.version == numbers[1]
            assert f"no MLflow server answers at {line.uri}" in champion.note
            assert f"version {numbers[1]}, which served last, goes on" in champion.note
        with pytest.raises(StorageUnavailable, match="clip-platform up"):
            ModelRegistry(line.uri, tmp_path / "elsewhere").load_champion()
        with pytest.raises(StorageUnavailable):
            served.promote(numbers[0], reason="now", by="ann", force=True)


@pytest.mark.usefixtures("impatient")
def test_after_a_rollback_to_the_heuristic_an_absent_server_revives_no_model(mlflow_peer, registry, numbers, tmp_path):
    promoted(registry, numbers[0])
    with mlflow_peer.that_can_go() as line:
        served = ModelRegistry(line.uri, tmp_path / "there")
        assert served.load_champion() is not None
        served.roll_back(reason="worse", by="ann")
        assert served.load_champion() is None
        line.cut()

        with pytest.raises(StorageUnavailable):
            served.load_champion()


@pytest.fixture
def kept(mlflow_peer, versions):
    """The files of the second version, put back afterwards."""
    folder = mlflow_peer.file(versions[1].run_id, FOLDER)
    content = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path, data in content.items():
        path.write_bytes(data)


DAMAGES = {
    "one leaf": ("label.txt", lambda content: content.replace(b"leaf_value=", b"leaf_value=9", 1)),
    "pickled text": ("label.txt", lambda _content: pickle.dumps({"model": 1})),
    "cut": ("accept.txt", lambda content: content[: len(content) // 2]),
    "another slope": ("model.json", lambda content: content.replace(b'"slope": 0.2', b'"slope": 0.7')),
    "pickled document": ("model.json", lambda _content: pickle.dumps({"model": 1})),
    "empty": ("model.json", lambda _content: b""),
    "gone": ("label.txt", None),
}


def test_a_tampered_artifact_is_refused_and_the_last_good_one_kept(mlflow_peer, registry, numbers, kept, tmp_path):
    promoted(registry, numbers[0])
    server = fresh(mlflow_peer, tmp_path)
    assert server.load_champion().version == numbers[0]
    promoted(registry, numbers[1])

    for what, (name, damage) in DAMAGES.items():
        before = (kept / name).read_bytes()
        if damage is None:
            (kept / name).unlink()
        else:
            assert damage(before) != before, what
            (kept / name).write_bytes(damage(before))

        with pytest.raises(CorruptArtifact, match="roll back"):
            server.load_champion()

        (kept / name).write_bytes(before)
        assert server.last_good().version == numbers[0], what
        assert "from the local copy" in server.last_good().note
        places = {place.name for place in next((tmp_path / "other").iterdir()).iterdir()}
        assert places == {numbers[0], "champion.json"}, what
    assert server.load_champion().version == numbers[1]


def test_a_document_and_its_digests_changed_together_are_refused(mlflow_peer, registry, numbers, kept, tmp_path):
    promoted(registry, numbers[1])
    label, document = kept / "label.txt", kept / "model.json"
    label.write_bytes(label.read_bytes().replace(b"leaf_value=", b"leaf_value=9", 1))
    said = json.loads(document.read_text())
    said["sha256"]["label.txt"] = hashlib.sha256(label.read_bytes()).hexdigest()
    document.write_text(json.dumps(said))

    with pytest.raises(CorruptArtifact, match="not the one that was registered"):
        fresh(mlflow_peer, tmp_path).load_champion()


def test_a_damaged_local_copy_is_fetched_again(mlflow_peer, registry, numbers, tmp_path):
    promoted(registry, numbers[0])
    fresh(mlflow_peer, tmp_path).load_champion()
    copy = next((tmp_path / "other").glob(f"*/{numbers[0]}/label.txt"))
    copy.write_text("tree\nrotten")

    assert fresh(mlflow_peer, tmp_path).load_champion().version == numbers[0]
    assert copy.read_text() != "tree\nrotten"


def test_a_foreign_feature_digest_is_refused_at_every_door(registry, numbers, mlflow_peer, tmp_path, monkeypatch):
    promoted(registry, numbers[0])
    monkeypatch.setattr("clip_platform.ml.saved.feature_digest", lambda: "51ab00000000")
    server = fresh(mlflow_peer, tmp_path)

    for asked in (
        server.load_champion,
        lambda: server.load(numbers[0]),
        lambda: server.promote(numbers[1], reason="new", by="ann", force=True),
    ):
        with pytest.raises(FeatureMismatch, match="this code computes 51ab00000000"):
            asked()
    assert server.aliases() == {"champion": numbers[0]}


def test_a_version_that_somebody_else_registered_is_refused(client, registry, versions):
    run = client.get_run(versions[0].run_id)
    source = f"{run.info.artifact_uri}/figures"
    version = client.create_model_version(NAME, source, run.info.run_id, await_creation_for=0).version

    with pytest.raises(CorruptArtifact, match="nothing vouches for its files"):
        registry.promote(version, reason="found it", by="ann", force=True)


def test_a_challenger_is_tried_and_serves_nobody(registry, numbers):
    registry.set_challenger(numbers[0])

    assert registry.load_champion() is None
    assert registry.load("challenger").version == numbers[0]


@pytest.mark.parametrize("version", ["99", "best"])
def test_what_is_not_there_is_named(registry, version):
    for asked in (
        registry.describe,
        registry.load,
        registry.set_challenger,
        lambda name: registry.promote(name, reason="x", by="ann", force=True),
    ):
        with pytest.raises(NotFound, match=version):
            asked(version)


def test_versions_are_compared_side_by_side(registry, numbers):
    first, second = registry.compare(numbers[0], numbers[2])

    assert (first.metrics["tau"], second.metrics["tau"]) == (0.1, 0.3)
    assert first.parameters == second.parameters


def test_loading_costs_less_than_half_a_second_from_the_server_and_from_the_copy(
    mlflow_peer, registry, numbers, tmp_path
):
    promoted(registry, numbers[0])
    servers = [fresh(mlflow_peer, tmp_path, name) for name in ("a", "b", "a", "b")]

    seconds = []
    for server in servers:
        begun = time.process_time()  # ours alone: other processes of the machine have no part in it
        server.load_champion()
        seconds.append(time.process_time() - begun)

    assert min(seconds[:2]) < 0.5
    assert min(seconds[2:]) < 0.25


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


def test_a_run_without_a_readable_record_cannot_be_repeated(mlflow_peer, registry, versions):
    tracker = Tracker(mlflow_peer.uri, registry)
    training = versions[0].run_id

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


def test_mlflow_sends_no_telemetry_unless_the_operator_says_so(tmp_path: Path):
    script = """
import sys
from pathlib import Path
from clip_platform.resources.model_registry import ModelRegistry
ModelRegistry("http://127.0.0.1:9", Path(sys.argv[1]))
from mlflow.telemetry import client
print(client.get_telemetry_client())
"""
    others = ("MLFLOW_DISABLE_TELEMETRY", "CI", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK")  # each would turn it off too
    environment = {name: value for name, value in os.environ.items() if name not in others}

    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, env=environment, check=True
    )

    assert answer.stdout.strip() == "None"
