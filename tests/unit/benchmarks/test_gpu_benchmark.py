"""The parts of the GPU benchmark, on the CPU and small."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs these tests')

from benchmarks import on_gpu
from benchmarks.on_gpu import Speed, frames_per_second, gpu_use, table_of, times_real_time
from benchmarks.random_nemo import save_talkative_model
from benchmarks.random_scrfd import save_random_scrfd
from clip_platform.speech.backends.nemo import NemoRecognizer
from clip_platform.speech.sound import SAMPLE_RATE_HZ
from clip_platform.vision.backends.insightface import InsightFaceDetector
from tests.fakes.tiny_nemo import TINY, WORDS


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> NemoRecognizer:
    path = save_talkative_model(tmp_path_factory.mktemp("talkative"), TINY, WORDS)
    return NemoRecognizer(str(path), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> InsightFaceDetector:
    folder = tmp_path_factory.mktemp("pack")
    save_random_scrfd(folder, channels=(4, 4, 4, 4, 4), repeats=(0, 1, 0, 0, 0), head=4)
    return InsightFaceDetector(folder, input_px=128)


def test_without_a_gpu_one_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["on_gpu"])

    assert on_gpu.main() == 2
    assert capsys.readouterr().err.splitlines() == [
        "bench-gpu cannot run: torch finds no CUDA device here; run it on a machine with an NVIDIA GPU and its driver"
    ]


def test_the_onnxruntime_for_cpus_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])

    assert "put onnxruntime-gpu in the place" in (on_gpu.why_no_gpu(faces=True) or "")
    assert on_gpu.why_no_gpu(faces=False) is None


def test_the_talkative_model_says_three_words_a_second_whatever_it_hears(talkative: NemoRecognizer):
    (words,) = talkative.recognize([np.random.default_rng(1).normal(0, 0.1, 4 * SAMPLE_RATE_HZ).astype(np.float32)])

    assert len(words) in (12, 13)
    assert {b.span.start - a.span.start for a, b in pairwise(words)} == {4 * talkative.stride_s}


def test_twice_the_chunks_are_twice_the_sound(talkative: NemoRecognizer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(talkative, "preferred_chunk_s", Fraction(2))
    monkeypatch.setattr(on_gpu, "_rate", lambda work, _least_s: work() and 2.0)

    one, two = times_real_time(talkative, 1, 0.0), times_real_time(talkative, 2, 0.0)

    assert (one.value, two.value) == (4.0, 8.0)
    assert two.of_published == pytest.approx(8 / 3333)


def test_the_random_detector_looks_and_finds_nobody(detector: InsightFaceDetector):
    assert detector.detect(np.zeros((72, 128, 3), np.uint8)) == []
    assert frames_per_second(detector, 0.0, size=(128, 72)).value > 0


def test_gpu_use_is_what_the_driver_says_while_the_work_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "nvidia-smi"
    said = tmp_path / "said"
    program.write_text(f"#!/bin/sh\necho 40\necho 60\necho '[N/A]'\ntouch {said}\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with gpu_use() as used:
        assert used == []
        while not said.exists():
            time.sleep(0.01)

    assert used == [40.0, 60.0]


def test_the_table_leaves_out_what_nothing_tells():
    table = table_of([Speed("faces", 812.4, "frames/s"), Speed("NeMo", 1000.0, "× real time", 0.3, 88.0, 2.25)])

    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells == [
        ["faces", "NeMo"],
        ["812 frames/s", "1,000 × real time"],
        ["", "30%"],
        ["", "88 %"],
        ["", "2.2 GiB"],
    ]
