"""`clip-platform process` as a person runs it: clips come out; killed, it goes on; bad files are refused."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import jsonschema
import psutil
import pytest

from clip_platform.media.inspect import inspect_clip
from tests.pipeline.conftest import OPTIONS, CommandLine

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("machine") / "home")


@pytest.fixture(scope="module")
def finished(line: CommandLine, short_talk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an undisturbed run."""
    out = tmp_path_factory.mktemp("out") / "clips"
    done = line.run("process", str(short_talk), *OPTIONS, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "rank" in done.stdout
    assert "ROUGH" in done.stderr  # the embedded engine is never a silent fallback
    return out


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_talk_becomes_clips_with_everything_beside_them(finished: Path) -> None:
    manifest = json.loads((finished / "clips.json").read_text())

    jsonschema.validate(manifest, json.loads((ROOT / "docs/clips.schema.json").read_text()))
    clip = manifest["clips"][0]
    assert set(clip["files"]) == {"video", "thumbnail", "srt", "vtt", "ass"}
    assert all((finished / name).stat().st_size for name in clip["files"].values())
    found = inspect_clip(finished / clip["files"]["video"])
    assert (found.width_px, found.height_px) == (1080, 1920)
    assert found.frames == clip["quality"]["expected_frames"]
    assert "<video" in (finished / "report.html").read_text()


def test_nothing_is_left_behind(finished: Path, line: CommandLine) -> None:
    assert finished.exists()

    assert list((line.home / "scratch").iterdir()) == []
    assert _left_of(line) == []


def test_the_same_command_again_repeats_nothing_and_gives_the_same_files(
    finished: Path, line: CommandLine, short_talk: Path, tmp_path: Path
) -> None:
    again = line.run("process", str(short_talk), *OPTIONS, "--out", str(tmp_path / "again"))

    assert again.returncode == 0, again.stderr
    assert again.stderr.count("resumed") >= 6
    assert digests(tmp_path / "again") == digests(finished)


def test_another_caption_style_renders_again_and_repeats_nothing_else(
    finished: Path, line: CommandLine, short_talk: Path, tmp_path: Path
) -> None:
    log = next((line.home / "logs").glob("*.jsonl"))
    before = len(log.read_text().splitlines())

    done = line.run("process", str(short_talk), *OPTIONS, "--captions", "none", "--out", str(tmp_path / "plain"))

    assert done.returncode == 0, done.stderr
    said = [json.loads(text) for text in log.read_text().splitlines()[before:] if text.startswith("{")]
    made = {one["asset"] for one in said if one["message"] == "asset ready" and not one["resumed"]}
    assert made == {"edited_clips", "rendered_clips", "clip_packages", "published_clips"}
    video = json.loads((finished / "clips.json").read_text())["clips"][0]["files"]["video"]
    assert digests(tmp_path / "plain")[video] != digests(finished)[video]


@pytest.mark.parametrize("stage", ["speech", "rendering"])
def test_killed_at_a_stage_it_goes_on_from_there_with_the_same_result(
    finished: Path, short_talk: Path, tmp_path: Path, stage: str
) -> None:
    line = CommandLine(tmp_path / "home")
    process = line.start("process", str(short_talk), *OPTIONS, "--out", str(tmp_path / "out"))
    _wait_for_stage(line, stage)

    process.kill()
    process.communicate()
    _wait_until_gone(line, "run-video")
    again = line.run("process", str(short_talk), *OPTIONS, "--out", str(tmp_path / "out"))

    assert again.returncode == 0, again.stderr
    assert "resumed" in again.stderr
    # the video's own id is in the manifest's keys nowhere, so every file is the same
    assert digests(tmp_path / "out") == digests(finished)


def test_an_interrupt_stops_everything_within_two_seconds(short_talk: Path, tmp_path: Path) -> None:
    line = CommandLine(tmp_path / "home")
    process = line.start("process", str(short_talk), *OPTIONS, "--out", str(tmp_path / "out"))
    _wait_for_stage(line, "speech")

    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _out, error = process.communicate(timeout=30)

    assert time.monotonic() - asked < 2.0
    assert process.returncode == 130
    assert "run the same command again" in error
    assert _left_of(line) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("empty.mp4", b"", "EmptyFile"),
        ("-leading: 'dash\" ü,;%03d.mp4", b"this is no video\n" * 99, "NotMedia"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    line = CommandLine(tmp_path / "home")
    path = tmp_path / name
    path.write_bytes(content)

    done = line.run("process", str(path), "--out", str(tmp_path / "out"))

    assert done.returncode == 2
    assert done.stderr.startswith(f"{kind}: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not line.home.exists()


def test_a_video_beyond_the_operators_limit_is_refused(
    short_talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIP_PLATFORM_MAX_UPLOAD_DURATION_S", "5")

    done = CommandLine(tmp_path / "home").run("process", str(short_talk))

    assert done.returncode == 2
    assert done.stderr.startswith("LimitExceeded: ")


def test_a_configured_server_is_never_silently_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIP_PLATFORM_DATABASE_HOST", "db.example")

    done = CommandLine(tmp_path / "home").run("videos")

    assert done.returncode == 1
    assert done.stderr.startswith("InvalidSetting: CLIP_PLATFORM_DATABASE_HOST names the server db.example")
    assert not (tmp_path / "home").exists()


def test_contradictory_preferences_are_refused_by_name(tmp_path: Path, short_talk: Path) -> None:
    done = CommandLine(tmp_path / "home").run("process", str(short_talk), "--min-s", "30", "--max-s", "20")

    assert done.returncode == 2
    assert "min_s 30 is not below max_s 20" in done.stderr


def _wait_for_stage(line: CommandLine, stage: str) -> None:
    """Until the working process has begun the stage's step."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for log in (line.home / "logs").glob("*.jsonl") if line.home.exists() else ():
            if f"- {stage} - STEP_START" in log.read_text(errors="replace"):
                return
        time.sleep(0.05)
    pytest.fail(f"{stage} did not begin within {PATIENCE_S:g} s")


def _wait_until_gone(line: CommandLine, word: str) -> None:
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        if not any(word in name for name in _left_of(line)):
            return
        time.sleep(0.05)
    pytest.fail(f"still running: {_left_of(line)}")


def _left_of(line: CommandLine) -> list[str]:
    """Command lines of processes that belong to this home."""
    left = []
    for process in psutil.process_iter(["cmdline", "pid", "status"]):
        try:
            environment = process.environ() if process.pid != os.getpid() else {}
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if environment.get("CLIP_PLATFORM_HOME") == str(line.home) and process.info["status"] != psutil.STATUS_ZOMBIE:
            left.append(" ".join(process.info["cmdline"] or []))
    return left
