"""The tables of learning as Parquet: feedback, features, examples; one file a tenant and day.

The same table gives the same bytes, and a file says which kind it is and which features it has, so that one of
another version is refused and not misread. Numbers and identifiers only; no text that anybody wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clip_platform.errors import CorruptArtifact, FeatureMismatch
from clip_platform.ml.examples import FEATURE_NAMES, SIGNALS, Examples
from clip_platform.scoring.features import feature_digest

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["feedback", "features", "examples"]
VERSION = 1
BATCH_ROWS = 50_000
_ENVELOPE = b"clip_platform"
_REMEDY = "materialise the asset of its day again"
_WHOLE = ("impressions", "views", "completions", "likes", "shares", "saves")


def encode(kind: Kind, columns: Mapping[str, Any]) -> bytes:
    """A table of this kind, its rows in the order given.

    Args:
        columns: by name, all of `schema_of(kind)` and no other; lists or arrays of one length, None where unknown.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema_of(kind)
    if set(schema.names) != set(columns):
        raise ValueError(f"a table of {kind} has columns {schema.names}, not {list(columns)}")
    table = pa.table([_column(columns[field.name], field) for field in schema], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_statistics=False, row_group_size=BATCH_ROWS)
    return bytes(sink.getvalue())


def decode(kind: Kind, data: bytes) -> pa.Table:
    """
    Raises:
        CorruptArtifact: it is not a table of this kind and version.
        FeatureMismatch: its features were computed by other code.
    """
    import pyarrow as pa

    with _damage_named(kind):
        file = _opened(kind, data)
        return pa.Table.from_batches(file.iter_batches(BATCH_ROWS), schema=file.schema_arrow)


def batches(kind: Kind, data: bytes) -> Iterator[pa.RecordBatch]:
    """The same in pieces of at most 50,000 rows, so that memory does not grow with the table."""
    with _damage_named(kind):
        yield from _opened(kind, data).iter_batches(BATCH_ROWS)


def features_of(batch: pa.RecordBatch | pa.Table) -> np.ndarray:
    """(n, f) float32 in the order of `FEATURES`; NaN where a value is missing."""
    return np.stack([np.asarray(batch.column(name), np.float32) for name in FEATURE_NAMES], axis=1)


def columns_of_examples(examples: Examples) -> dict[str, Any]:
    """What `encode("examples", ...)` takes."""
    columns: dict[str, Any] = {
        "tenant_id": examples.tenant, "video_id": examples.video, "clip_id": examples.clip,
        "made_on": examples.made_on.astype("datetime64[D]"), "heuristic": examples.heuristic,
        "explored": examples.explored, "decision": examples.decision,
    }  # fmt: skip
    for number, signal in enumerate(SIGNALS):
        columns[f"{signal}_count"], columns[f"{signal}_trials"] = examples.counts[:, number], examples.trials[:, number]
    return columns | {name: examples.features[:, number] for number, name in enumerate(FEATURE_NAMES)}


def examples_of(tables: list[pa.Table]) -> Examples:
    """One set of examples from files of several tenants and days, in the order of video and clip; none from no file."""
    import pyarrow as pa

    table = pa.concat_tables([schema_of("examples").empty_table(), *tables]).sort_by(
        [("video_id", "ascending"), ("clip_id", "ascending")]
    )

    def array(name: str) -> np.ndarray:
        return table.column(name).to_numpy()

    return Examples(
        tenant=array("tenant_id").astype(str),
        video=array("video_id").astype(str),
        clip=array("clip_id").astype(str),
        made_on=array("made_on").astype("datetime64[D]"),
        features=features_of(table),
        heuristic=array("heuristic"),
        explored=array("explored").astype(bool),
        decision=array("decision").astype(np.int8),
        counts=np.stack([array(f"{signal}_count") for signal in SIGNALS], axis=1),
        trials=np.stack([array(f"{signal}_trials") for signal in SIGNALS], axis=1),
        feature_digest=feature_digest(),
    )


@cache
def schema_of(kind: Kind) -> pa.Schema:
    """Names and types, with what a file of this kind says of itself."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    clip = [("tenant_id", text), ("video_id", text), ("clip_id", text)]
    features = [(name, pa.float32()) for name in FEATURE_NAMES]
    made = [("made_on", pa.date32()), ("heuristic", number), ("explored", pa.bool_())]
    moment = pa.timestamp("us", tz="UTC")
    fields = {
        "feedback": [
            ("feedback_id", text), *clip, ("report_key", text), ("kind", text), ("decision", text), ("platform", text),
            ("day", pa.date32()), *((name, pa.int64()) for name in _WHOLE), ("watched_s", number),
            ("occurred_at", moment), ("received_at", moment),
        ],
        "features": [*clip, *made, ("model", text), *features],
        "examples": [
            *clip, *made, ("decision", pa.int8()),
            *((f"{signal}_{part}", number) for signal in SIGNALS for part in ("count", "trials")), *features,
        ],
    }[kind]  # fmt: skip
    said = {"kind": kind, "version": VERSION, "features": None if kind == "feedback" else feature_digest()}
    return pa.schema(fields, metadata={_ENVELOPE: json.dumps(said, sort_keys=True)})


def _column(values: Any, field: pa.Field) -> pa.Array:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        values = values.tolist()
    return pa.array(values, field.type, from_pandas=False)


def _opened(kind: Kind, data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    said = json.loads((file.schema_arrow.metadata or {}).get(_ENVELOPE, b"null"))
    if not isinstance(said, dict) or (said.get("kind"), said.get("version")) != (kind, VERSION):
        raise CorruptArtifact(f"a file is {said}, expected {kind} of version {VERSION}; {_REMEDY}")
    if kind != "feedback" and said.get("features") != feature_digest():
        raise FeatureMismatch(
            f"a file of {kind} has features {said.get('features')}, this code computes {feature_digest()}; {_REMEDY}"
        )
    if not file.schema_arrow.equals(schema_of(kind)):
        raise CorruptArtifact(f"a file of {kind} has other columns or types than version {VERSION}; {_REMEDY}")
    return file


@contextmanager
def _damage_named(kind: Kind) -> Iterator[None]:
    """Arrow's and JSON's complaints become ours."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError, OSError) as error:
        raise CorruptArtifact(f"a file of {kind} is not Parquet or is damaged; {_REMEDY}") from error
