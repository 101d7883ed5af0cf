"""`model` and `experiment` on the command line, against MLflow's real server."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from clip_platform.cli.commands import cli
from clip_platform.ml import tables
from clip_platform.ml.experiment import simulated_examples
from clip_platform.ml.gates import GateResult, Verdict

WAITING = Verdict((GateResult("offline", "passed", "no worse"), GateResult("shadow", "waiting", "40 videos of 100")))


@pytest.fixture
def run(mlflow_peer, monkeypatch, tmp_path):
    monkeypatch.setenv("CLIP_PLATFORM_MLFLOW_URI", mlflow_peer.uri)
    monkeypatch.setenv("CLIP_PLATFORM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


def run_ids(output):
    return re.findall(r"│ ([0-9a-f]{12}) │", output)


def test_promotion_by_hand_goes_through_the_gates_or_is_forced_with_a_reason(run, registry, numbers):
    registry.record_verdict(numbers[0], WAITING, against=None)

    refused = run("model", "promote", numbers[0], "--reason", "now")
    assert refused.exit_code == 2
    assert f"version {numbers[0]} is not promoted: shadow: 40 videos of 100" in refused.output
    assert run("model", "promote", numbers[0]).exit_code == 2  # no reason
    forced = run("model", "promote", numbers[0], "--reason", "the judge is ill", "--force")

    assert forced.output == f"version {numbers[0]} serves now, heuristic before, forced past the gates\n"
    history = run("model", "history").output
    assert "the judge is ill" in history
    assert "forced; shadow: waiting" in history
    assert f"champion: version {numbers[0]}" in history


def test_rollback_says_what_serves_and_the_history_shows_both(run, registry, numbers):
    for number in numbers[:2]:
        registry.promote(number, reason="better", by="ann", force=True)

    said = run("model", "rollback", "--reason", "worse").output

    assert said.startswith(f"version {numbers[0]} serves now, version {numbers[1]} before\n")
    assert run("model", "history").output.index("rollback") < run("model", "history").output.index("promote")


def test_versions_are_shown_and_compared(run, registry, numbers):
    registry.record_verdict(numbers[0], WAITING, against=None)

    shown, compared = run("model", "show", numbers[0]).output, run("model", "compare", numbers[0], numbers[1]).output

    assert "does not promote" in shown
    assert "40 videos of 100" in shown
    assert re.search(r"tau +│ 0\.1000 │ 0\.2000 │ +\+0\.1000", compared)
    assert run("model", "show").exit_code == 2  # there is no champion


@pytest.mark.usefixtures("registry")
def test_an_experiment_is_tried_beside_the_default_and_is_the_same_again(run, tmp_path):
    columns = tables.columns_of_examples(simulated_examples(600, 3))
    file = tmp_path / "examples.parquet"
    file.write_bytes(tables.encode("examples", columns))

    tried = run("experiment", "run", str(file), "--seed", "3", "--grid", "rounds=5", "--drop", "hook_*")
    assert tried.exit_code == 0, tried.output
    default, other = run_ids(tried.output)
    again = run("experiment", "run", "--again", other)

    assert again.exit_code == 0, again.output
    assert "the same to the digit" in again.output
    assert set(run_ids(run("experiment", "list").output)) >= {default, other}
    compared = run("experiment", "compare", default, other).output
    assert "hook_strong" in compared
    assert "label.num_iterations" in compared or "label.rounds" in compared

    file.write_bytes(tables.encode("examples", tables.columns_of_examples(simulated_examples(610, 3))))
    changed = run("experiment", "run", "--again", other)
    assert changed.exit_code == 1
    assert "holds other examples than when" in changed.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either a file or folder of training examples, or --simulated"),
        (["--simulated", "500", "--grid", "leaves=3"], "no parameter 'leaves'"),
        (["--simulated", "500", "--label", "fame"], "no label 'fame'"),
        (["--simulated", "500", "--drop", "luck"], "no feature 'luck'"),
        (["/nowhere"], "/nowhere does not exist"),
        (["--again", "abc"], "too short"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_in_one_line(run, arguments, said):
    result = run("experiment", "run", *arguments)

    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.splitlines()) == 1


def test_without_a_server_commands_say_how_to_start_one(run, monkeypatch):
    monkeypatch.setenv("CLIP_PLATFORM_MLFLOW_URI", "http://127.0.0.1:9")

    for arguments in (["model", "history"], ["experiment", "run", "--simulated", "500"], ["experiment", "list"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "no MLflow server answers at http://127.0.0.1:9; start the platform with `clip-platform up`" in (
            result.output
        )
