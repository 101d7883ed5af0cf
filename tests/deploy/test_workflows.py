"""Workflows: the least rights, no input in a shell, and the same commands as on a developer's machine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}


def _read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(FILES[name].read_text()))


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_may_read_and_a_job_asks_for_more(name: str) -> None:
    workflow = _read(name)

    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        assert set(job.get("permissions", {})) <= {"contents", "id-token", "pull-requests"}


@pytest.mark.parametrize("name", FILES)
def test_nothing_from_outside_is_pasted_into_a_shell(name: str) -> None:
    """`${{ }}` in a script is text that an attacker may write: values come by the environment."""
    scripts = [step["run"] for job in _read(name)["jobs"].values() for step in job["steps"] if "run" in step]

    assert scripts
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("name", FILES)
def test_actions_have_versions(name: str) -> None:
    used = re.findall(r"uses: (\S+)", FILES[name].read_text())

    assert used
    assert [one for one in used if not re.search(r"@(v\d|\d+\.\d+|[0-9a-f]{40})", one)] == []


def test_pull_requests_run_what_developers_run() -> None:
    scripts = "\n".join(step.get("run", "") for job in _read("test")["jobs"].values() for step in job["steps"])

    assert {"make check", "make test"} <= set(scripts.splitlines())
    assert 'make check-deploy OPTIONS="--require-all' in scripts


def test_an_image_is_scanned_before_it_is_pushed_and_signed() -> None:
    steps = _read("images")["jobs"]["build"]["steps"]
    scanned = next(index for index, step in enumerate(steps) if "trivy" in step.get("uses", ""))
    pushed = next(index for index, step in enumerate(steps) if "--push" in step.get("run", ""))

    assert scanned < pushed
    assert steps[scanned]["with"]["exit-code"] == "1"
    assert "cosign sign" in steps[pushed]["run"]


def test_production_waits_for_a_person_and_staging_goes_first() -> None:
    apply = _read("deploy")["jobs"]["apply"]

    assert apply["environment"] == "${{ matrix.overlay }}"
    assert apply["strategy"] == {"max-parallel": 1, "matrix": {"overlay": ["staging", "production"]}}
    names = [step.get("name") for step in apply["steps"]]
    assert names.index("only what this repository's workflow signed") < names.index("apply")
