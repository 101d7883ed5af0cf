import pytest

from clip_platform.errors import ProgramFailed
from clip_platform.media.inspect import inspect_clip


def test_a_finished_file_is_measured_from_its_bytes(make_media):
    clip = make_media("clip.mp4", "-movflags", "+faststart", "-pix_fmt", "yuv420p")

    found = inspect_clip(clip)

    assert (found.frames, found.frame_rate, found.duration_s) == (60, 30, 2)
    assert (found.width_px, found.height_px, found.sample_aspect) == (160, 90, 1)
    assert (found.video_codec, found.pixel_format, found.audio_codec) == ("h264", "yuv420p", "aac")
    assert found.audio_sample_rate_hz == 44100
    assert found.loudness.integrated_lufs == pytest.approx(-21.8, abs=1)
    assert found.faststart


def test_an_index_at_the_end_is_noticed(talk):
    assert not inspect_clip(talk).faststart


def test_a_file_without_sound_has_no_loudness(make_media):
    found = inspect_clip(make_media("mute.mp4", "-an"))

    assert (found.audio_codec, found.audio_duration_s, found.loudness.integrated_lufs) == (None, None, None)


def test_a_missing_picture_is_the_writers_failure(make_media):
    with pytest.raises(ProgramFailed, match="no picture stream"):
        inspect_clip(make_media("sound.m4a", "-vn"))
