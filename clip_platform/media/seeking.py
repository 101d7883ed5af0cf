"""Where to start reading a file so that nothing from a moment on is lost."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from clip_platform.errors import ProgramFailed
from clip_platform.media import process
from clip_platform.media.ffprobe import exact_number
from clip_platform.media.information import MediaInfo

_WITHOUT_INDEX = frozenset({"mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v"})
_BACK_S = (12, 60, 600)
_SOUND_BACK_S = 3
_DEADLINE_S = 60.0


def decodable_from(path: Path, info: MediaInfo, moment: Fraction) -> Fraction:
    """The time, from zero and at most `moment`, to give to ffmpeg's `-ss` (before `-i`) so that every picture from
    `moment` on comes out; what comes out before `moment` is to be dropped.

    Containers with an index of key frames go back to the one before by themselves: `moment` is the answer. MPEG-TS and
    MPEG-PS start in the middle of a group of pictures instead, and the pictures up to the next key frame are lost
    (measured: 7 s with a key frame every 250 frames), so the key frame is looked for.
    """
    if info.container not in _WITHOUT_INDEX or moment <= info.video.start_s:
        return max(moment, Fraction(0))
    for back_s in _BACK_S:
        since = moment - back_s
        if since <= 0:
            break
        before = [key for key in _key_frames(path, info, since, moment) if key <= moment]
        # The first one found may be where reading began, not where a picture can be decoded from.
        if len(before) > 1:
            return max(Fraction(0), before[-1] - 1 / info.video.frame_rate)
    return Fraction(0)


def audible_from(info: MediaInfo, moment: Fraction) -> Fraction:
    """The same for sound alone. Without an index a seek goes by the picture, beside which sound lies within seconds."""
    return max(Fraction(0), moment - (_SOUND_BACK_S if info.container in _WITHOUT_INDEX else 0))


def _key_frames(path: Path, info: MediaInfo, since: Fraction, until: Fraction) -> list[Fraction]:
    keys: list[Fraction] = []

    def note(line: str) -> None:
        pts, flags = (*line.split(","), "")[:2]
        shown = exact_number(pts)
        if shown is not None and "K" in flags:
            keys.append(shown - info.container_start_s)

    start = info.container_start_s
    interval = f"{float(start + since):.6f}%{float(start + until) + 0.5:.6f}"
    shown = ["-select_streams", str(info.video.index), "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0"]
    command = ["ffprobe", "-v", "error", "-read_intervals", interval, *shown, *process.input_arguments(path)]
    try:
        process.run(command, deadline_s=_DEADLINE_S, on_line=note)
    except ProgramFailed:  # cannot be seeked in: then it is read from the beginning
        return []
    return sorted(keys)
