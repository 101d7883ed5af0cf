from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from clip_platform.errors import CorruptArtifact, FeatureMismatch
from clip_platform.ml.cleaning import COLUMNS
from clip_platform.ml.examples import ACCEPTED, FEATURE_NAMES, NO_DECISION, SIGNALS, build_examples
from clip_platform.scoring.features import feature_digest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def snapshot(**changes: object) -> pd.DataFrame:
    clips = {
        "tenant_id": ["acme", "acme"], "video_id": ["v1", "v1"], "clip_id": ["c2", "c1"],
        "made_on": ["2026-02-01", "2026-02-01"], "heuristic": [40.0, 60.0], "explored": [False, False],
    }  # fmt: skip
    values = {name: [0.5, 0.5] for name in FEATURE_NAMES} | {"duration_s": [30.0, 20.0]}
    return pd.DataFrame(clips | values | changes)


def feedback(*reports: dict[str, object]) -> pd.DataFrame:
    usual = {"tenant_id": "acme", "video_id": "v1", "clip_id": "c1", "kind": "counters", "day": "2026-02-03",
             "platform": "x", "occurred_at": NOW, "received_at": NOW}  # fmt: skip
    rows = [
        dict.fromkeys(COLUMNS) | usual | {"feedback_id": f"{number}", "report_key": f"{number}"} | said
        for number, said in enumerate(reports)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def built(reports: pd.DataFrame, clips: pd.DataFrame | None = None):
    return build_examples(reports, snapshot() if clips is None else clips, feature_digest(), NOW)


def test_counters_add_up_over_platforms_and_days():
    examples, counts = built(
        feedback(
            {"impressions": 100, "views": 40, "completions": 10, "likes": 4, "shares": 1, "saves": 2},
            {
                "platform": "tiktok",
                "impressions": 60,
                "views": 20,
                "completions": 5,
                "likes": 1,
                "shares": 1,
                "saves": 0,
            },
            {"day": "2026-02-04", "views": 10, "likes": 3},
        )
    )

    assert list(examples.clip) == ["c1", "c2"]
    assert dict(zip(SIGNALS, zip(examples.counts[0], examples.trials[0], strict=True), strict=True)) == {
        "watch_through": (15, 60), "click_through": (60, 160), "like": (8, 70), "share": (2, 60), "save": (2, 60),
    }  # fmt: skip
    assert not examples.watched[1]
    assert counts.watched == 1


def test_seconds_stand_in_for_completions_that_are_not_reported():
    examples, _ = built(feedback({"views": 40, "watched_s": 200.0}))

    assert (examples.counts[0, 0], examples.trials[0, 0]) == (10, 40)


def test_decisions_find_their_clip():
    examples, counts = built(feedback({"kind": "decision", "decision": "accepted", "platform": None, "day": None}))

    assert list(examples.decision) == [ACCEPTED, NO_DECISION]
    assert counts.reviewed == 1


def test_a_month_without_feedback_gives_clips_that_nobody_saw():
    examples, counts = built(feedback())

    assert len(examples) == 2
    assert (counts.watched, counts.reviewed) == (0, 0)


def test_a_missing_feature_stays_missing_and_is_counted():
    examples, counts = built(feedback(), snapshot(face_share=[np.nan, 0.2]))

    assert counts.missing_values == 1
    assert np.isnan(examples.column("face_share")[1])


def test_an_infinite_feature_is_refused():
    with pytest.raises(CorruptArtifact, match="face_share is infinite"):
        built(feedback(), snapshot(face_share=[np.inf, 0.2]))


def test_a_clip_that_comes_twice_is_refused():
    with pytest.raises(CorruptArtifact, match="c1 of v1 comes twice"):
        built(feedback(), snapshot(clip_id=["c1", "c1"]))


def test_features_of_other_code_are_refused():
    with pytest.raises(FeatureMismatch, match="materialise feature_snapshot"):
        build_examples(feedback(), snapshot(), "0123456789ab", NOW)
