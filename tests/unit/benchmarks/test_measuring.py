"""What benchmarks measure is what happened."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.measuring import Ratio, cost_of, peak_memory_mib
from benchmarks.overhead import computed_s

BURN = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.4: pass"


def test_cpu_time_of_processes_that_the_command_started_counts():
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"

    cost = cost_of([sys.executable, "-c", code])

    assert 0.4 <= cost.cpu_s < 3


def test_waiting_is_wall_time_and_not_cpu_time():
    cost = cost_of([sys.executable, "-c", "import time; time.sleep(0.6)"])

    assert cost.wall_s >= 0.6
    assert cost.cpu_s < 0.5


def test_a_command_that_fails_has_no_cost():
    with pytest.raises(RuntimeError, match="status 3"):
        cost_of([sys.executable, "-c", "raise SystemExit(3)"])


def test_memory_of_children_counts_and_the_peak_is_kept():
    child = "import time; held = bytes([1]) * (150 << 20); time.sleep(0.8)"
    code = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {child!r}]); time.sleep(0.3)"

    peak_mib = peak_memory_mib([sys.executable, "-c", code], {}, interval_s=0.1)

    assert 150 < peak_mib < 260


@pytest.mark.parametrize(
    ("value", "problem", "passed"), [(1.0, None, True), (1.1, None, False), (0.9, "torch loaded", False)]
)
def test_a_ratio_passes_at_its_limit_and_without_a_problem(value, problem, passed):
    assert Ratio("ours", "the bound", value, 1.0, {}, problem).passed is passed


def test_own_work_is_read_from_the_log_of_the_run(tmp_path):
    lines = [
        {"message": "asset ready", "asset": "shots", "compute_s": 12.5},
        {"message": "something else", "asset": "shots", "compute_s": 99},
        {"message": "asset ready", "asset": "face_tracks", "compute_s": 0.0},
    ]
    text = "a line that another program wrote\n" + "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "video.jsonl").write_text(text)

    assert computed_s(tmp_path) == {"shots": 12.5, "face_tracks": 0.0}
