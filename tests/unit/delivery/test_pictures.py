from __future__ import annotations

import io
import math
from dataclasses import replace
from fractions import Fraction

import pytest
from made import results
from PIL import Image

from clip_platform.delivery.pictures import LARGEST_BYTES, acoustics_png, boxes_on, scores_png, strip, timeline_png
from clip_platform.delivery.timeline import MOST_POINTS, TimelineData
from clip_platform.scoring.scorer import ClipScores
from clip_platform.speech.acoustics import COLUMNS, AcousticFeatures
from clip_platform.vision.tracks import Box


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_plots_are_small_pngs_with_something_drawn():
    made = results()

    for data in (timeline_png(made.timeline()), acoustics_png(made.talk.acoustics), scores_png(made.scores)):
        assert len(data) <= LARGEST_BYTES
        assert opened(data).format == "PNG"
        assert len(opened(data).convert("RGB").getcolors(1 << 20)) > 20


def test_a_long_noisy_recording_is_still_small():
    noise = tuple(-40 + 20 * math.sin(i * i) for i in range(40_000))
    features = AcousticFeatures(Fraction(1, 2), dict.fromkeys(COLUMNS, noise))

    assert len(acoustics_png(features)) <= LARGEST_BYTES


def test_nothing_found_is_drawn_all_the_same():
    assert opened(timeline_png(TimelineData(0.0, (), (), (), (), (), ()))).format == "PNG"
    assert opened(scores_png(ClipScores("none", "0", ()))).format == "PNG"
    assert opened(acoustics_png(AcousticFeatures(Fraction(1, 2), dict.fromkeys(COLUMNS, ())))).format == "PNG"


def test_the_same_values_give_the_same_picture():
    scores = results().scores

    assert scores_png(scores) == scores_png(scores)


def test_boxes_are_scaled_to_the_picture():
    frame = io.BytesIO()
    Image.new("RGB", (480, 270), "black").save(frame, format="PNG")

    drawn = opened(boxes_on(frame.getvalue(), [Box(960, 400, 400, 400)], 1920)).convert("RGB")

    assert drawn.size == (480, 270)
    red, green, _blue = drawn.getpixel((241, 150))
    assert red > 150
    assert green < 110
    assert max(drawn.getpixel((100, 150))) < 40


def test_a_strip_shows_pictures_side_by_side(tmp_path):
    paths = []
    for index, size in enumerate([(90, 160), (160, 90)]):
        paths.append(tmp_path / f"{index}.png")
        Image.new("RGB", size, "red").save(paths[-1])

    assert opened(strip(paths, height_px=120)).size == (68 + 8 + 213, 120)


@pytest.mark.parametrize("count", [1, 7, 601, 50_000])
def test_the_energy_curve_keeps_its_peaks_and_a_bounded_length(count):
    made = results()
    levels = [-60.0] * count
    levels[count // 2] = -1.0
    acoustics = replace(made.talk.acoustics, columns={**made.talk.acoustics.columns, "energy_db": tuple(levels)})

    timeline = replace(made, talk=replace(made.talk, acoustics=acoustics)).timeline()

    assert len(timeline.energy_db) == min(count, MOST_POINTS)
    assert max(timeline.energy_db) == -1.0
