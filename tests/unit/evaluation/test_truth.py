from __future__ import annotations

import json

import pytest

from clip_platform.errors import CorruptArtifact
from clip_platform.evaluation.truth import load_truth, save_truth
from tests.unit.evaluation.small_truth import small_truth


def test_truth_survives_being_saved(tmp_path):
    truth = small_truth()

    save_truth(truth, tmp_path / "truth.json")

    assert load_truth(tmp_path / "truth.json") == truth


def test_truth_of_another_version_is_refused(tmp_path):
    path = tmp_path / "truth.json"
    save_truth(small_truth(), path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))

    with pytest.raises(CorruptArtifact, match="99"):
        load_truth(path)


def test_the_speaker_is_known_during_words_only():
    truth = small_truth()

    assert [truth.speaker_at(moment) for moment in (0.05, 0.1, 0.39, 0.4)] == [None, "host", "host", None]


def test_the_shot_on_display_begins_with_its_first_frame():
    truth = small_truth()

    assert [truth.shot_at(moment).view for moment in (0.0, 0.49, 0.5, 7.0)] == ["host", "host", "slide-a", "slide-a"]
