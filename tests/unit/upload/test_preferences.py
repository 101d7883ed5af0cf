import json

import pytest

from clip_platform.errors import InvalidPreference
from clip_platform.upload.preferences import ASPECTS, CAPTION_STYLES, Preferences


def test_nothing_said_means_five_vertical_clips():
    assert Preferences.from_mapping({}) == Preferences(clips=5, min_s=15, max_s=60, aspect="9:16")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clips": 0}, "from 1 to 50"),
        ({"clips": 51}, "from 1 to 50"),
        ({"clips": True}, "whole number"),
        ({"clips": "3"}, "whole number"),
        ({"min_s": 2.9}, "from 3 to 900"),
        ({"max_s": 901}, "from 3 to 900"),
        ({"max_s": float("nan")}, "from 3 to 900"),
        ({"min_s": "15"}, "from 3 to 900"),
        ({"min_s": 60, "max_s": 60}, "not below"),
        ({"aspect": "2:1"}, "9:16, 4:5, 1:1, 16:9"),
        ({"caption_style": "loud"}, "highlight, plain, none"),
        ({"colour": "red"}, "no such preference"),
        ({"\ud800": 1}, r"^'\\ud800': no such preference"),
        ({"range_start_s": -1}, "range_start_s is -1"),
        ({"range_end_s": float("inf")}, "range_end_s is inf"),
        ({"range_start_s": 10**400}, "a very large number"),
        ({"range_start_s": 30, "range_end_s": 20}, "shorter than min_s 15"),
        ({"range_start_s": 30, "range_end_s": 40}, "shorter than min_s 15"),
        ({"keywords": "growth"}, "a list of texts"),
        ({"keywords": ["growth", "Growth"]}, "'growth' twice"),
        ({"keywords": [" "]}, "1 to 60 printable"),
        ({"keywords": ["a\u202eb"]}, "1 to 60 printable"),
        ({"keywords": ["k" * 61]}, "1 to 60 printable"),
        ({"keywords": [str(number) for number in range(21)]}, "at most 20"),
        ({"keywords": None}, "a list of texts"),
        ({"language": "english please"}, "BCP 47"),
        ({"language": 7}, "BCP 47"),
        ({"platforms": ["tv"]}, "tiktok, instagram_reels"),
        ({"platforms": ["x", "x"]}, "'x' twice"),
    ],
)
def test_a_preference_that_cannot_be_met_says_what_can(values, words):
    with pytest.raises(InvalidPreference, match=words):
        Preferences.from_mapping(values)


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("style", CAPTION_STYLES)
def test_every_offered_choice_is_taken(aspect, style):
    chosen = Preferences.from_mapping({"aspect": aspect, "caption_style": style})

    assert (chosen.aspect, chosen.caption_style) == (aspect, style)


def test_what_was_not_asked_for_is_not_written_so_that_older_rows_mean_the_same():
    old = {"clips": 5, "min_s": 15.0, "max_s": 60.0, "aspect": "9:16", "caption_style": "highlight"}

    assert Preferences.from_mapping(old).as_mapping() == old
    assert Preferences.from_mapping({}).as_mapping() == old


def test_every_preference_survives_being_written_as_json():
    wanted = Preferences(
        range_start_s=10, range_end_s=90, keywords=("growth", "Zürich"), language="pt-BR", platforms=("tiktok", "x")
    )

    assert Preferences.from_mapping(json.loads(json.dumps(wanted.as_mapping()))) == wanted
