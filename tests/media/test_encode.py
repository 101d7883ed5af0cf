from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from coded_pictures import HEIGHT_PX, WIDTH_PX, coded_frame, frames_of, make_coded, numbers_in, samples_of

from clip_platform.media.clip_sound import encode_sound
from clip_platform.media.encode import ClipFiles, ClipPicture, PictureRun, crop_commands, encode_clip
from clip_platform.media.inspect import inspect_clip
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from clip_platform.timeline import Span

Encode = Callable[[Path, ClipPicture, Path], Path]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at 30 frames per second with a key frame every second and B-frames."""
    return make_coded(tmp_path_factory.mktemp("coded") / "coded.mp4", "-preset", "veryfast", "-g", "30", "-bf", "3")


def whole(frames: int) -> PictureRun:
    return PictureRun(0, frames, "crop", ((0, 0),) * frames)


def picture(
    start_s: Fraction = Fraction(1, 2),
    *runs: PictureRun,
    frames: int = 30,
    rate: Fraction = Fraction(30),
    size: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    window: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    fit_box: tuple[int, int, int, int] = (0, 0, WIDTH_PX, HEIGHT_PX),
    still_frames: tuple[int, ...] = (),
) -> ClipPicture:
    return ClipPicture(start_s, rate, frames, *size, *window, fit_box, runs or (whole(frames),), still_frames)


@pytest.fixture(scope="module")
def encode(coded: Path, tmp_path_factory: pytest.TempPathFactory) -> Encode:
    """Encodes the picture of a source; the sound is that of `coded`, made once."""
    sound = tmp_path_factory.mktemp("sound") / "sound.mp4"
    probed = {coded: probe(coded)}
    encode_sound(coded, probed[coded], Span.of(0, 1), sound, deadline_s=60)

    def run(source: Path, wanted: ClipPicture, work: Path) -> Path:
        media = probed.get(source) or probe(source)
        files = ClipFiles(sound, None, work, work, work, work / "clip.mp4")
        encode_clip(source, media, wanted, files, silent, deadline_s=60)
        return files.video

    return run


def with_sound(source: Path, wanted: ClipPicture, work: Path) -> Path:
    """The whole of a clip: sound and picture."""
    media = probe(source)
    files = ClipFiles(work / "sound.mp4", None, work, work, work, work / "clip.mp4")
    span = Span(wanted.start_s, wanted.start_s + wanted.frames / wanted.rate)
    encode_sound(source, media, span, files.sound, deadline_s=60)
    encode_clip(source, media, wanted, files, silent, deadline_s=60)
    return files.video


@pytest.mark.parametrize("first", [0, 1, 44])
def test_every_frame_of_the_clip_is_there_in_order(encode, coded, tmp_path, first):
    clip = encode(coded, picture(Fraction(first, 30)), tmp_path)

    assert numbers_in(frames_of(clip, WIDTH_PX, HEIGHT_PX)) == list(range(first, first + 30))


def test_a_clip_up_to_the_last_frame_is_whole(encode, coded, tmp_path):
    clip = encode(coded, picture(Fraction(2)), tmp_path)

    assert numbers_in(frames_of(clip, WIDTH_PX, HEIGHT_PX)) == list(range(60, 90))


@pytest.mark.parametrize(("suffix", "rate"), [("mkv", "30000/1001"), ("ts", "25"), ("mp4", "24000/1001")])
def test_frames_are_exact_whatever_the_clock_of_the_container(encode, tmp_path, suffix, rate):
    source = make_coded(tmp_path / f"source.{suffix}", "-g", "20", rate=rate)
    media = probe(source)
    exact = Fraction(rate)

    clip = encode(source, picture(media.video.start_s + 40 / exact, rate=exact, frames=20), tmp_path)

    assert numbers_in(frames_of(clip, WIDTH_PX, HEIGHT_PX)) == list(range(40, 60))


def test_uneven_frames_keep_their_times(encode, tmp_path):
    """Frames 20..29 and every odd one from 45 on are missing in the source; the frame before stays on display."""
    kept = "not(between(n,20,29))*not(gte(n,45)*mod(n,2))"
    source = make_coded(tmp_path / "vfr.mkv", "-vf", f"select='{kept}'", "-vsync", "vfr")

    clip = encode(source, picture(Fraction(0), frames=60), tmp_path)

    shown = numbers_in(frames_of(clip, WIDTH_PX, HEIGHT_PX))
    assert len(shown) == 60
    assert shown[:20] == list(range(20))
    assert shown[30:45] == list(range(30, 45))
    assert set(shown[20:30]) <= {19, 30}
    assert set(range(46, 60, 2)) <= set(shown[45:])


def test_the_crop_is_where_it_shall_be_in_every_frame(encode, coded, tmp_path):
    lefts = [10] * 8 + [150] * 6 + [151 + 2 * i for i in range(16)]
    run = PictureRun(0, 30, "crop", tuple((left, 90) for left in lefts))

    clip = encode(coded, picture(Fraction(1, 2), run, window=(100, 90), size=(100, 90)), tmp_path)

    shown = frames_of(clip, 100, 90)[:, 45, 50].astype(float)
    source = coded_frame(0)[135]
    expected = np.array([source[left + 50] for left in lefts], float)
    assert np.abs(shown - expected).max() <= 2.5


def test_layouts_switch_on_their_frame(encode, coded, tmp_path):
    corners = tuple((110, 0) for _ in range(10))
    runs = (PictureRun(0, 10, "crop", corners), PictureRun(10, 20, "fit", ()), PictureRun(20, 30, "crop", corners))

    clip = encode(
        coded,
        picture(Fraction(0), *runs, window=(100, 180), size=(100, 180), fit_box=(0, 60, 100, 56)),
        tmp_path,
    )

    shown = frames_of(clip, 100, 180)
    assert numbers_in(shown[10:20, 60:116]) == list(range(10, 20))
    top_left, top_right = shown[:, 120, 2].astype(int), shown[:, 120, 97].astype(int)
    gradient = np.abs(top_right - top_left)
    source = coded_frame(0)[120]
    assert np.abs(gradient - (int(source[207]) - int(source[112])))[[0, 5, 9, 20, 25, 29]].max() <= 4
    assert shown[10:20, 150:].mean() < 0.7 * coded_frame(0)[90:].mean()


def test_a_turned_recording_is_shown_upright(encode, tmp_path):
    make_coded(tmp_path / "flat.mp4")
    turn = ["-i", tmp_path / "flat.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", tmp_path / "turned.mp4"]
    subprocess.run(["ffmpeg", "-v", "error", *map(str, turn)], check=True)
    assert (probe(tmp_path / "turned.mp4").video.width_px, probe(tmp_path / "turned.mp4").video.height_px) == (180, 320)

    clip = encode(tmp_path / "turned.mp4", picture(size=(180, 320), window=(180, 320)), tmp_path)

    upright = frames_of(clip, 180, 320)
    back = np.rot90(upright, -1 if upright[0, 10, 20] < upright[0, 300, 20] else 1, axes=(1, 2))
    assert numbers_in(back) == list(range(15, 45))


def test_wide_pixels_become_square(encode, tmp_path):
    source = make_coded(tmp_path / "wide.mp4", "-vf", "setsar=2")
    assert probe(source).video.width_px == 640

    run = PictureRun(0, 30, "crop", ((540, 90),) * 30)
    clip = encode(source, picture(Fraction(1, 2), run, window=(100, 90), size=(100, 90)), tmp_path)

    assert inspect_clip(clip).sample_aspect == 1
    assert abs(int(frames_of(clip, 100, 90)[5, 45, 50]) - int(coded_frame(0)[135, 295])) <= 3


@pytest.mark.parametrize("pixels", ["yuv422p10le", "yuv444p", "rgb24"])
def test_every_pixel_format_becomes_8_bit_420(encode, tmp_path, pixels):
    codec = ["-c:v", "ffv1"] if pixels == "rgb24" else []
    source = make_coded(tmp_path / "deep.mkv", "-pix_fmt", pixels, *codec, frames=60)

    found = inspect_clip(encode(source, picture(frames=20), tmp_path))

    assert (found.pixel_format, found.frames) == ("yuv420p", 20)


@pytest.mark.parametrize(
    ("tags", "conversion"),
    [("smpte170m", "bt601"), ("bt709", "bt709")],
)
def test_colours_survive_the_change_of_matrix(encode, tmp_path, tags, conversion):
    source = tmp_path / "red.mp4"
    red = ["-f", "lavfi", "-i", "color=0xC03030:s=160x90:r=30:d=2", "-f", "lavfi", "-i", "sine=440:d=2"]
    to = ["-vf", f"scale=out_color_matrix={conversion},format=yuv420p", "-colorspace", tags]
    subprocess.run(["ffmpeg", "-v", "error", *red, *to, str(source)], check=True)

    clip = encode(source, picture(size=(160, 90), window=(160, 90)), tmp_path)

    assert np.abs(mean_colour(clip, "bt709") - mean_colour(source, conversion)).max() <= 5


def mean_colour(path: Path, matrix: str) -> np.ndarray:
    out = ["-frames:v", "1", "-vf", f"scale=in_color_matrix={matrix},format=rgb24", "-f", "rawvideo", "-"]
    pixels = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *out], capture_output=True, check=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(-1, 3).mean(axis=0)


def test_a_high_dynamic_range_becomes_an_ordinary_picture(encode, tmp_path):
    tags = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]
    source = make_coded(tmp_path / "hdr.mkv", "-pix_fmt", "yuv420p10le", *tags, frames=60)

    clip = encode(source, picture(frames=10), tmp_path)

    assert inspect_clip(clip).pixel_format == "yuv420p"
    assert numbers_in(frames_of(clip, WIDTH_PX, HEIGHT_PX)) == list(range(15, 25))


@pytest.mark.parametrize("name", ["-o 'a' \"b\" c:d,e;[f]=g", "100%d ü漢 {h}\\i#k?l&m $n`o`"])
def test_no_letter_of_a_name_has_a_meaning(encode, coded, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    source = folder / f"{name}.mp4"
    source.write_bytes(coded.read_bytes())
    moving = PictureRun(0, 30, "crop", tuple((10 + i, 0) for i in range(30)))

    found = inspect_clip(encode(source, picture(Fraction(1, 2), moving, window=(100, 180), still_frames=(3,)), folder))

    assert found.frames == 30
    assert (folder / "1.jpg").is_file()


def test_stills_are_the_frames_asked_for(encode, coded, tmp_path):
    encode(coded, picture(Fraction(1, 2), still_frames=(0, 7, 29)), tmp_path)

    stills = [frames_of(tmp_path / f"{n}.jpg", WIDTH_PX, HEIGHT_PX) for n in (1, 2, 3)]
    assert [numbers_in(still) for still in stills] == [[15], [22], [44]]


def test_the_same_clip_has_the_same_bytes(encode, coded, tmp_path):
    moving = PictureRun(0, 30, "crop", tuple((3 * i, 0) for i in range(30)))
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        contents.append(encode(coded, picture(Fraction(1, 2), moving, window=(100, 180)), folder).read_bytes())

    assert contents[0] == contents[1]


def test_a_player_can_start_at_once_and_needs_no_edit_list(coded, tmp_path):
    clip = with_sound(coded, picture(), tmp_path)

    found = inspect_clip(clip)
    assert found.faststart
    assert b"elst" not in clip.read_bytes()
    assert (found.video_codec, found.audio_codec, found.audio_sample_rate_hz) == ("h264", "aac", 48000)
    assert abs(found.audio_duration_s - found.video_duration_s) < Fraction(3, 100)


@pytest.mark.parametrize(
    "sound",
    [
        "sine=440:d=3:sample_rate=8000,volume=-15dB",
        "sine=440:d=3,aformat=channel_layouts=5.1",
        "anoisesrc=d=3:seed=5:amplitude=1,aformat=channel_layouts=stereo,tremolo=f=3:d=0.95",
    ],
)
def test_sound_has_the_platforms_loudness_without_passing_the_peak(tmp_path, sound):
    source = make_coded(tmp_path / "loud.mkv", "-c:a", "pcm_s16le", sound=sound)

    found = inspect_clip(with_sound(source, picture(frames=60, start_s=Fraction(0)), tmp_path))

    assert found.loudness.integrated_lufs == pytest.approx(-14, abs=1)
    assert found.loudness.true_peak_dbtp <= -1


def test_silence_stays_silent(tmp_path):
    source = make_coded(tmp_path / "silent.mp4", sound="anullsrc=d=3")

    found = inspect_clip(with_sound(source, picture(), tmp_path))

    assert found.loudness.integrated_lufs is None
    assert abs(found.audio_duration_s - 1) < Fraction(3, 100)


def test_sound_stays_in_sync_with_the_picture(tmp_path):
    click = "aevalsrc='0.002*sin(3000*t)+0.8*sin(2764*t)*between(t,1.3,1.31)':d=3:s=48000"
    source = make_coded(tmp_path / "click.mkv", "-c:a", "pcm_s16le", sound=click)

    clip = with_sound(source, picture(Fraction(1), frames=45), tmp_path)

    heard = np.abs(samples_of(clip)[:, 0])
    onset_s = np.argmax(heard > heard.max() / 2) / 48000
    assert onset_s == pytest.approx(0.3, abs=0.003)


def test_sound_that_ends_early_is_followed_by_silence(tmp_path):
    source = make_coded(tmp_path / "short.mkv", sound="sine=440:d=1.2")

    clip = with_sound(source, picture(Fraction(1), frames=60), tmp_path)

    heard = np.abs(samples_of(clip)[:, 0])
    assert len(heard) / 48000 == pytest.approx(2, abs=0.03)
    assert heard[: 48000 // 10].max() > 0.05
    assert heard[48000 // 2 :].max() < 0.01


def test_commands_move_the_crop_half_a_frame_early_and_only_when_it_moves():
    text = crop_commands("crop@a", ((5, 0), (5, 0), (6, 0), (6, 2)), Fraction(25))

    assert text == "0.060000 crop@a x 6;\n0.100000 crop@a y 2;\n"


@pytest.mark.parametrize(
    ("name", "sound_later_s", "options"),
    [
        ("late.ts", 0.0, ("-c:v", "libx264", "-bf", "2", "-output_ts_offset", "40")),
        ("late.mpg", 0.0, ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2", "-r", "25", "-f", "vob")),
        ("picture-first.ts", 0.4, ("-c:v", "libx264", "-af", "asetpts=PTS+0.4/TB")),
        ("sound-first.ts", -0.4, ("-c:v", "libx264", "-vf", "setpts=PTS+0.4/TB")),
    ],
)
def test_clips_of_streams_without_an_index_are_exact_in_picture_and_sound(tmp_path, name, sound_later_s, options):
    """Key frames are 5 s apart and clocks start anywhere; a click belongs to the third frame of the clip."""
    rate = Fraction(25 if name.endswith("mpg") else 10)  # MPEG-2 knows no slow rates
    first = round(Fraction(9 if rate == 25 else 18) * rate)
    click_s = first / rate + 2 / rate - Fraction(sound_later_s).limit_denominator(10)
    click = f"aevalsrc='0.002*sin(3000*t)+0.8*sin(2764*t)*between(t,{float(click_s)},{float(click_s) + 0.01})':d=25"
    source = make_coded(
        tmp_path / name, "-g", str(5 * rate), *options, frames=250, rate=str(rate), sound=f"{click}:s=48000"
    )
    media = probe(source)

    clip = with_sound(source, picture(media.video.start_s + first / rate, frames=10, rate=rate), tmp_path)

    heard = np.abs(samples_of(clip)[:, 0])
    assert numbers_in(frames_of(clip, WIDTH_PX, HEIGHT_PX)) == list(range(first, first + 10))
    assert np.argmax(heard > heard.max() / 2) / 48000 == pytest.approx(float(2 / rate), abs=0.03)


def test_interlaced_frames_are_made_whole(encode, tmp_path):
    """A bar that jumps from field to field: combed lines differ from both their neighbours."""
    bar = "nullsrc=s=320x180:r=60:d=2,format=gray,geq=lum='if(lt(mod(X+N*12,100),20),235,60)'"
    source = tmp_path / "fields.mkv"
    inputs = ["-f", "lavfi", "-i", bar, "-f", "lavfi", "-i", "sine=d=2"]
    fields = [
        "-vf",
        "interlace=lowpass=off",
        "-c:v",
        "libx264",
        "-flags",
        "+ildct+ilme",
        "-qp",
        "0",
        "-x264-params",
        "tff=1",
    ]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *fields, str(source)], check=True)
    assert probe(source).video.interlaced

    clip = encode(source, picture(frames=20), tmp_path)

    assert combing(frames_of(source, 320, 180)) > 3
    assert combing(frames_of(clip, 320, 180)) < 1


def combing(frames: np.ndarray) -> float:
    """How much each line differs from the mean of the two beside it, in grey levels."""
    lines = frames.astype(float)
    return float(np.abs(lines[:, 1:-1] - (lines[:, :-2] + lines[:, 2:]) / 2).mean())
