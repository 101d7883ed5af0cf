"""`python -m benchmarks.on_gpu`: what NeMo and face detection do on a GPU, with the code that the product runs.

NeMo: a model of Parakeet's size with random weights in bf16 (its words are nonsense, its cost is not), seconds of sound
for each second of time by how many chunks are heard at once, beside the published figure. Faces: a network of SCRFD's
size through onnxruntime-gpu. Prints a table, writes JSON; without a GPU it says so and exits with 2.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.random_nemo import PARAKEET, save_talkative_model
from benchmarks.random_scrfd import save_random_scrfd
from clip_platform.errors import ClipPlatformError
from clip_platform.speech.sound import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from clip_platform.speech.transcript import SpeechRecognizer
    from clip_platform.vision.tracks import FaceDetector

PUBLISHED_TIMES_REAL_TIME = 3333
"""nvidia/parakeet-tdt-0.6b-v3 on the Hugging Face Open ASR leaderboard (RTFx, an A100, batches of 128 and more)."""
BATCHES = (1, 4, 16, 32, 64, 128)
WORDS = tuple(f"word{number}" for number in range(8192))

_PROVIDER = "CUDAExecutionProvider"
_SAMPLES_A_SECOND = 5


@dataclass(frozen=True, slots=True)
class Speed:
    """`value` in `unit`; `gpu_use` is how much of the time the GPU computed, in percent, None when nothing tells."""

    what: str
    value: float
    unit: str
    of_published: float | None = None
    gpu_use: float | None = None
    memory_gib: float | None = None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_gpu", description=__doc__)
    parser.add_argument("--only", choices=("nemo", "faces"), nargs="+", default=("nemo", "faces"))
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="chunks heard at once")
    parser.add_argument("--least-s", type=float, default=10.0, help="of each measurement (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    chosen = parser.parse_args()
    if problem := why_no_gpu(faces="faces" in chosen.only):
        print(f"bench-gpu cannot run: {problem}", file=sys.stderr)
        return 2
    try:
        speeds = _measured(chosen.only, chosen.batches, chosen.least_s)
    except ClipPlatformError as error:
        print(f"{error.error_class}: {error.message}", file=sys.stderr)
        return 1
    _report(speeds, chosen.folder / "gpu.json")
    return 0


def why_no_gpu(*, faces: bool) -> str | None:
    """What is missing, and what to do about it; None when there is a GPU that can be used."""
    import torch

    if not torch.cuda.is_available():
        return "torch finds no CUDA device here; run it on a machine with an NVIDIA GPU and its driver"
    import onnxruntime

    if faces and _PROVIDER not in onnxruntime.get_available_providers():
        return (
            f"ONNX Runtime {onnxruntime.__version__} has no {_PROVIDER}; put onnxruntime-gpu in the place of "
            "onnxruntime, or leave the faces out with --only nemo"
        )
    return None


def _measured(only: Sequence[str], batches: Sequence[int], least_s: float) -> list[Speed]:
    with TemporaryDirectory(prefix="clip-platform-gpu-") as scratch:
        speeds = list(_nemo(Path(scratch), batches, least_s)) if "nemo" in only else []
        return [*speeds, _faces(Path(scratch), least_s)] if "faces" in only else speeds


def _nemo(folder: Path, batches: Sequence[int], least_s: float) -> Iterator[Speed]:
    import torch

    from clip_platform.speech.backends.nemo import NemoRecognizer

    model = save_talkative_model(folder, PARAKEET, WORDS)
    recognizer = NemoRecognizer(str(model), device="cuda", precision="bf16")
    for batch in batches:
        torch.cuda.reset_peak_memory_stats()
        with gpu_use() as used:
            speed = times_real_time(recognizer, batch, least_s)
        peak_gib = torch.cuda.max_memory_allocated() / 2**30
        yield replace(speed, gpu_use=mean(used) if used else None, memory_gib=peak_gib)


def _faces(folder: Path, least_s: float) -> Speed:
    from clip_platform.vision.backends.insightface import InsightFaceDetector, providers_for

    save_random_scrfd(folder)
    detector = InsightFaceDetector(folder, providers=providers_for("cuda"))
    with gpu_use() as used:
        speed = frames_per_second(detector, least_s)
    return replace(speed, gpu_use=mean(used) if used else None)


def times_real_time(recognizer: SpeechRecognizer, batch: int, least_s: float) -> Speed:
    """Seconds of sound heard in a second, in chunks of the product's length; a first batch warms up."""
    count = int(recognizer.preferred_chunk_s * SAMPLE_RATE_HZ)
    chunk = np.random.default_rng(1).normal(0, 0.1, count).astype(np.float32)
    rate = _rate(lambda: recognizer.recognize([chunk] * batch), least_s)
    value = rate * batch * count / SAMPLE_RATE_HZ
    return Speed(f"NeMo, {batch} chunks at once", value, "× real time", value / PUBLISHED_TIMES_REAL_TIME)


def frames_per_second(detector: FaceDetector, least_s: float, size: tuple[int, int] = (1920, 1080)) -> Speed:
    """Pictures of width and height `size` in which faces were looked for, one after the other as the product does."""
    picture = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Speed("face detection", _rate(lambda: detector.detect(picture), least_s), "frames/s")


@contextmanager
def gpu_use() -> Iterator[list[float]]:
    """Collects, until the end of the block, how much of the time the GPU computes: percent, some samples a second."""
    program = shutil.which("nvidia-smi")
    used: list[float] = []
    if program is None:
        yield used
        return
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", str(1000 // _SAMPLES_A_SECOND)]
    process = subprocess.Popen([program, *query], stdout=subprocess.PIPE, text=True)
    try:
        yield used
    finally:
        process.terminate()
        text, _ = process.communicate()
        used += [float(line) for line in text.splitlines() if line.strip().isdecimal()]


def _rate(work: Callable[[], object], least_s: float) -> float:
    """How often a second, once it is warm."""
    work()
    done, started = 0, time.perf_counter()
    while (spent_s := time.perf_counter() - started) < least_s or done == 0:
        work()
        done += 1
    return done / spent_s


def _report(speeds: Sequence[Speed], path: Path) -> None:
    import torch

    machine = f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    console = Console(width=120 if not sys.stdout.isatty() else None)
    console.print(machine, highlight=False)
    console.print(table_of(speeds))
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": 1, "machine": machine, "speeds": [asdict(speed) for speed in speeds]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def table_of(speeds: Sequence[Speed]) -> Table:
    """The same for people."""
    table = Table("what", "speed", f"of {PUBLISHED_TIMES_REAL_TIME:,}", "GPU use", "memory")
    for speed in speeds:
        table.add_row(
            speed.what,
            f"{speed.value:,.0f} {speed.unit}",
            "" if speed.of_published is None else f"{speed.of_published:.0%}",
            "" if speed.gpu_use is None else f"{speed.gpu_use:.0f} %",
            "" if speed.memory_gib is None else f"{speed.memory_gib:.1f} GiB",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
