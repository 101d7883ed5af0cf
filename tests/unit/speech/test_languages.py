from __future__ import annotations

import pytest

from clip_platform.errors import InvalidPreference
from clip_platform.speech.backends.nemo import NemoRecognizer
from clip_platform.speech.languages import spoken_language
from tests.fakes.speech import BurstRecognizer


def test_without_a_wish_the_engine_decides():
    assert spoken_language(None, BurstRecognizer()) == "en"


def test_a_region_is_no_other_language():
    assert spoken_language("EN-gb", BurstRecognizer()) == "en"


def test_a_language_that_the_engine_does_not_know_is_refused_with_those_it_knows():
    with pytest.raises(InvalidPreference, match="language is 'de', but the speech engine bursts here knows en"):
        spoken_language("de", BurstRecognizer())


def test_a_multilingual_model_knows_more_than_one():
    many, one = NemoRecognizer("nvidia/parakeet-tdt-0.6b-v3"), NemoRecognizer("nvidia/parakeet-tdt-0.6b-v2")

    assert {"de", "en", "uk"} <= set(many.languages)
    assert one.languages == ("en",)
