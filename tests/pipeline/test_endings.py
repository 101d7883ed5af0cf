"""How commands end when something is wrong: one typed line, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clip_platform.cli.endings import one_line
from clip_platform.cli.exporting import check_destination
from clip_platform.errors import UnreadableFile
from tests.pipeline.conftest import CommandLine

_RAISES = """
import sys
from clip_platform.cli.endings import reported, stopping_on_signals
@reported
def command():
    {body}
with stopping_on_signals():
    command()
"""


def ends(body: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command with this body, in a process of its own."""
    command = [sys.executable, "-c", _RAISES.format(body=body)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})


def test_a_fault_of_ours_is_one_line_and_its_traceback_a_file(tmp_path: Path) -> None:
    done = ends("return 1 // 0", TMPDIR=str(tmp_path))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "ZeroDivisionError" in done.stderr
    (log,) = tmp_path.glob("clip-platform-*.log")
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text()


def test_a_full_disk_is_named_whoever_met_it() -> None:
    done = ends("raise OSError(28, 'No space left on device', '/somewhere')")

    assert done.returncode == 1
    assert done.stderr.startswith("StorageFull: no space is left for /somewhere")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_answered_in_order_and_a_second_one_changes_nothing(number: signal.Signals) -> None:
    body = f"""
    import os
    try:
        os.kill(os.getpid(), {int(number)})
    finally:
        os.kill(os.getpid(), {int(number)})
        print("cleaned up")
"""
    done = ends(body.strip())

    assert done.returncode == 130
    assert done.stdout == "cleaned up\n"
    assert "run the same command again" in done.stderr


def test_a_reader_that_goes_away_is_no_failure() -> None:
    command = [sys.executable, "-c", _RAISES.format(body="print('x' * 300000)")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None

        process.stdout.read(1)
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (0, b"")


def test_the_name_of_a_file_gives_no_orders_to_a_terminal() -> None:
    said = one_line("a\x1b[31m\nb\u202e")

    assert said == "a?[31m?b?".replace("?", "\N{REPLACEMENT CHARACTER}")


def test_a_file_named_like_an_option_is_told_how_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "-x.mp4").write_bytes(b"no video")

    done = subprocess.run(
        [sys.executable, "-m", "clip_platform", "process", "-x.mp4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "write ./-x.mp4" in done.stderr


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UnreadableFile, match="is a file; choose another folder with --out"):
        check_destination(tmp_path / "file" / "clips")

    check_destination(tmp_path / "new" / "clips")
    assert not (tmp_path / "new").exists()


def test_a_home_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = CommandLine(tmp_path / "file").run("videos")

    assert done.returncode == 1
    assert done.stderr.startswith("InvalidSetting: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_homes_name_is_no_program(tmp_path: Path) -> None:
    home = tmp_path / "home $(touch pwned)"

    done = CommandLine(home).run("videos")

    assert done.returncode == 1
    assert "set CLIP_PLATFORM_HOME to a folder without them" in done.stderr
    assert not (home / "postgres").exists()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home in use."""
    line = CommandLine(tmp_path_factory.mktemp("machine") / "home")
    done = line.run("videos")
    assert done.returncode == 0, done.stderr
    return line


def test_what_a_home_keeps_is_closed_to_others(line: CommandLine) -> None:
    private = ("objects", "logs", "scratch", "dagster", "postgres/data", "postgres/passwords.json")

    assert [(line.home / name).stat().st_mode & 0o077 for name in private] == [0] * len(private)


def test_a_users_own_settings_for_postgres_are_not_for_this_one(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")

    done = line.run("videos")

    assert done.returncode == 0, done.stderr


def test_output_may_be_closed_from_the_start(line: CommandLine) -> None:
    command = f"{sys.executable} -m clip_platform videos >&-"

    done = subprocess.run(["sh", "-c", command], env=line.environment, stderr=subprocess.PIPE, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_processes_that_dagster_starts_log_json() -> None:
    program = "import logging; from clip_platform.definitions import defs; defs(); logging.warning('said')"

    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)

    assert json.loads(done.stderr.splitlines()[-1])["message"] == "said"
