import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clip_platform.errors import DeadlineExceeded, MissingProgram, ProgramFailed, StorageFull
from clip_platform.media import process

ENDLESS = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=r=30", "-f", "null", "-"]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def open_files() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


def gone_within(pid: int, seconds: float) -> bool:
    """Waits for the end of a process that need not be a child of ours."""
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_a_program_past_its_deadline_is_killed_and_said_to_be_late():
    children_before = children_of(os.getpid())
    before = time.monotonic()

    with pytest.raises(DeadlineExceeded, match="did not finish within"):
        process.run(ENDLESS, deadline_s=0.5)

    assert time.monotonic() - before < 5
    assert children_of(os.getpid()) == children_before


def test_a_full_disk_is_its_own_error(talk):
    command = ["ffmpeg", "-v", "error", *process.input_arguments(talk), "-vn", "-f", "wav", "-y", "/dev/full"]

    with pytest.raises(StorageFull, match="free some"):
        process.run(command, deadline_s=20)


def test_a_failure_keeps_the_words_of_the_program(tmp_path):
    command = ["ffprobe", "-v", "error", *process.input_arguments(tmp_path / "absent.mp4")]

    with pytest.raises(ProgramFailed) as failure:
        process.run(command, deadline_s=20)

    assert "No such file or directory" in failure.value.detail


def test_a_missing_program_is_named_with_its_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingProgram, match="apt install ffmpeg"):
        process.run(ENDLESS, deadline_s=1)


def test_arguments_and_stderr_are_appended_to_the_log_of_the_stage(talk, tmp_path):
    log = tmp_path / "stderr.log"
    token = process.stderr_log.set(log)
    try:
        for level in ("error", "info"):
            process.run(["ffmpeg", "-v", level, *process.input_arguments(talk), "-f", "null", "-"], deadline_s=20)
    finally:
        process.stderr_log.reset(token)

    written = log.read_text()
    assert written.count("$ ffmpeg -v") == 2
    assert "Input #0, mov,mp4" in written


def test_progress_lines_become_shares(talk):
    shares = []
    command = ["ffmpeg", "-v", "error", *process.input_arguments(talk), "-progress", "pipe:1", "-f", "null", "-"]

    process.run(
        command, deadline_s=20, on_line=lambda line: shares.append(process.share_from_progress(line, duration_s=2.0))
    )

    told = [share for share in shares if share is not None]
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert process.share_from_progress("out_time_us=500000", 2.0) == 0.25
    assert process.share_from_progress("out_time_us=N/A", 2.0) is None


def test_a_file_may_not_make_us_read_another_one(tmp_path, talk):
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{talk}\n#EXT-X-ENDLIST\n")

    with pytest.raises(ProgramFailed):
        process.run(["ffprobe", "-v", "error", "-show_streams", *process.input_arguments(playlist)], deadline_s=20)


def test_a_stream_hands_over_several_pipes_at_once(talk):
    def to_pipes(names):
        picture = ["-map", "0:v", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-y", names[0]]
        sound = ["-map", "0:a", "-f", "s16le", "-t", "0.5", "-y", names[1]]
        return ["ffmpeg", "-v", "error", *process.input_arguments(talk), *picture, *sound]

    with process.stream(to_pipes, deadline_s=20, pipes=2) as program:
        sizes = [len(pipe.readall()) for pipe in program.pipes]
        program.finish()

    assert sizes == [160 * 90, 44100]


def test_a_stream_left_early_leaves_no_child_and_no_open_pipe():
    before, children_before = open_files(), children_of(os.getpid())

    with (
        contextlib.suppress(RuntimeError),
        process.stream(lambda names: [*ENDLESS[:-3], "-f", "rawvideo", "-y", names[0]], deadline_s=20) as program,
    ):
        program.pipes[0].read(100)
        raise RuntimeError

    assert children_of(os.getpid()) == children_before
    assert open_files() == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_child_dies_with_its_parent(how):
    script = f"from clip_platform.media import process; print(1, flush=True); process.run({ENDLESS!r}, deadline_s=60)"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    parent.stdout.readline()
    until = time.monotonic() + 10
    while not (children := children_of(parent.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.2)  # past the moment between fork and exec

    parent.send_signal(how)
    parent.wait(10)
    parent.stdout.close()

    assert len(children) == 1
    assert gone_within(children[0], 2)
