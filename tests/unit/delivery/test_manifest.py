from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from made import ROUGH, results

from clip_platform.rendering.clips import RenderedClips

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "clips.schema.json").read_text(encoding="utf-8"))


def validate(manifest: dict) -> None:
    jsonschema.validate(json.loads(json.dumps(manifest)), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_is_written_is_what_the_schema_describes():
    manifest = results(problems=("it is silent",), fallbacks=("no face for 2 s",)).manifest()

    validate(manifest)

    assert len(manifest["clips"]) == 3
    assert manifest["rejected"]


def test_the_schema_refuses_what_it_does_not_describe():
    manifest = results().manifest()
    manifest["clips"][0]["surprise"] = 1

    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        validate(manifest)


def test_a_talk_without_clips_is_described_too():
    manifest = results(("Hello there.",)).manifest()

    validate(manifest)

    assert manifest["clips"] == []
    assert "no clip" in manifest["shortfall"]
    assert manifest["rejected"][0]["candidate_id"] is None


def test_a_chosen_clip_that_was_not_rendered_is_described_too():
    made = results()

    manifest = replace(made, rendered=RenderedClips(()), packages=replace(made.packages, packages=())).manifest()

    validate(manifest)
    assert manifest["clips"][0]["quality"] is None
    assert manifest["clips"][0]["files"] == {}


def test_lineage_carries_the_rough_engine_with_its_remedy():
    speech = results(engine=ROUGH).manifest()["engines"]["speech"]

    assert speech["name"] == "pocketsphinx"
    assert "install the nemo extra" in speech["rough"]
    assert results().manifest()["engines"]["speech"]["rough"] is None


def test_contributions_add_up_to_the_score():
    for clip in results().manifest()["clips"]:
        score = clip["score"]
        total = score["baseline"] + sum(part["points"] for part in score["contributions"])
        assert total == pytest.approx(score["value"])


def test_the_words_are_those_between_the_ends():
    made = results()

    clip = made.manifest()["clips"][0]

    span = made.selected.clips[0].span
    spoken = [word for word in made.talk.transcript.words if span.contains(word.span.middle)]
    assert clip["text"] == " ".join(word.text for word in spoken)
    assert clip["text"].startswith(clip["first_words"])


def test_the_same_results_give_the_same_bytes():
    assert json.dumps(results().manifest()) == json.dumps(results().manifest())
