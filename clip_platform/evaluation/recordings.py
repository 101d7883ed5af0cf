"""Real recordings with their truth, where somebody put them; the project ships none.

`CLIP_PLATFORM_SHARED_MEDIA` names the folder, otherwise it is `../shared/media` beside the project's root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clip_platform.media.audio import AudioReader
from clip_platform.media.process import input_arguments, run
from clip_platform.speech.sound import SAMPLE_RATE_HZ

_DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file and what is said in it."""

    name: str
    path: Path
    text: str


def folder() -> Path | None:
    """Where the recordings are; None where there are none."""
    named = os.environ.get("CLIP_PLATFORM_SHARED_MEDIA")
    path = Path(named) if named else Path(__file__).parents[3] / "shared" / "media"
    return path if (path / "transcripts.json").is_file() else None


def why_absent() -> str:
    return "no recordings in ../shared/media; CLIP_PLATFORM_SHARED_MEDIA names another folder"


def spoken(media: Path) -> Mapping[str, Sequence[Recording]]:
    """English recordings by data set: each long one is its own, the short commands of the GRID corpus are one."""
    texts = json.loads((media / "transcripts.json").read_text(encoding="utf-8"))
    long = {"JFK, inaugural address": "speech/jfk.flac"}
    long |= {f"LibriVox, sonnet {number}": f"speech/sonnet{number:03}.mp3" for number in (1, 3)}
    commands = [name for name in texts if name.startswith("talking/grid_")]
    sets = {title: [name] for title, name in long.items()} | {"GRID, six commands": commands}
    return {
        title: [Recording(name, media / name, texts[name]["text"]) for name in names if (media / name).is_file()]
        for title, names in sets.items()
    }


def sound_of(path: Path) -> np.ndarray:
    """The sound of a file, of any container ffmpeg reads.

    Returns:
        float32, shape (samples,), mono at 16 kHz.

    Raises:
        ProgramFailed, MissingProgram: ffmpeg cannot read it, or is not there.
    """
    with TemporaryDirectory(prefix="clip-platform-sound-") as kept:
        wav = Path(kept) / "sound.wav"
        made = ["-vn", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-c:a", "pcm_s16le", "-bitexact", str(wav)]
        run(["ffmpeg", "-v", "error", *input_arguments(path), *made], deadline_s=_DEADLINE_S)
        reader = AudioReader(wav)
        return reader.read(0, reader.sample_count)
