import os
from fractions import Fraction
from pathlib import Path

import pytest

from clip_platform.errors import (
    DamagedMedia,
    EmptyFile,
    InvalidInput,
    LimitExceeded,
    NoAudioStream,
    NotMedia,
    NoVideoStream,
    UnreadableFile,
    UnsupportedMedia,
)
from clip_platform.media.probe import probe
from clip_platform.upload.acceptance import Limits
from tests.media.conftest import PICTURE, SOUND


def test_an_ordinary_file_is_described_in_display_pixels_and_exact_time(talk):
    info = probe(talk)

    assert (info.video.width_px, info.video.height_px) == (160, 90)
    assert info.video.frame_rate == 30
    assert info.duration_s == 2
    assert (info.video.codec, info.audio.codec) == ("h264", "aac")
    assert info.size_bytes == talk.stat().st_size
    assert info.warnings == ()


def test_a_missing_file_a_folder_and_a_name_with_a_zero_byte_are_unreadable(tmp_path):
    for path in (tmp_path / "absent.mp4", tmp_path, tmp_path / "zero\0byte"):
        with pytest.raises(UnreadableFile):
            probe(path)


def test_a_file_without_permission_is_unreadable(talk, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may read everything

    with pytest.raises(UnreadableFile, match="permissions"):
        probe(talk)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyFile),
        (b"Dear reader, this is no video.\n" * 50, NotMedia),
        (b"\x00" * 4096, NotMedia),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", DamagedMedia),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\x00" * 100, NotMedia),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/etc/passwd\n#EXT-X-ENDLIST\n", UnsupportedMedia),
    ],
)
def test_what_is_no_video_is_named_for_what_it_is(tmp_path, content, error):
    path = tmp_path / "upload.mp4"
    path.write_bytes(content)

    with pytest.raises(error):
        probe(path)


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.mp4"])
def test_a_still_picture_is_no_video_whatever_its_name(make_media, name):
    path = make_media(name, "-frames:v", "1", "-c:v", "mjpeg", "-f", "image2", "-update", "1", inputs=PICTURE)

    with pytest.raises(NotMedia, match="still picture"):
        probe(path)


def test_missing_streams_are_told_apart(make_media):
    silent = make_media("silent.mp4", "-map", "0:v")
    unseen = make_media("unseen.m4a", "-map", "1:a")

    with pytest.raises(NoAudioStream):
        probe(silent)
    with pytest.raises(NoVideoStream, match="no picture"):
        probe(unseen)


def test_cover_art_is_no_moving_picture(make_media):
    cover = ("-map", "1:a", "-map", "0:v", "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v:0", "attached_pic")
    covered = make_media("covered.m4a", *cover)
    both = make_media(
        "both.mp4",
        *("-filter_complex", "[0:v]split[a][b];[b]scale=640:360,trim=end_frame=1[c]", "-map", "[c]", "-map", "[a]"),
        *("-map", "1:a", "-c:v:0", "mjpeg", "-c:v:1", "libx264", "-disposition:v:0", "attached_pic"),
    )

    with pytest.raises(NoVideoStream, match="cover art"):
        probe(covered)
    assert (probe(both).video.codec, probe(both).video.width_px) == ("h264", 160)


def test_a_file_cut_off_is_damaged(talk, tmp_path, make_media):
    whole = make_media("whole.mp4", "-movflags", "+faststart", "-g", "10", inputs=(*_seconds(12),))
    without_index, without_end = tmp_path / "a.mp4", tmp_path / "b.mp4"
    without_index.write_bytes(talk.read_bytes()[:-3000])
    without_end.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    with pytest.raises(DamagedMedia, match="export or upload it again"):
        probe(without_index)
    with pytest.raises(DamagedMedia, match=r"of the 12\.0 s"):
        probe(without_end)


def _seconds(length):
    return ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=30:d={length}", "-f", "lavfi", "-i", f"sine=duration={length}")


def test_a_header_over_noise_is_damaged(talk, tmp_path):
    content = bytearray(talk.read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - begin)
    path = tmp_path / "noise.mp4"
    path.write_bytes(content)

    with pytest.raises(DamagedMedia, match="no picture"):
        probe(path)


def test_a_header_without_frames_is_damaged(make_media):
    path = make_media("init.mp4", "-frames:v", "0", "-frames:a", "0", "-movflags", "+empty_moov")

    with pytest.raises(DamagedMedia):
        probe(path)


