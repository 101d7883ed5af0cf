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
