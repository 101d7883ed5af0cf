"""What of reported rows counts, and that the rest is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from clip_platform.errors import CorruptArtifact, InvalidInput
from clip_platform.ml.cleaning import COLUMNS, KnownClip, clean

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIPS = {("v1", "c1"): KnownClip("acme", 20.0), ("v1", "c2"): KnownClip("acme", 30.0)}


def report(number: int, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS) | {
        "feedback_id": f"fbk_{number:03}", "tenant_id": "acme", "video_id": "v1", "clip_id": "c1",
        "report_key": f"key-{number}", "kind": "counters", "platform": "tiktok", "day": "2026-02-10",
        "impressions": 1000, "views": 100, "watched_s": 900.0, "completions": 20, "likes": 5, "shares": 1, "saves": 1,
        "occurred_at": NOW - timedelta(days=10, seconds=-number), "received_at": NOW - timedelta(days=9),
    }  # fmt: skip
    return row | changes


def decision(number: int, decided: str, **changes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("platform", "day", "impressions", "views", "watched_s", "completions", "likes", "shares"))
    return report(number, kind="decision", decision=decided, saves=None, **nothing) | changes


def cleaned(*rows: dict[str, Any]):
    return clean(pd.DataFrame(list(rows), columns=list(COLUMNS)), CLIPS, NOW)


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"clip_id": "c9"}, "unknown"),
        ({"tenant_id": "other"}, "foreign"),
        ({"day": "2026-03-09"}, "future"),
        ({"occurred_at": NOW + timedelta(minutes=1)}, "future"),
        ({"views": -1}, "negative"),
        ({"likes": float("inf")}, "negative"),
        ({"likes": "many"}, "negative"),
        ({"watched_s": 100 * 20.0 * 1.02}, "impossible"),
        ({"views": None, "watched_s": 5.0}, "impossible"),
    ],
)
def test_a_report_that_cannot_be_true_is_dropped_and_counted(changes, counted):
    rows, counts = cleaned(report(1), report(2, day="2026-02-11") | changes)

    assert list(rows["feedback_id"]) == ["fbk_001"]
    assert counts.as_metadata() == {**dict.fromkeys(counts.as_metadata(), 0), "rows": 2, "kept": 1, counted: 1}


def test_reports_in_any_order_come_to_the_same():
    sent = [
        report(1, views=50, watched_s=100.0),
        report(2, views=70),
        report(3, day="2026-02-11"),
        decision(4, "edited"),
    ]

    forwards, backwards = cleaned(*sent)[0], cleaned(*reversed(sent))[0]

    pd.testing.assert_frame_equal(forwards, backwards)
    assert list(forwards["feedback_id"]) == ["fbk_002", "fbk_003", "fbk_004"]


def test_a_report_sent_twice_counts_once():
    rows, counts = cleaned(report(1), report(1), report(2, report_key="key-1", day="2026-02-12"))

    assert len(rows) == 1
    assert counts.repeated == 2


def test_fewer_views_than_before_replace_what_was_counted():
    rows, counts = cleaned(report(1, views=100), report(2, views=60))

    assert list(rows["views"]) == [60]
    assert (counts.superseded, counts.decreased) == (1, 1)


def test_nobody_finishes_more_often_than_starts():
    rows, counts = cleaned(report(1, completions=140))

    assert list(rows["completions"]) == [100]
    assert counts.cut == 1


def test_the_last_decision_counts():
    rows, counts = cleaned(decision(1, "accepted"), decision(2, "rejected"))

    assert list(rows["decision"]) == ["rejected"]
    assert counts.superseded == 1


def test_an_empty_month_is_no_error():
    rows, counts = cleaned()

    assert len(rows) == 0
    assert counts.rows == 0


def test_rows_of_another_table_are_refused():
    with pytest.raises(CorruptArtifact, match="lack watched_s"):
        clean(pd.DataFrame([report(1)]).drop(columns="watched_s"), CLIPS, NOW)


def test_a_decision_that_is_none_is_refused():
    with pytest.raises(CorruptArtifact, match="maybe"):
        cleaned(decision(1, "maybe"))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InvalidInput, match="time zone"):
        clean(pd.DataFrame(columns=list(COLUMNS)), CLIPS, datetime(2026, 3, 1))
