"""Values that cross stages survive storage exactly, and the same value has the same bytes."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import pkgutil
import types
import typing
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import clip_platform
from clip_platform.errors import CorruptArtifact
from clip_platform.identifiers import StoredObject
from clip_platform.scoring.features import ClipFeatures
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.storage import artifacts
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Shots

STAGES = ("media", "speech", "vision", "speakers", "selection", "scoring", "rendering", "delivery")


def frozen_dataclasses() -> list[type]:
    """Every one in a stage package whose fields are all data: what can be the value of an asset."""
    found = {}
    for stage in STAGES:
        package = importlib.import_module(f"clip_platform.{stage}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == module.name:
                    found[f"{value.__module__}.{value.__qualname__}"] = value
    return [cls for _, cls in sorted(found.items()) if is_data(cls)]


def is_data(kind: Any) -> bool:
    if dataclasses.is_dataclass(kind):
        if not kind.__dataclass_params__.frozen or kind.__name__.startswith("_"):
            return False
        try:
            return all(is_data(hint) for hint in typing.get_type_hints(kind).values())
        except NameError:  # annotated with what is imported for types only: an array, say
            return False
    if kind in (int, float, str, bool, type(None), Fraction):
        return True
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return True
    inner = [argument for argument in typing.get_args(kind) if argument is not ...]
    if origin is collections.abc.Mapping and inner == [str, np.ndarray]:
        return True
    return origin in (tuple, collections.abc.Mapping, types.UnionType, typing.Union) and all(map(is_data, inner))


def example(kind: Any, seed: int = 1) -> Any:
    """A value in which every field differs from its default, two of every sequence."""
    if kind is Span:
        return Span(Fraction(seed, 3), Fraction(seed, 3) + Fraction(1001, 30000))
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(
            **{field.name: example(hints[field.name], seed + n) for n, field in enumerate(dataclasses.fields(kind))}
        )
    if kind in (int, bool):
        return kind(seed)
    if kind is float:
        return seed / 7
    if kind is np.ndarray:
        return np.array([seed / 7, seed / 3], np.float32)
    if kind is Fraction:
        return Fraction(seed, 90000)
    if kind is str:
        return f"“naïve” \U0001f600 {{{seed}}} \\ \x00\n"
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return inner[seed % len(inner)]
    if origin is tuple:
        variadic = len(inner) == 2 and inner[1] is ...
        members = [inner[0]] * 2 if variadic else inner
        return tuple(example(member, seed + n) for n, member in enumerate(members))
    if origin is collections.abc.Mapping:
        return {f"key {n}": example(inner[1], seed + n) for n in range(2)}
    return example(next(member for member in inner if member is not type(None)), seed)


def test_the_types_are_found():
    names = {cls.__name__ for cls in frozen_dataclasses()}

    assert names >= {"MediaInfo", "AudioTrack", "Transcript", "AcousticFeatures", "Shots", "FaceTable", "SpeakerTurns"}
    assert names >= {"ClipCandidates", "ClipFeatures", "ClipScores", "SelectedClips", "RenderedClips"}


@pytest.mark.parametrize("cls", frozen_dataclasses(), ids=lambda cls: cls.__qualname__)
def test_a_value_comes_back_as_it_was_and_always_has_the_same_bytes(cls: type):
    try:
        value = example(cls)
    except (ValueError, clip_platform.errors.ClipPlatformError):
        pytest.skip("refuses made-up values")

    data = artifacts.encode(value)
    back = artifacts.decode(cls, data)

    assert back == value
    assert type(back) is cls
    assert artifacts.encode(back) == data == artifacts.encode(example(cls))


def test_fractions_are_exact_and_empty_values_stay_empty():
    value = Shots(())
    word = Word("w", Span(Fraction(1, 3), Fraction(10**12 + 1, 3)))
    transcript = Transcript((word,), (), "en", EngineIdentity("e", "1", "m"))

    assert artifacts.decode(Shots, artifacts.encode(value)) == value
    assert artifacts.decode(Transcript, artifacts.encode(transcript)).words[0].span == word.span


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_tables_are_parquet_that_other_tools_read(rows: int):
    import io

    import pyarrow.parquet as pq

    names = tuple(f"c{n}" for n in range(rows))
    features = ClipFeatures("digest", names, {"z": (0.1,) * rows, "a": tuple(float(n) for n in range(rows))})

    data = artifacts.encode(features)
    table = pq.read_table(io.BytesIO(data))

    assert artifacts.decode(ClipFeatures, data) == features
    assert table.column_names == ["candidate_ids", "z", "a"]
    assert list(artifacts.decode(ClipFeatures, data).columns) == ["z", "a"]
    assert artifacts.suffix_of(ClipFeatures) == ".parquet"
    assert artifacts.suffix_of(Shots) == ".json"


def test_numbers_that_are_none_are_refused_in_json():
    with pytest.raises(ValueError, match="JSON compliant"):
        artifacts.encode(EngineScore(float("nan")))


@dataclasses.dataclass(frozen=True)
class EngineScore:
    value: float


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="length"):
        artifacts.encode(AcousticFeatures(Fraction(1, 10), {"a": (1.0,), "b": (1.0, 2.0)}))


@pytest.mark.parametrize("cls", [Shots, ClipFeatures])
@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"PAR1", b'{"type":"Shots","version":1}', b"\xff\xfe"])
def test_what_is_no_artifact_is_called_corrupt(cls: type, data: bytes):
    with pytest.raises(CorruptArtifact, match=cls.__name__):
        artifacts.decode(cls, data)


def test_another_type_another_version_or_other_fields_are_called_corrupt():
    data = artifacts.encode(Shots(()))

    with pytest.raises(CorruptArtifact, match="says Shots version 1, expected StoredObject"):
        artifacts.decode(StoredObject, data)
    with pytest.raises(CorruptArtifact, match="version 2"):
        artifacts.decode(Shots, data.replace(b'"version":1', b'"version":2'))
    with pytest.raises(CorruptArtifact, match="does not fit Shots"):
        artifacts.decode(Shots, data.replace(b'"shots"', b'"shot"'))
    with pytest.raises(CorruptArtifact, match="expected ClipFeatures"):
        artifacts.decode(ClipFeatures, artifacts.encode(AcousticFeatures(Fraction(1), {"a": (1.0,)})))
