"""What must hold of media results. Each function returns problems in words; none means all is well."""

from __future__ import annotations

from clip_platform.media.information import AudioTrack

QUIETEST_LUFS = -60.0


def loudness_problems(track: AudioTrack) -> list[str]:
    if track.loudness_lufs is None:
        return ["the track is silent"]
    if track.loudness_lufs < QUIETEST_LUFS:
        return [f"loudness is {track.loudness_lufs:.1f} LUFS, below {QUIETEST_LUFS:g}; check the recording's gain"]
    return []


def sound_length_problems(track: AudioTrack) -> list[str]:
    return [] if track.duration_s > 0 else ["the track has no samples"]
