"""Which sound track of a file is used, and which of its two channels: those in which somebody speaks.

Whether somebody speaks is asked of a function; what it listens with is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from clip_platform.errors import ProgramFailed
from clip_platform.media import process, source
from clip_platform.media.information import AudioStream, MediaInfo
from clip_platform.media.streams import about_tracks, is_about_tracks, name_of_track

if TYPE_CHECKING:
    import numpy as np

SpeechSeconds = Callable[["np.ndarray"], float]
"""How long somebody speaks in these samples: mono, 16 kHz, float32, -1..1."""

_SAMPLE_RATE_HZ = 16_000
_EXCERPT_S, _EXCERPTS = 20, 5
_DEADLINE_S = 60.0

_AS_MUCH = 0.8  # of the most speech found: that is no reason to leave the file's own choice
_LEAST_SPEECH_S = 1.0
_SILENT_BESIDE = 0.1  # of the other channel's speech
_MIX_KEEPS = 0.75  # of the channels' mean power: two alike keep all, unrelated ones half, opposed ones nothing


@dataclass(frozen=True, slots=True)
class _Heard:
    """One track as it would be used; `speech_s` in all excerpts together."""

    stream: AudioStream
    speech_s: float
    why: str = ""


def choose_sound(path: Path, info: MediaInfo, speech_s: SpeechSeconds) -> MediaInfo:
    """The same file with the sound to use in `audio`, and in `warnings` what was chosen and why.

    Of several tracks the one in which most is said, by excerpts from all over the file; the file's own choice when
    that has about as much. Of two channels one alone when the other has no speech, or when the two cancel each other.
    One track of one channel, or of more than two, is taken as it is, and nothing is read.

    Raises:
        DeadlineExceeded, MissingProgram, StorageFull.
    """
    several = len(info.audio_streams) > 1
    if not several and info.audio.channels != 2:
        return info
    heard = [_heard(stream, _excerpts(path, info, stream), speech_s, always=several) for stream in info.audio_streams]
    own = next(one for one in heard if one.stream.index == info.audio.index)
    most = max(heard, key=lambda one: one.speech_s)
    chosen = own if own.speech_s >= _AS_MUCH * most.speech_s else most
    others = [warning for warning in info.warnings if not is_about_tracks(warning)]
    about = [*_about_choice(info, chosen, own), *([chosen.why] if chosen.why else [])]
    return replace(info, audio=chosen.stream, warnings=(*others, *about))


def _about_choice(info: MediaInfo, chosen: _Heard, own: _Heard) -> list[str]:
    if len(info.audio_streams) == 1:
        return []
    if chosen.speech_s == 0:
        return about_tracks(chosen.stream, info.audio_streams, "nobody was heard to speak in any, so it is the default")
    if chosen is own:
        return about_tracks(chosen.stream, info.audio_streams, "it is the default, and somebody speaks in it")
    default = name_of_track(own.stream)
    return about_tracks(
        chosen.stream,
        info.audio_streams,
        f"{chosen.speech_s:.0f} s of speech in its excerpts, {own.speech_s:.0f} s in those of {default}, the default",
    )


def _heard(stream: AudioStream, samples: np.ndarray, speech_s: SpeechSeconds, *, always: bool) -> _Heard:
    """`samples`: shape (count, channels); `always`: also where there is no choice between channels."""
    mixed = samples.mean(axis=1)
    if samples.shape[1] != 2 or not _mixing_loses(samples, mixed):
        return _Heard(stream, speech_s(mixed) if always else 0.0)
    mixed_s = speech_s(mixed)
    by_channel_s = [speech_s(samples[:, channel].copy()) for channel in (0, 1)]
    best = max((0, 1), key=lambda channel: by_channel_s[channel])
    best_s, other_s = by_channel_s[best], by_channel_s[1 - best]
    alone = other_s <= _SILENT_BESIDE * best_s
    if best_s < _LEAST_SPEECH_S or not (alone or mixed_s < _AS_MUCH * best_s):
        return _Heard(stream, mixed_s)
    why = "nobody speaks in the other" if alone else "mixed, the two cancel each other"
    side = ("left", "right")[best]
    return _Heard(replace(stream, channel=best), best_s, f"only the {side} channel of the sound is used: {why}")


def _mixing_loses(samples: np.ndarray, mixed: np.ndarray) -> bool:
    import numpy as np

    power = float(np.square(samples).mean())
    return power > 0 and float(np.square(mixed).mean()) < _MIX_KEEPS * power


def _excerpts(path: Path, info: MediaInfo, stream: AudioStream) -> np.ndarray:
    """Up to 5 times 20 s from all over a track: float32, shape (count, 1 or 2), within -1..1."""
    import numpy as np

    short = info.duration_s <= _EXCERPT_S * _EXCERPTS
    middles = [(2 * number + 1) * info.duration_s / (2 * _EXCERPTS) for number in range(_EXCERPTS)]
    starts = [Fraction(0)] if short else [middle - Fraction(_EXCERPT_S, 2) for middle in middles]
    length_s = _EXCERPT_S * _EXCERPTS if short else _EXCERPT_S
    decoded = b"".join(_decoded(path, stream, start_s, length_s) for start_s in starts)
    samples = np.frombuffer(decoded, "<f4").reshape(-1, _channels(stream))
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)


def _decoded(path: Path, stream: AudioStream, start_s: Fraction, length_s: int) -> bytes:
    """Float samples; none where nothing can be decoded: `probe` has told so, and such a track will not be chosen."""
    seek = ["-ss", source.decimal(start_s)] if start_s > 0 else []
    shape = ["-ar", str(_SAMPLE_RATE_HZ), "-ac", str(_channels(stream)), "-t", str(length_s)]
    opened = ["ffmpeg", "-v", "error", *process.DESPITE_ERRORS, "-vn", *seek, *process.input_arguments(path)]
    wanted = ["-map", f"0:{stream.index}", *shape, "-c:a", "pcm_f32le", "-f", "f32le", "-"]
    try:
        return process.run([*opened, *wanted], deadline_s=_DEADLINE_S).stdout
    except ProgramFailed as error:
        if process.is_inputs_fault(error) or "not found" in error.detail:
            return b""
        raise


def _channels(stream: AudioStream) -> int:
    return 2 if stream.channels == 2 else 1
