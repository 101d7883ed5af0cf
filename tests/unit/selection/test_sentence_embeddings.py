"""The real sentence model: what it gives, what selection makes of it, and what is said when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from clip_platform.errors import EngineUnavailable
from clip_platform.evaluation.selection_lines import minilm
from clip_platform.evaluation.topic_talks import boundary_errors
from clip_platform.selection.backends.sentence_transformer import SentenceTransformerEmbedder
from clip_platform.selection.candidates import propose
from clip_platform.selection.keywords import akin_keywords
from clip_platform.selection.topics import topic_starts
from clip_platform.upload.preferences import Preferences
from tests.fakes.talks import THREE_SUBJECTS, talk


@pytest.fixture(scope="module")
def embedder():
    found = minilm()
    assert found is not None, "make test installs it"
    return found


def test_vectors_have_length_one_and_like_meanings_like_directions(embedder):
    money, debt, bees = embedder.embed(["money", "how we save money", "the bees fly to the flowers"])

    assert embedder.embed([]).shape == (0, 384)
    assert [np.linalg.norm(vector) for vector in (money, debt, bees)] == pytest.approx([1.0] * 3, abs=1e-5)
    assert money @ debt > money @ bees


def test_subjects_are_told_apart_although_words_are_wrong(embedder):
    sentences = talk(THREE_SUBJECTS, wrong_words=0.3, seed=1).sentences

    starts = topic_starts(sentences, embedder)

    assert all(any(abs(start - truth) <= 1 for start in starts) for truth in (10, 20))
    assert np.mean(boundary_errors(embedder, talks=1)) < 0.2


def test_a_keyword_is_found_in_other_words(embedder):
    made = talk(THREE_SUBJECTS)
    candidates = propose(made.transcript, made.sentences, made.shots, made.media, Preferences(), embedder)

    akin = akin_keywords(candidates, ["bakery", "geology"], embedder)

    by_subject = {candidate.first_sentence // 10: akin[candidate.candidate_id] for candidate in candidates.candidates}
    assert "bakery" in by_subject[0]
    assert "bakery" not in by_subject[2]
    assert "geology" in by_subject[2]
    assert "geology" not in by_subject[0]


def test_a_model_that_is_not_there_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()

    with pytest.raises(EngineUnavailable, match=r"'nobody/nothing'.*CLIP_PLATFORM_SENTENCE_MODEL=FOLDER"):
        SentenceTransformerEmbedder("nobody/nothing", "cpu").embed(["one"])
    with pytest.raises(EngineUnavailable, match=r"empty.*SentenceTransformer\.save"):
        SentenceTransformerEmbedder(str(tmp_path / "empty"), "cpu").embed(["one"])
