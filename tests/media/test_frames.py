import os
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clip_platform.errors import DamagedMedia
from clip_platform.media.frames import Feed, fitted_size, frame_picture, read_frames
from clip_platform.media.probe import probe
from clip_platform.media.seeking import decodable_from
from clip_platform.progress import silent
from tests.media.conftest import SOUND

# The grey level says which frame it is: 20 + 3 n.
COUNTED = ("-f", "lavfi", "-i", "nullsrc=s=64x64:r=30:d=2,format=gray,geq=lum='20+3*N'")
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-pix_fmt", "gray", "-color_range", "pc", "-c:a", "aac")
ALL = Feed("all", None, 64, 64, "gray")


def number(frame) -> int:
    return round((float(frame.picture.mean()) - 20) / 3)


def read(path, *feeds):
    frames: dict[str, list] = {feed.name: [] for feed in feeds}
    for frame in read_frames(path, probe(path), feeds, silent):
        frames[frame.feed].append(frame)
    return frames


@pytest.fixture
def counted(make_media):
    return make_media("counted.mkv", *LOSSLESS, inputs=(*COUNTED, *SOUND))


def test_every_frame_comes_with_its_time(counted):
    frames = read(counted, ALL)["all"]

    assert [number(frame) for frame in frames] == list(range(60))
    assert [frame.index for frame in frames] == list(range(60))
    start = probe(counted).video.start_s  # Matroska makes room for the encoder delay of AAC
    assert all(abs(frame.time_s - start - Fraction(n, 30)) <= Fraction(1, 1000) for n, frame in enumerate(frames))


@pytest.mark.parametrize("rate", [Fraction(5), Fraction(15), Fraction(7), Fraction(60)])
def test_a_sampled_feed_shows_what_is_on_display_at_that_moment(make_media, rate):
    exact = make_media("exact.mp4", *LOSSLESS, inputs=(*COUNTED, *SOUND))

    frames = read(exact, Feed("some", rate, 64, 64, "gray"))["some"]

    assert [frame.time_s for frame in frames] == [n / rate for n in range(len(frames))]
    assert len(frames) == 2 * rate
    assert [number(frame) for frame in frames] == [int(n / rate * 30) for n in range(len(frames))]


def test_two_feeds_come_from_one_decode_about_in_step(counted):
    # pictures larger than what a pipe holds: how far they are apart is then no matter of who is scheduled when
    colour, grey = Feed("colour", None, 320, 180, "bgr24"), Feed("grey", Fraction(15), 640, 360, "gray")
    latest = {"colour": Fraction(0), "grey": Fraction(0)}
    apart = Fraction(0)

    for frame in read_frames(counted, probe(counted), [colour, grey], silent):
        latest[frame.feed] = frame.time_s
        apart = max(apart, abs(latest["colour"] - latest["grey"]))
        assert frame.picture.shape == (colour if frame.feed == "colour" else grey).shape
        assert frame.picture.dtype == np.uint8

    assert min(latest.values()) > 1.9
    assert apart <= 0.5


def test_a_freeze_and_a_slow_feed_do_not_block_each_other(make_media):
    frozen = make_media(
        "frozen.mkv", "-vf", "setpts='if(lt(N,30),N/30,N/30+40)/TB'", "-fps_mode", "vfr", inputs=(*COUNTED, *SOUND)
    )

    frames = read(
        frozen, ALL, Feed("fast", Fraction(60), 256, 256, "bgr24"), Feed("slow", Fraction(1, 10), 8, 8, "gray")
    )

    assert len(frames["all"]) == 60
    assert len(frames["fast"]) == pytest.approx(42 * 60, abs=2)
    assert [frame.time_s for frame in frames["slow"]] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("name", ["late.ts", "late.mkv"])
