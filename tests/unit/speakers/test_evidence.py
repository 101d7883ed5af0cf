from __future__ import annotations

import numpy as np
import pytest

from clip_platform.speakers.evidence import HIGHEST, LOWEST, lead_of, likeliest, mouth_evidence

RATE = 15.0
QUIET = np.zeros


def talking(count: int, seed: int = 0) -> np.ndarray:
    """Motion as measured on real talkers: 2 to 4 grey levels, with short closures."""
    return np.random.default_rng(seed).gamma(3.0, 1.1, count)


def listening(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).gamma(6.0, 0.1, count)


def test_a_mouth_that_speaks_has_more_evidence_than_one_that_listens():
    evidence = mouth_evidence(np.stack([talking(300), listening(300)]), RATE)

    assert evidence[0].mean() > 1.0
    assert evidence[1].mean() < 0.2


def test_how_strongly_a_face_is_lit_does_not_tell_who_speaks():
    bright_listener, dim_speaker = 4 * listening(300), 0.4 * np.r_[listening(100, 2), talking(200)]

    evidence = mouth_evidence(np.stack([bright_listener, dim_speaker]), RATE)[:, 100:]

    assert lead_of(evidence, 1) > 0


@pytest.mark.parametrize("motion", [np.zeros((2, 30)), np.full((3, 30), 255.0), np.full((2, 30), np.nan)])
def test_evidence_is_finite_and_bounded(motion: np.ndarray):
    evidence = mouth_evidence(motion, RATE)

    assert np.isfinite(evidence).all()
    assert evidence.min() >= LOWEST
    assert evidence.max() <= HIGHEST


def test_a_face_off_display_has_the_least_evidence():
    motion = np.stack([talking(60), talking(60, 3)])
    motion[1, 30:] = np.nan

    assert (mouth_evidence(motion, RATE)[1, 30:] == LOWEST).all()


def test_the_speaker_changes_where_the_evidence_does():
    evidence = np.array([[1.5] * 40 + [0.0] * 40, [0.0] * 40 + [1.5] * 40])

    assert likeliest(evidence, QUIET(80)).tolist() == [0] * 40 + [1] * 40


def test_a_moment_of_other_evidence_is_no_change_where_it_is_loud_but_may_be_one_in_a_pause():
    evidence = np.array([[1.5] * 20 + [0.0] * 5 + [1.5] * 20, [0.0] * 20 + [1.5] * 5 + [0.0] * 20])

    assert set(likeliest(evidence, np.ones(45)).tolist()) == {0}
    assert set(likeliest(evidence, QUIET(45)).tolist()) == {0, 1}


def test_where_no_mouth_moves_nobody_on_display_speaks():
    assert set(likeliest(np.full((2, 40), 0.1), np.ones(40)).tolist()) == {-1}


def test_nothing_to_look_at_is_nobody():
    assert likeliest(np.zeros((2, 0)), QUIET(0)).tolist() == []
