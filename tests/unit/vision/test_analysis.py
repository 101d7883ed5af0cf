"""One decode of a real file, from probe to shots and tracks."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from clip_platform.errors import UnsupportedMedia
from clip_platform.media.probe import Limits, probe
from clip_platform.vision.analysis import SAMPLE_RATE, watch
from clip_platform.vision.backends.opencv import HaarDetector
from clip_platform.vision.tracks import DetectedFace
from tests.unit.vision.moving_pictures import slide, texture, with_face

WIDTH, HEIGHT, RATE = 960, 540, 30
BACKGROUND = cv2.cvtColor(texture(1, WIDTH, HEIGHT), cv2.COLOR_BGR2GRAY) // 2


def face_centre(frame: int) -> tuple[float, float]:
    return 300 + 2.0 * frame, 240


def write(path: Path, pictures: list[np.ndarray], rate: int = RATE, *options: str) -> Path:
    """Pictures, grey or BGR, as H.264 with a tone."""
    height, width = pictures[0].shape[:2]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "bgr24",
        "-s",
        f"{width}x{height}",
    ]
    command += ["-r", str(rate), "-i", "pipe:0", "-f", "lavfi", "-i", f"sine=r=16000:d={len(pictures) / rate}"]
    command += [*options, "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p", str(path)]
    colour = [cv2.cvtColor(p, cv2.COLOR_GRAY2BGR) if p.ndim == 2 else p for p in pictures]
    subprocess.run(command, input=b"".join(p.tobytes() for p in colour), check=True)
    return path


class ColourDetector:
    needs_colour = True
    name = "colour"

    def __init__(self) -> None:
        self.dimensions: set[int] = set()

    def detect(self, picture: np.ndarray) -> list[DetectedFace]:
        self.dimensions.add(picture.ndim)
        return []


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that moves for 1.5 s, a slide for 1.1 s, the face again for 1 s."""
    face = [with_face(face_centre(i), 110, BACKGROUND, (WIDTH, HEIGHT)) for i in range(45)]
    page = cv2.resize(slide((60, 90, 40), (60, 60, 180)), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return write(tmp_path_factory.mktemp("vision") / "talk.mp4", face + [page] * 33 + face[:30])


def test_one_pass_finds_cuts_slides_and_faces(video: Path):
    info, shares = probe(video), []

    shots, faces = watch(video, info, HaarDetector(), shares.append)

    assert shots.cuts_s == (Fraction(45, RATE), Fraction(78, RATE))
    assert [shot.kind for shot in shots.shots] == ["camera", "slide", "camera"]
    assert [track.shot_index for track in faces.tracks] == [0, 2]
    assert [track.first_sample for track in faces.tracks] == [0, 39]
    assert (faces.width_px, faces.height_px, faces.sample_rate) == (WIDTH, HEIGHT, SAMPLE_RATE)
    assert faces.sample_count == 54
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_boxes_lie_on_the_face_in_display_pixels(video: Path):
    _, faces = watch(video, probe(video), HaarDetector(), lambda _: None)

    for sample, box in enumerate(faces.tracks[0].boxes):
        x, y = face_centre(2 * sample)
        assert abs(box.centre[0] - x) < 0.1 * 110
        assert abs(box.centre[1] - y) < 0.1 * 110
        assert box.width == pytest.approx(110, rel=0.15)


def test_a_detector_that_needs_colour_is_shown_colour(video: Path):
    detector = ColourDetector()

    _, faces = watch(video, probe(video), detector, lambda _: None)

    assert detector.dimensions == {3}
    assert faces.tracks == ()
    assert faces.detector == "colour"


@pytest.mark.parametrize("pictures", [1, 30], ids=["single frame", "one second"])
def test_a_short_black_video_is_one_shot_without_faces(tmp_path: Path, pictures: int):
    path = write(tmp_path / "short.mp4", [np.zeros((64, 96), np.uint8)] * pictures)
    info = probe(path, Limits(min_duration_s=0.01))

    shots, faces = watch(path, info, HaarDetector(), lambda _: None)

    assert len(shots.shots) == 1
    assert shots.shots[0].span.end == info.duration_s
    assert faces.tracks == ()


def test_a_portrait_is_analysed_upright(tmp_path: Path):
    pictures = [with_face((180, 250), 120, size=(360, 640))] * 40
    path = write(tmp_path / "portrait.mp4", pictures)

    _, faces = watch(path, probe(path), HaarDetector(), lambda _: None)

    (track,) = faces.tracks
    assert track.boxes[10].centre == pytest.approx((180, 250), abs=12)


def views(count: int, cut: int) -> list[np.ndarray]:
    """Two views, 160 by 90, with a cut before the picture `cut`."""
    seen = [cv2.resize(texture(number), (160, 90)) for number in (31, 32)]
    return [seen[number >= cut] for number in range(count)]


def test_a_cut_at_240_pictures_a_second_is_found_at_its_picture(tmp_path: Path):
    path = write(tmp_path / "fast.mp4", views(360, 180), 240)

    shots, faces = watch(path, probe(path), HaarDetector(), lambda _: None)

    assert shots.cuts_s == (Fraction(180, 240),)
    assert faces.sample_count == 23


def test_a_cut_at_a_variable_rate_is_found_at_its_presentation_time(tmp_path: Path):
    """Every third picture comes a sixtieth of a second late."""
    late = ("-vf", "settb=1/600,setpts=N*20+10*not(mod(N\\,3))", "-fps_mode", "vfr", "-enc_time_base", "1:600")
    path = write(tmp_path / "variable.mp4", views(90, 45), RATE, *late)

    shots, _ = watch(path, probe(path), HaarDetector(), lambda _: None)

    (cut_s,) = shots.cuts_s
    assert float(cut_s) == pytest.approx((45 * 20 + 10) / 600, abs=0.001)


def test_a_frozen_face_is_one_shot_with_a_picture_of_a_face(tmp_path: Path):
    path = write(tmp_path / "frozen.mp4", [with_face((320, 180), 110, texture_grey())] * 90)

    shots, faces = watch(path, probe(path), HaarDetector(), lambda _: None)

    assert [shot.begins for shot in shots.shots] == ["start"]
    (track,) = faces.tracks
    assert track.still
    assert len(track.boxes) == faces.sample_count == 45


def texture_grey() -> np.ndarray:
    return cv2.cvtColor(texture(1, 640, 360), cv2.COLOR_BGR2GRAY) // 2


def test_a_strobe_in_a_file_is_no_flood_of_cuts(tmp_path: Path):
    light, dark = np.full((90, 160), 235, np.uint8), np.zeros((90, 160), np.uint8)
    path = write(tmp_path / "strobe.mp4", [light if number // 2 % 2 else dark for number in range(120)])

    shots, faces = watch(path, probe(path), HaarDetector(), lambda _: None)

    assert len(shots.shots) <= 2
    assert faces.tracks == ()


def test_the_smallest_picture_that_is_accepted_is_analysed_and_a_smaller_one_refused(tmp_path: Path):
    noise = np.random.default_rng(1).integers(0, 255, (40, 64, 64), dtype=np.uint8)
    path = write(tmp_path / "tiny.mp4", list(noise))
    tinier = write(tmp_path / "tinier.mp4", list(noise[:, :16, :18]))

    shots, faces = watch(path, probe(path), HaarDetector(), lambda _: None)

    assert shots.shots[-1].span.end == probe(path).duration_s
    assert faces.tracks == ()
    with pytest.raises(UnsupportedMedia, match="at least 64x64"):
        probe(tinier)
