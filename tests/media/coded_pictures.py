"""Tiny sources whose frames carry their own number, and reading it back from what was made of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

BITS = 8
WIDTH_PX, HEIGHT_PX = 320, 180
_PITCH_PX = WIDTH_PX // BITS


def coded_frame(number: int) -> np.ndarray:
    """Upper half: the number in eight black or white bars, lowest bit left. Lower half: grey levels that grow by 0.6
    a pixel from left to right, so that a crop shows where it was taken."""
    frame = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    for bit in range(BITS):
        frame[: HEIGHT_PX // 2, bit * _PITCH_PX : (bit + 1) * _PITCH_PX] = 235 if number >> bit & 1 else 16
    frame[HEIGHT_PX // 2 :] = np.linspace(24, 216, WIDTH_PX).astype(np.uint8)
    return frame


def make_coded(path: Path, *arguments: str, frames: int = 90, rate: str = "30", sound: str = "sine=440:d=3") -> Path:
    """Writes frames 0..n-1 with a tone; `arguments` are ffmpeg's output options."""
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH_PX}x{HEIGHT_PX}", "-r", rate, "-i", "pipe:0"]
    pixels = b"".join(coded_frame(number).tobytes() for number in range(frames))
    options = ["-pix_fmt", "yuv420p", "-preset", "ultrafast", "-crf", "10", *arguments]
    command = ["ffmpeg", "-v", "error", "-y", *raw, "-f", "lavfi", "-i", sound, *options, f"file:{path}"]
    subprocess.run(command, input=pixels, check=True)
    return path


def frames_of(path: Path, width_px: int, height_px: int) -> np.ndarray:
    """All frames as grey pixels, uint8, shape (frames, height, width)."""
    out = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", f"file:{path}", *out], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height_px, width_px)


def numbers_in(frames: np.ndarray) -> list[int]:
    """The number each frame carries, whole pictures given, of any size."""
    _, height, width = frames.shape
    columns = [round((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return [sum(int(row[column] > 128) << bit for bit, column in enumerate(columns)) for row in frames[:, height // 4]]


def samples_of(path: Path) -> np.ndarray:
    """The sound as float32 in stereo at 48 kHz, shape (samples, 2)."""
    out = ["-map", "0:a", "-f", "f32le", "-ac", "2", "-ar", "48000", "-"]
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", f"file:{path}", *out], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(-1, 2)
