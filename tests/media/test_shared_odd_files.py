"""Every odd file at hand goes through all that this package does: a right result or one typed error, in bounds."""

import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest

from clip_platform.errors import InvalidInput
from clip_platform.media.audio import AudioReader, extract_audio
from clip_platform.media.frames import Feed, fitted_size, read_frames
from clip_platform.media.probe import probe
from clip_platform.progress import silent

SHARED = Path(os.environ.get("CLIP_PLATFORM_SHARED_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
ODD = sorted((SHARED / "odd").glob("*")) if (SHARED / "odd").is_dir() else []
ACCEPTED = {
    "ae_cover_h264-mjpeg.mkv",
    "ae_cover_h264-png.mkv",
    "ae_example_yuv422p.mp4",
    "ae_mov_text.mp4",
    "ae_subtitle.mp4",
    "ae_testsrc-hevc.mp4",
    "ae_testsrc.mp4",
    "ae_webvtt.mkv",
    "mux_sintel-captions.ts",
}


@pytest.mark.skipif(not ODD, reason=f"no odd files at {SHARED / 'odd'}; set CLIP_PLATFORM_SHARED_MEDIA")
@pytest.mark.parametrize("path", ODD, ids=lambda path: path.name)
def test_an_odd_file_gives_a_right_result_or_one_typed_error(path, tmp_path, small_process: Executor):
    began = time.monotonic()

    if path.name in ACCEPTED:
        small_process.submit(process_whole, path, tmp_path / "sound.wav").result()
        assert [file.name for file in tmp_path.iterdir()] == ["sound.wav"]
    else:
        with pytest.raises(InvalidInput) as refused:
            small_process.submit(probe, path).result()
        assert path.name in refused.value.message

    assert time.monotonic() - began < 30
    assert small_process.submit(largest_child_kib).result() < 1024 * 1024


@pytest.fixture(scope="module")
def small_process() -> Iterator[Executor]:
    """A process whose children are its own: a child counts as large as what started it, and the suite grows large."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def largest_child_kib() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def process_whole(path: Path, destination: Path) -> None:
    info = probe(path)
    extract_audio(path, info, destination, silent)
    feeds = [Feed("all", None, *fitted_size(info, 128), "bgr24"), Feed("some", Fraction(5), 64, 36, "gray")]
    times = [frame.time_s for frame in read_frames(path, info, feeds, silent) if frame.feed == "all"]
    assert abs(times[-1] + 1 / info.video.frame_rate - info.duration_s) < Fraction(1, 4)
    assert abs(AudioReader(destination).duration_s - info.duration_s) < Fraction(1, 2)
