"""Tiny files made on the spot by the real ffmpeg."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=2")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2")

MakeMedia = Callable[..., Path]


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


@pytest.fixture
def make_media(tmp_path: Path) -> MakeMedia:
    """`make_media("name.mp4", *arguments)` runs ffmpeg; inputs 0 and 1 are two seconds of a test card and a tone."""

    def make(name: str, *arguments: str, inputs: tuple[str, ...] = (*PICTURE, *SOUND)) -> Path:
        path = tmp_path / name
        ffmpeg(*inputs, "-preset", "ultrafast", *arguments, f"file:{path}")
        return path

    return make


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 160x90 at 30 frames per second with a tone, H.264 and AAC in MP4."""
    path = tmp_path_factory.mktemp("media") / "talk.mp4"
    ffmpeg(*PICTURE, *SOUND, "-preset", "ultrafast", path)
    return path