@pytest.mark.parametrize("size", ["1:1", "2:2", "32:200"])
def test_a_picture_too_small_for_clips_is_refused_with_the_smallest_size(make_media, size):
    shrunk = ("-vf", f"scale={size},setsar=1,format=rgb24", "-c:v", "png")
    path = make_media("small.mkv", *shrunk, inputs=("-f", "lavfi", "-i", "color=s=8x8:r=5:d=2", *SOUND))

    with pytest.raises(UnsupportedMedia, match="at least 64x64"):
        probe(path)


def test_limits_are_told_with_value_and_bound(talk):
    for limits, words in (
        (Limits(max_bytes=1000), "GB"),
        (Limits(max_duration_s=1.0), "lasts"),
        (Limits(max_width_px=100), "160x90"),
        (Limits(max_frame_rate=10), "30 frames per second"),
    ):
        with pytest.raises(LimitExceeded, match=words):
            probe(talk, limits)


def test_a_rotated_picture_has_the_size_it_is_shown_in(talk, make_media):
    turned = make_media("turned.mp4", "-metadata:s:v:0", "rotate=270", "-c", "copy", inputs=("-i", str(talk)))

    video = probe(turned).video

    assert (video.width_px, video.height_px, video.rotation_deg) == (90, 160, 90)
    assert (video.coded_width_px, video.coded_height_px) == (160, 90)


def test_pixels_that_are_not_square_are_made_square(make_media):
    wide = make_media("wide.mp4", "-vf", "setsar=4/3")

    video = probe(wide).video

    assert (video.width_px, video.height_px, video.sample_aspect) == (214, 90, Fraction(4, 3))


def test_a_varying_frame_rate_is_noticed_and_an_even_one_in_milliseconds_is_not(make_media):
    varying = make_media("varying.mp4", "-vf", "setpts='if(lt(N,30),N/30,1+(N-30)/10)/TB'", "-fps_mode", "vfr")
    even = make_media("even.mkv")

    assert probe(varying).video.variable_rate
    assert not probe(even).video.variable_rate


def test_the_default_sound_track_is_chosen_and_said(make_media):
    two = make_media(
        "two.mkv",
        *("-map", "0:v", "-map", "1:a", "-map", "1:a", "-disposition:a:0", "0"),
        *("-disposition:a:1", "default", "-metadata:s:a:1", "language=deu"),
    )

    info = probe(two)

    assert (len(info.audio_streams), info.audio.index, info.audio.language) == (2, 2, "deu")
    assert any("2 sound tracks" in warning for warning in info.warnings)


def test_time_zero_is_the_containers_start(make_media):
    late = make_media("late.ts", "-output_ts_offset", "100", inputs=(*PICTURE, "-itsoffset", "0.5", *SOUND))

    info = probe(late)

    assert info.container_start_s > 100
    assert info.video.start_s == 0
    assert float(info.audio.start_s) == pytest.approx(0.5, abs=0.05)
    assert float(info.duration_s) == pytest.approx(2.0, abs=0.1)


def test_sound_that_outlasts_the_picture_is_left_out_with_a_warning(make_media):
    longer = make_media("longer.mp4", inputs=(*PICTURE, "-f", "lavfi", "-i", "sine=d=5"))

    info = probe(longer)

    assert info.duration_s == 2
    assert any("after the last picture" in warning for warning in info.warnings)


def test_a_recording_without_a_duration_in_its_header_is_measured(make_media):
    live = make_media("live.webm", "-c:v", "libvpx", "-deadline", "realtime", "-f", "webm", "-live", "1")

    assert float(probe(live).duration_s) == pytest.approx(2.0, abs=0.1)


def test_interlaced_pictures_are_warned_about(make_media):
    fields = make_media("fields.mp4", "-vf", "scale=160:96,setfield=tff", "-flags", "+ilme+ildct")

    assert any("interlaced" in warning for warning in probe(fields).warnings)


def test_no_character_of_a_name_has_a_meaning(talk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = probe(talk)

    for name in ("-i.mp4", 'a b\'s "x": ü,;.mp4', "%03d.mp4", "[0]=\\n.mp4", "file:x.mp4", "a|b.mp4"):
        path = Path(name)
        path.write_bytes(talk.read_bytes())
        assert probe(path) == plain


def test_every_prefix_and_corruption_ends_in_information_or_one_invalid_input(talk, tmp_path):
    content = talk.read_bytes()
    for share in (0.01, 0.3, 0.9, 0.99):
        path = tmp_path / f"{share}.mp4"
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(InvalidInput):
            probe(path)


def test_of_several_sound_tracks_the_one_that_ends_early_is_named(make_media):
    short = make_media(
        "short.mkv",
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-disposition:a:0", "default"),
        *("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra"),
        inputs=("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=5", *("-f", "lavfi", "-i", "sine=d=2"), *SOUND),
    )

    assert any("the sound of deu ends" in warning for warning in probe(short).warnings)
