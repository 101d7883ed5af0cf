"""What an experiment varies is what it says, the default is what serves, and nonsense is refused by name."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from clip_platform.errors import InvalidInput, NotFound, UnreadableFile
from clip_platform.ml import tables
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.experiment import (
    Experiment,
    Source,
    read_experiment,
    recipe_name,
    recipes,
    simulated_examples,
    stored_examples,
)
from clip_platform.ml.labels import VARIANTS, engagement_labels
from clip_platform.ml.model import data_digest, train
from clip_platform.ml.recipe import Recipe
from clip_platform.ml.saved import save
from clip_platform.ml.simulate import START

AS_OF = START + np.timedelta64(120, "D")


def retrained(learned, recipe):
    return train(learned.examples, as_of=AS_OF, seed=1, version="1", recipe=recipe)


def test_the_default_recipe_gives_the_same_bytes_as_none(learned, tmp_path):
    save(learned.model, tmp_path / "usual")
    save(retrained(learned, Recipe()), tmp_path / "recipe")

    assert digest_of(tmp_path / "usual") == digest_of(tmp_path / "recipe")


def digest_of(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def test_a_model_does_not_look_at_features_that_are_left_out(learned):
    left_out = ("duration_s", "hook_strong", "pitch_spread_st")
    recipe = Recipe(features=tuple(name for name in FEATURE_NAMES if name not in left_out))
    model = retrained(learned, recipe)
    features, fresh = learned.fresh_examples.features, learned.fresh_examples
    changed = features.copy()
    changed[:, [FEATURE_NAMES.index(name) for name in left_out]] = 7.0

    before, after = (model.raw(values, fresh.tenant, fresh.heuristic) for values in (features, changed))

    assert np.array_equal(before, after)
    assert not np.array_equal(before, learned.model.raw(features, fresh.tenant, fresh.heuristic))
    assert model.data_digest == learned.model.data_digest


def test_parameters_reach_both_heads(learned):
    model = retrained(learned, Recipe(parameters={"rounds": 12, "num_leaves": 3}))

    for head in (model.heads.label, model.heads.accept):
        assert head.num_trees() == 12
        assert max(tree["num_leaves"] for tree in head.dump_model()["tree_info"]) == 3


def test_heads_and_parts_can_be_left_out(learned):
    model = retrained(learned, Recipe(accept_head=False, tenant_parts=False))

    assert model.heads.accept is None
    assert model.heads.tenant_parts == {}
    assert learned.model.heads.accept is not None


def test_label_variants_differ_and_reactions_ignore_how_long_was_watched(learned):
    watched = learned.examples.where(learned.examples.watched)
    counts = watched.counts.copy()
    counts[:, 0] = 0
    from dataclasses import replace

    unwatched = replace(watched, counts=counts)

    labels = {name: engagement_labels(watched, variant).value for name, variant in VARIANTS.items()}

    assert len({values.tobytes() for values in labels.values()}) == len(VARIANTS)
    assert np.array_equal(labels["reactions"], engagement_labels(unwatched, VARIANTS["reactions"]).value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"label": "fame"}, "no label 'fame'; choose of engagement"),
        ({"features": ("duration_s", "luck")}, "no feature 'luck'"),
        ({"features": ()}, "at least one feature"),
        ({"parameters": {"objective": 1}}, "no parameter 'objective'"),
        ({"parameters": {"num_leaves": 1}}, "num_leaves is 1, expected a whole number from 2"),
        ({"parameters": {"num_leaves": 2.5}}, "num_leaves is 2.5, expected a whole number"),
        ({"parameters": {"learning_rate": float("nan")}}, "learning_rate is nan"),
        ({"parameters": {"learning_rate": "fast"}}, "learning_rate is 'fast'"),
    ],
)
def test_a_recipe_of_nonsense_is_refused_by_name(wrong, said):
    with pytest.raises(InvalidInput, match=said):
        Recipe(**wrong)


def test_a_grid_is_every_combination_beside_the_default():
    found = recipes(grid=["num_leaves=15,31", "rounds=100"], labels=["engagement", "reactions"], drop=["hook_*"])

    assert found[0] == Recipe()
    assert len(found) == 5
    assert {one.label for one in found[1:]} == {"engagement", "reactions"}
    assert all(not any(name.startswith("hook_") for name in one.features) for one in found[1:])
    assert recipe_name(found[1]).startswith("num_leaves=15; rounds=100; without hook_")


@pytest.mark.parametrize("setting", ["leaves=3", "num_leaves", "num_leaves=few", "num_leaves=3,"])
def test_a_grid_that_cannot_be_read_is_refused(setting):
    with pytest.raises(InvalidInput, match="leaves"):
        recipes(grid=[setting])


def test_a_grid_without_end_is_refused():
    with pytest.raises(InvalidInput, match="more than 200 combinations"):
        recipes(grid=[f"rounds={','.join(map(str, range(1, 60)))}", "num_leaves=3,4,5,6"])


def test_an_experiment_survives_its_record():
    recipe = recipes(grid=["learning_rate=0.1"], labels=["reactions"], drop=["duration_s,hook_*"])[1]
    experiment = Experiment(Source(simulated_clips=500, seed=3), recipe, 3)

    assert read_experiment(json.loads(json.dumps(experiment.as_document()))) == experiment


@pytest.mark.parametrize(
    "document", [{}, [], {"version": 1}, {"version": 2}, {"version": 1, "source": {}, "recipe": {"x": 1}, "seed": 1}]
)
def test_a_record_that_is_none_is_refused(document):
    with pytest.raises(InvalidInput, match="anew"):
        read_experiment(document)


def test_stored_examples_come_back_from_files_of_several_days(learned, tmp_path):
    days = np.unique(learned.examples.made_on)
    early = learned.examples.made_on <= days[len(days) // 2]
    for name, rows in (("a", early), ("b/c", ~early)):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tables.encode("examples", tables.columns_of_examples(learned.examples.where(rows))))

    assert data_digest(stored_examples(tmp_path)) == data_digest(learned.examples)


def test_a_place_without_examples_is_named(tmp_path):
    with pytest.raises(UnreadableFile, match=r"nowhere does not exist; give a Parquet file"):
        stored_examples(tmp_path / "nowhere")
    with pytest.raises(NotFound, match=r"holds no \.parquet file"):
        stored_examples(tmp_path)


def test_a_simulated_world_is_the_same_again_and_about_as_large_as_asked():
    one, again, other = (simulated_examples(400, seed) for seed in (1, 1, 2))

    assert data_digest(one) == data_digest(again) != data_digest(other)
    assert 400 <= int(one.watched.sum()) < 440
