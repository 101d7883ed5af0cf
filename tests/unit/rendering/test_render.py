from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scenes import NO_TURNS, faces, selected, shots, track, transcript, words

from clip_platform.errors import ProgramFailed
from clip_platform.media.probe import probe
from clip_platform.rendering.plan import ClipPlan, plan_clip
from clip_platform.rendering.render import render_clip
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences

SPOKEN = words(("left", 0.1, 0.4), ("right", 0.5, 0.9))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "it's: a [talk], 100%.mp4"
    inputs = ["-f", "lavfi", "-i", "color=gray:s=320x180:r=20:d=2", "-f", "lavfi", "-i", "sine=440:d=2"]
    command = ["ffmpeg", "-v", "error", *inputs, "-ac", "1", "-preset", "ultrafast", f"file:{path}"]
    subprocess.run(command, check=True)
    return path


def plan_of(source: Path, **preferences: str) -> ClipPlan:
    seen = faces(track(1, lambda _t: (160, 65), Span.of(0, 2), size_px=40), width_px=320, height_px=180)
    return plan_clip(
        selected(0, 1), probe(source), transcript(SPOKEN), shots(0, 2), seen, NO_TURNS, Preferences(**preferences)
    )


def colours_of(video: Path, width_px: int, height_px: int) -> np.ndarray:
    """All frames at a quarter of their size, int16, shape (frames, height, width, 3)."""
    out = ["-vf", f"scale={width_px // 4}:{height_px // 4}", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", f"file:{video}", *out], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height_px // 4, width_px // 4, 3).astype(np.int16)


def test_a_clip_is_rendered_with_all_that_belongs_to_it(source, tmp_path):
    plan, shares = plan_of(source), []
    folder = tmp_path / "o'ut: [1], ü%d"
    folder.mkdir()

    files = render_clip(source, plan, folder, shares.append)

    names = {f"clip-a.{suffix}" for suffix in ("mp4", "jpg", "srt", "vtt", "ass")}
    assert {path.name for path in folder.iterdir()} == names
    assert {files.video.name, files.thumbnail.name, files.srt.name, files.vtt.name, files.ass.name} == names
    assert files.quality.problems == ()
    assert files.quality.frames == files.quality.expected_frames == 40
    assert files.quality.loudness_lufs == pytest.approx(-14, abs=1)
    assert files.quality.caption_error_s <= 0.025
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert "left right" in files.srt.read_text("utf-8")
    assert_each_word_is_lit_while_it_is_spoken(files.video)


def assert_each_word_is_lit_while_it_is_spoken(video: Path) -> None:
    shown = colours_of(video, 1080, 1920)
    yellow = (shown[..., 0] > 200) & (shown[..., 1] > 160) & (shown[..., 2] < 90)
    on_the_left = yellow[:, :, :135].sum(axis=(1, 2)) > 20
    on_the_right = yellow[:, :, 135:].sum(axis=(1, 2)) > 60
    assert list(np.flatnonzero(on_the_left & ~on_the_right)) == list(range(4, 20))
    assert list(np.flatnonzero(on_the_right)) == list(range(20, 40))
    rows = np.flatnonzero(yellow.any(axis=(0, 2)))
    columns = np.flatnonzero(yellow.any(axis=(0, 1)))
    assert 270 // 4 <= rows[0] <= rows[-1] <= 1250 // 4
    assert 65 // 4 <= columns[0] <= columns[-1] <= 910 // 4


def test_style_none_burns_nothing_in_but_keeps_the_sidecars(source, tmp_path):
    files = render_clip(source, plan_of(source, caption_style="none", aspect="1:1"), tmp_path)

    assert colours_of(files.video, 1080, 1080)[5:].max() < 200
    assert "left right" in files.vtt.read_text("utf-8")


def test_a_failed_render_leaves_nothing(tmp_path):
    missing = tmp_path / "gone.mp4"
    existing = tmp_path / "source.mp4"
    command = ["-f", "lavfi", "-i", "color=s=320x180:r=20:d=2", "-f", "lavfi", "-i", "sine=d=2", str(existing)]
    subprocess.run(["ffmpeg", "-v", "error", *command], check=True)
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(ProgramFailed):
        render_clip(missing, plan_of(existing), folder)

    assert list(folder.iterdir()) == []


def test_what_a_killed_run_left_is_cleared(source, tmp_path):
    plan = dataclasses.replace(plan_of(source, aspect="1:1", caption_style="none"), clip_id="clip-b")
    (tmp_path / ".clip-b.partial" / "stills").mkdir(parents=True)
    (tmp_path / ".clip-b.partial" / "stills" / "9.jpg").write_bytes(b"x" * 10_000_000)

    files = render_clip(source, plan, tmp_path)

    assert files.thumbnail.stat().st_size < 1_000_000
    assert not (tmp_path / ".clip-b.partial").exists()
