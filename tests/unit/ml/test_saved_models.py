"""A saved model scores as before; a file that is not what was written is refused, never unpickled."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from clip_platform.errors import CorruptArtifact, FeatureMismatch
from clip_platform.ml.saved import load, save


@pytest.fixture
def folder(learned, tmp_path):
    save(learned.model, tmp_path)
    return tmp_path


def rewrite(folder, **changes):
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(document | changes))


def test_a_loaded_model_scores_as_before(learned, folder):
    features, tenant = learned.fresh_examples.features, learned.fresh_examples.tenant

    before, after = (model.score(features, tenant) for model in (learned.model, load(folder)))

    assert np.array_equal(before.value, after.value)
    assert np.array_equal(before.low, after.low)
    assert before.bands == after.bands


def test_foreign_features_are_refused_with_a_remedy(folder):
    rewrite(folder, feature_digest="9f3c00000000")

    with pytest.raises(FeatureMismatch, match=r"trained on features 9f3c00000000.*train again"):
        load(folder)


def test_another_heuristic_is_refused(folder):
    rewrite(folder, heuristic="heuristic-0")

    with pytest.raises(FeatureMismatch, match="starts from heuristic-0"):
        load(folder)


@pytest.mark.parametrize("name", ["model.json", "label.txt", "accept.txt"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda _content: pickle.dumps({"model": 1}),
        lambda _content: b"",
    ],
    ids=["cut", "pickled", "empty"],
)
def test_a_file_that_is_not_what_was_written_is_refused(folder, name, damage):
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(CorruptArtifact, match="roll back"):
        load(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "label.txt").unlink()

    with pytest.raises(CorruptArtifact, match="cannot be read"):
        load(folder)


@pytest.mark.parametrize("changes", [{"sha256": {}}, {"calibration": {}}, {"slope": "steep"}, {"format": 2}])
def test_a_document_without_its_parts_is_refused(folder, changes):
    rewrite(folder, **changes)

    with pytest.raises(CorruptArtifact, match="roll back"):
        load(folder)
