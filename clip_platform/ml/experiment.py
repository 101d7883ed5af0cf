"""An experiment: which examples, which recipe, which seed. Its record is all it takes to do it again, to the digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from clip_platform.errors import InvalidInput, NotFound, UnreadableFile
from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.recipe import TUNABLE, Recipe, read_recipe

VERSION = 1
MOST_RECIPES = 200
_DAYS = 300.0
_SETTLED_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder of stored examples, or so many simulated clips with feedback of a world by its seed."""

    path: str | None = None
    simulated_clips: int | None = None
    seed: int = 1

    @property
    def name(self) -> str:
        return self.path or f"simulated {self.simulated_clips}, seed {self.seed}"

    def read(self) -> Examples:
        """
        Raises:
            UnreadableFile, NotFound: there is nothing to read.
            CorruptArtifact, FeatureMismatch: what is there is not examples of this version.
        """
        if self.path is not None:
            return stored_examples(Path(self.path))
        return simulated_examples(self.simulated_clips or 0, self.seed)


@dataclass(frozen=True, slots=True)
class Experiment:
    """`name` says for people what differs from the default."""

    source: Source
    recipe: Recipe
    seed: int

    @property
    def name(self) -> str:
        return recipe_name(self.recipe)

    def as_document(self) -> dict[str, Any]:
        source = {"path": self.source.path, "simulated_clips": self.source.simulated_clips, "seed": self.source.seed}
        return {"version": VERSION, "source": source, "recipe": self.recipe.as_document(), "seed": self.seed}


def read_experiment(document: Mapping[str, Any]) -> Experiment:
    """
    Raises:
        InvalidInput: it is not what `as_document` gives.
    """
    if not isinstance(document, Mapping) or document.get("version") != VERSION:
        raise InvalidInput(f"a record is not an experiment's of version {VERSION}; run it anew")
    try:
        return Experiment(Source(**document["source"]), read_recipe(document["recipe"]), int(document["seed"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"a record of an experiment lacks or mistakes {error}; run it anew") from error


def recipe_name(recipe: Recipe) -> str:
    usual = Recipe()
    parts = [recipe.label] if recipe.label != usual.label else []
    parts += [f"{name}={value:g}" for name, value in sorted(recipe.parameters.items())]
    left_out = [name for name in FEATURE_NAMES if name not in recipe.features]
    if left_out:
        parts.append(f"without {', '.join(left_out[:3])}{f' and {len(left_out) - 3} more' if left_out[3:] else ''}")
    parts += ["no accept head"] if not recipe.accept_head else []
    parts += ["no tenant parts"] if not recipe.tenant_parts else []
    return "; ".join(parts) or "default"


def recipes(
    *,
    grid: Sequence[str] = (),
    labels: Sequence[str] = (),
    drop: Sequence[str] = (),
    accept_head: bool = True,
    tenant_parts: bool = True,
) -> list[Recipe]:
    """Every combination, the default first: whatever is tried, it is tried beside what serves.

    Args:
        grid: each `name=value,value`.
        labels: names of label variants.
        drop: each a list `feature,feature` of names or patterns (`hook_*`) to leave out together.

    Raises:
        InvalidInput: a name or a value is not known, or there are more than 200 combinations.
    """
    usual = Recipe()
    axes = [_values(setting) for setting in grid]
    features = [_without(one) for one in drop] or [FEATURE_NAMES]
    combinations = [dict(chosen) for chosen in product(*axes)]
    if len(combinations) * max(len(labels), 1) * len(features) > MOST_RECIPES:
        raise InvalidInput(f"more than {MOST_RECIPES} combinations; give fewer values")
    found = [usual]
    for label, seen, parameters in product(labels or [usual.label], features, combinations):
        one = Recipe(label, seen, parameters, accept_head=accept_head, tenant_parts=tenant_parts)
        if one not in found:
            found.append(one)
    return found


def stored_examples(path: Path) -> Examples:
    """Of a Parquet file, or of all those in a folder and below."""
    from clip_platform.ml import tables

    if not path.exists():
        raise UnreadableFile(f"{path} does not exist; give a Parquet file of training_examples or a folder of them")
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise NotFound(f"{path} holds no .parquet file; materialise training_examples, or give another folder")
    try:
        return tables.examples_of([tables.decode("examples", file.read_bytes()) for file in files])
    except OSError as error:
        raise UnreadableFile(f"{error.filename or path} cannot be read: {error.strerror}") from error


def simulated_examples(clips: int, seed: int) -> Examples:
    """About so many clips with feedback, and all others of the same videos, of a simulated world over 300 days.

    Raises:
        InvalidInput: the number is not positive.
    """
    from clip_platform.ml.simulate import examples_of, make_clips, make_world, show

    if clips < 1:
        raise InvalidInput(f"{clips} simulated clips, expected at least 1")
    world = make_world(seed)
    videos = max(clips // 3, 1)
    while True:
        made = make_clips(world, videos, seed, days=(0.0, _DAYS))
        examples = examples_of(made, show(world, made, seed), as_of=_DAYS + _SETTLED_DAYS)
        if int(examples.watched.sum()) >= clips:
            break
        videos *= 2
    seen = np.random.default_rng([seed, 6]).permutation(np.unique(examples.video))
    of_video = np.unique(examples.video[examples.watched], return_counts=True)
    counts = dict(zip(*of_video, strict=True))
    enough = int(np.searchsorted(np.cumsum([counts.get(video, 0) for video in seen]), clips)) + 1
    return examples.where(np.isin(examples.video, seen[:enough]))


def _values(setting: str) -> list[tuple[str, float]]:
    name, _, listed = setting.partition("=")
    if name not in TUNABLE:
        raise InvalidInput(f"no parameter {name!r}; choose of {', '.join(TUNABLE)}")
    try:
        return [(name, TUNABLE[name][0](value)) for value in listed.split(",")]
    except ValueError as error:
        raise InvalidInput(f"{setting!r} is not {name}=value,value with numbers") from error


def _without(listed: str) -> tuple[str, ...]:
    patterns = [pattern.strip() for pattern in listed.split(",")]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in FEATURE_NAMES):
            raise InvalidInput(f"no feature {pattern!r}; choose of {', '.join(FEATURE_NAMES)}")
    return tuple(name for name in FEATURE_NAMES if not any(fnmatchcase(name, pattern) for pattern in patterns))
