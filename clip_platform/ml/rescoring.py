"""A model's scores of stored features, as rows that a database takes in bulk. Arrays all the way: an archive has
millions of clips."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clip_platform.ml import tables
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.reasons import against_video, parts, reasons

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("tenant_id", "video_id", "clip_id", "value", "low", "high", "band", "top_chance", "reasons")


def scores_csv(model: EngagementModel, features: bytes, *, with_reasons: bool = False) -> Iterator[bytes]:
    """CSV of `COLUMNS`, without a header, for each 50,000 clips of a file of features.

    Args:
        with_reasons: three in words, as JSON; a millisecond a clip. Without, the column is empty.

    Raises:
        CorruptArtifact, FeatureMismatch: see `tables.batches`.
    """
    import pyarrow as pa
    from pyarrow import csv

    for batch in tables.batches("features", features):
        values = tables.features_of(batch)
        tenant = np.asarray(batch.column("tenant_id"))
        scored = model.score(values, tenant, np.asarray(batch.column("heuristic")))
        names = [batch.column(name) for name in ("tenant_id", "video_id", "clip_id")]
        numbers = [pa.array(column) for column in (scored.value, scored.low, scored.high)]
        words = _reasons(model, batch, values, tenant) if with_reasons else pa.nulls(len(values), pa.string())
        columns = [*names, *numbers, pa.array(scored.bands, pa.string()), pa.array(scored.top_chance), words]
        out = pa.BufferOutputStream()
        table = pa.RecordBatch.from_arrays(columns, names=list(COLUMNS))
        csv.write_csv(table, out, csv.WriteOptions(include_header=False, quoting_style="needed"))
        yield bytes(out.getvalue())


def _reasons(model: EngagementModel, batch: pa.RecordBatch, features: np.ndarray, tenant: np.ndarray) -> pa.Array:
    import pyarrow as pa

    video = np.asarray(batch.column("video_id"))
    found = reasons(against_video(parts(model, features, tenant), video), features, video)
    return pa.array([json.dumps([reason.text for reason in one]) for one in found], pa.string())
