"""Learning's files: the same table gives the same bytes, and nothing but a whole file of this version is read."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from clip_platform.errors import CorruptArtifact, FeatureMismatch
from clip_platform.ml import simulate, tables
from clip_platform.ml.examples import FEATURE_NAMES, Examples

ARRAYS = ("tenant", "video", "clip", "made_on", "features", "heuristic", "explored", "decision", "counts", "trials")


@pytest.fixture(scope="module")
def examples() -> Examples:
    world = simulate.make_world(1)
    clips = simulate.make_clips(world, 20, 2)
    return simulate.examples_of(clips, simulate.show(world, clips, 3))


def _encoded(examples: Examples) -> bytes:
    return tables.encode("examples", tables.columns_of_examples(examples))


def _feedback() -> dict[str, list[object]]:
    known: dict[str, list[object]] = {name: [None] for name in tables.schema_of("feedback").names}
    texts = ("feedback_id", "tenant_id", "video_id", "clip_id", "report_key", "platform")
    known |= {name: [f"{name} 1"] for name in texts}
    at = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
    known |= {"kind": ["counters"], "day": [date(2026, 2, 28)], "views": [2**53 + 1], "watched_s": [0.1]}
    return known | {"occurred_at": [at], "received_at": [at]}


def test_examples_come_back_as_they_were(examples: Examples) -> None:
    parts = [examples.where(examples.tenant == name) for name in np.unique(examples.tenant)]
    again = tables.examples_of([tables.decode("examples", _encoded(part)) for part in parts])
    order = np.lexsort((examples.clip, examples.video))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(examples, name)[order])
    assert again.feature_digest == examples.feature_digest


def test_a_missing_value_stays_missing(examples: Examples) -> None:
    examples.features[3, 5] = np.nan
    again = tables.examples_of([tables.decode("examples", _encoded(examples))])
    assert np.isnan(again.features[:, 5]).sum() == 1


def test_the_same_table_gives_the_same_bytes(examples: Examples) -> None:
    assert _encoded(examples) == _encoded(examples)
    assert tables.encode("feedback", _feedback()) == tables.encode("feedback", _feedback())


def test_large_counts_and_microseconds_are_kept() -> None:
    row = tables.decode("feedback", tables.encode("feedback", _feedback())).to_pylist()[0]
    assert (row["views"], row["likes"], row["day"]) == (2**53 + 1, None, date(2026, 2, 28))
    assert row["received_at"] == datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)


def test_large_tables_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch, examples: Examples) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 50)
    pieces = list(tables.batches("examples", _encoded(examples)))
    assert [len(piece) for piece in pieces[:-1]] == [50] * (len(pieces) - 1)
    found = np.concatenate([tables.features_of(piece) for piece in pieces])
    np.testing.assert_array_equal(found, examples.features)
    assert found.dtype == np.float32
    assert found.shape[1] == len(FEATURE_NAMES)


def test_no_file_is_no_example() -> None:
    assert len(tables.examples_of([])) == 0


@pytest.mark.parametrize("harm", [lambda _: b"", lambda data: data[:-9], lambda data: b"\x80\x04" + data, lambda data:
                                  data[:300] + bytes(300) + data[600:]])  # fmt: skip
def test_what_is_damaged_is_refused(examples: Examples, harm) -> None:
    with pytest.raises(CorruptArtifact, match="materialise"):
        tables.decode("examples", harm(_encoded(examples)))


def test_another_kind_is_refused(examples: Examples) -> None:
    with pytest.raises(CorruptArtifact, match="expected features"):
        list(tables.batches("features", _encoded(examples)))


def test_features_of_other_code_are_refused(monkeypatch: pytest.MonkeyPatch, examples: Examples) -> None:
    data = _encoded(examples)
    monkeypatch.setattr(tables, "feature_digest", lambda: "0123456789ab")
    with pytest.raises(FeatureMismatch, match="materialise"):
        tables.decode("examples", data)


def test_other_columns_are_refused(examples: Examples) -> None:
    columns = tables.columns_of_examples(examples)
    with pytest.raises(ValueError, match="has columns"):
        tables.encode("examples", {**columns, "note": columns["clip_id"]})
