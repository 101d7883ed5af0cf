"""`make check-deploy`: a tool that is absent or too old is told, and fails where all are required."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.check.__main__ import main
from deploy.check.tools import Missing, Problem, Tool, run, version_in


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder where programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(folder: Path, script: str) -> None:
    (folder / "shellcheck").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "shellcheck").chmod(0o755)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("Terraform v1.11.4\non linux_amd64", (1, 11, 4)),
        ("ShellCheck - shell script analysis tool\nversion: 0.9.0", (0, 9, 0)),
        ("3.2", (3, 2)),
    ],
)
def test_versions_are_read_as_programs_print_them(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


def test_a_program_without_a_version_is_not_trusted() -> None:
    with pytest.raises(Missing, match="no version in"):
        version_in("usage: kubectl")


def test_an_old_program_is_as_good_as_none(path: Path) -> None:
    _program(path, "echo version: 0.8.1")

    with pytest.raises(Missing, match=r"is 0\.8\.1, 0\.9 is needed; from there"):
        Tool("shellcheck", ("--version",), (0, 9), "from there").path()


def test_what_a_program_says_is_the_problem() -> None:
    with pytest.raises(Problem, match=r"ended with 3:\nwhat is wrong"):
        run(["/bin/sh", "-c", "echo what is wrong >&2; exit 3"])


@pytest.mark.usefixtures("path")
def test_an_absent_tool_is_told_and_is_a_failure_in_ci() -> None:
    here = CliRunner().invoke(main, ["--only", "scripts"])
    in_ci = CliRunner().invoke(main, ["--only", "scripts", "--require-all"])

    assert (here.exit_code, in_ci.exit_code) == (0, 1)
    assert "SKIPPED  scripts: shellcheck is not on PATH" in here.output
    assert "NOT CHECKED: scripts" in here.output


def test_a_finding_fails(path: Path) -> None:
    _program(path, 'case "$1" in --version) echo version: 0.10.0 ;; *) echo line 3 is odd; exit 1 ;; esac')

    checked = CliRunner().invoke(main, ["--only", "scripts"])

    assert checked.exit_code == 1
    assert "FAILED   scripts:" in checked.output
    assert "line 3 is odd" in checked.output


def test_a_check_that_does_not_exist_is_no_success() -> None:
    assert CliRunner().invoke(main, ["--only", "nothing"]).exit_code == 2