def test_a_late_picture_keeps_its_time_and_a_sampled_feed_starts_at_zero(make_media, name):
    late = make_media(name, *("-c:v", "libx264", "-pix_fmt", "yuv420p"), inputs=(*SOUND, "-itsoffset", "0.5", *COUNTED))

    frames = read(late, ALL, Feed("some", Fraction(10), 64, 64, "gray"))

    assert float(frames["all"][0].time_s) == pytest.approx(0.5, abs=0.05)
    assert frames["all"][0].time_s == probe(late).video.start_s
    assert (frames["some"][0].time_s, number(frames["some"][0])) == (0, number(frames["all"][0]))


def test_a_rotated_picture_is_turned_as_the_probe_says(make_media):
    marked = "color=black:s=64x128:r=10:d=2,drawbox=0:0:20:20:white:fill"
    upright = make_media("upright.mp4", "-pix_fmt", "yuv420p", inputs=("-f", "lavfi", "-i", marked, *SOUND))
    turned = make_media("turned.mp4", "-metadata:s:v:0", "rotate=270", "-c", "copy", inputs=("-i", str(upright)))
    video = probe(turned).video

    first = read(turned, Feed("all", None, 128, 64, "gray"))["all"][0].picture
    bright_y, bright_x = np.argwhere(first > 128).mean(axis=0)

    assert (video.rotation_deg, video.width_px, video.height_px) == (90, 128, 64)  # clockwise: top left goes top right
    assert (bright_y < 32, bright_x > 64) == (True, True)


def test_a_damaged_middle_is_skipped(make_media, tmp_path):
    whole = make_media("whole.ts", "-g", "10")
    content = bytearray(whole.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 6000] = os.urandom(6000)
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(content)

    frames = read(damaged, ALL)["all"]

    assert 30 <= len(frames) <= 60
    assert frames[-1].time_s > 1.5


def test_a_file_without_one_picture_is_damaged(talk, tmp_path):
    info = probe(talk)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(talk.read_bytes()[:3000])

    with pytest.raises(DamagedMedia):
        list(read_frames(broken, info, [ALL], silent))


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_closing_early_leaves_no_decoder_thread_or_pipe(talk):
    children_before = children()
    open_before = {file.name for file in Path("/proc/self/fd").iterdir()}
    threads_before = threading.active_count()
    frames = read_frames(talk, probe(talk), [ALL, Feed("some", Fraction(15), 640, 360, "gray")], silent)

    next(frames)
    frames.close()

    assert children() == children_before
    assert {file.name for file in Path("/proc/self/fd").iterdir()} == open_before
    assert threading.active_count() <= threads_before


def test_progress_ends_at_one(talk):
    shares = []

    for _ in read_frames(talk, probe(talk), [ALL], shares.append):
        pass

    assert shares[-1] == 1.0
    assert max(shares) == 1.0


@pytest.mark.parametrize("moment", [Fraction(0), Fraction(1), Fraction(2), Fraction(99)])
def test_a_picture_of_any_moment_is_a_jpeg(talk, moment):
    jpeg = frame_picture(talk, probe(talk), moment, 80)

    assert jpeg.startswith(b"\xff\xd8")
    assert jpeg.endswith(b"\xff\xd9")


def test_a_feed_is_never_enlarged_and_has_even_sides(talk):
    info = probe(talk)

    assert fitted_size(info, 640) == (160, 90)
    assert fitted_size(info, 101) == (100, 56)


def test_a_transport_stream_is_read_from_the_key_frame_before(make_media):
    path = make_media(
        "long.ts", "-g", "45", "-bf", "0", inputs=("-f", "lavfi", "-i", "testsrc2=s=64x64:r=30:d=20", *SOUND)
    )
    info = probe(path)
    moment = Fraction(17)

    start = decodable_from(path, info, moment)
    first = frame_picture(path, info, moment, 64)

    assert moment - 2 < start <= Fraction(33, 2)
    assert first.startswith(b"\xff\xd8")
    assert decodable_from(path, info, Fraction(0)) == 0


def test_a_file_with_an_index_is_read_from_the_moment_itself(talk):
    assert decodable_from(talk, probe(talk), Fraction(1)) == 1
