"""Voice activity against the sound's own length: seconds of sound for each second of one core."""

from __future__ import annotations

from benchmarks.acoustics import ratio_to_real_time
from benchmarks.measuring import Ratio


def measure() -> list[Ratio]:
    from clip_platform.speech.backends.silero import SileroVoiceActivity

    return [ratio_to_real_time("voice activity, CPU", SileroVoiceActivity())]
