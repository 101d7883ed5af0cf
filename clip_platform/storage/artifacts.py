"""How values that cross stages become bytes and come back: versioned JSON, for tables Parquet. Never pickle.

The same value always gives the same bytes, so an object's digest is also the value's.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from clip_platform.errors import CorruptArtifact

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

VERSION = 1
"""Of the envelope. What a type's fields mean is versioned by its asset's code version."""

_ENVELOPE = b"clip_platform"
_ROW_GROUP = 16_384  # what is held uncompressed at once, written or read
_OF = ":"  # between a field of finer arrays and a column of it
T = TypeVar("T")


def encode(value: object) -> bytes:
    """A frozen dataclass as bytes. Fractions are kept exactly; a type with a field `columns` becomes Parquet.

    Its columns are sequences of numbers or numpy arrays; a further field that is a mapping of arrays has a fixed number
    of values for every row (ten frames a window, say). A type with the methods `as_table` and `of_table` is stored as
    the type that the first returns.

    Raises:
        ValueError: a number is infinite or not a number, or columns differ in length.
    """
    stored_as = _table_of(type(value))
    if stored_as is not None:
        return _encode_table(value.as_table())  # type: ignore[attr-defined]
    return _encode_table(value) if is_table(type(value)) else _encode_json(value)


def decode(cls: type[T], data: bytes) -> T:
    """The value that `encode` was given.

    Raises:
        CorruptArtifact: the bytes are not an artifact, are of another type or version, or do not fit the type.
    """
    stored_as = _table_of(cls)
    if stored_as is not None:
        restored: T = cls.of_table(_decode_table(stored_as, data))  # type: ignore[attr-defined]
        return restored
    return _decode_table(cls, data) if is_table(cls) else _decode_json(cls, data)


def is_table(cls: type) -> bool:
    return _table_of(cls) is not None or any(field.name == "columns" for field in dataclasses.fields(cls))


def suffix_of(cls: type) -> str:
    """`.parquet` or `.json`: how a file with an encoded value is to be named."""
    return ".parquet" if is_table(cls) else ".json"


def _table_of(cls: type) -> type | None:
    """The type of table that a type says it is stored as."""
    method = getattr(cls, "as_table", None)
    return None if method is None else get_type_hints(method)["return"]


def _adapter(cls: Any) -> TypeAdapter[Any]:
    return _cached_adapter(cls)


@cache  # building one takes milliseconds
def _cached_adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _plain(value: object) -> Any:
    return _adapter(type(value)).dump_python(value, mode="json")


def _dumped(cls: type, plain: Any) -> bytes:
    envelope = {"type": cls.__name__, "version": VERSION, "value": plain}
    return json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _encode_json(value: object) -> bytes:
    return _dumped(type(value), _plain(value))


def _decode_json(cls: type[T], data: bytes) -> T:
    return _validated(cls, _opened(cls, data))


def _opened(cls: type, data: bytes) -> Any:
    """What is inside an envelope."""
    try:
        envelope = json.loads(data)
    except ValueError as error:
        raise CorruptArtifact(f"an artifact of {cls.__name__} is not JSON; make the asset again") from error
    found = (envelope.get("type"), envelope.get("version")) if isinstance(envelope, dict) else (None, None)
    if found != (cls.__name__, VERSION) or "value" not in envelope:
        raise CorruptArtifact(
            f"an artifact says {found[0]} version {found[1]}, expected {cls.__name__} version {VERSION}; "
            "make the asset again"
        )
    return envelope["value"]


def _validated(cls: type[T], plain: Any) -> T:
    try:
        value: T = _adapter(cls).validate_python(plain)
    except ValidationError as error:
        raise CorruptArtifact(
            f"an artifact does not fit {cls.__name__}; make the asset again", detail=str(error)
        ) from error
    return value


def _encode_table(value: Any) -> bytes:
    """Numbers as float64 or, from arrays, as they are; tuples of strings beside them (a row's id, say), arrays that are
    a multiple longer as lists, other fields in the schema's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    columns = fields.pop("columns")
    texts = {name: fields.pop(name) for name in _text_columns(type(value))}
    finer = {name: fields.pop(name) for name in _finer_fields(type(value))}
    if clash := texts.keys() & columns.keys():
        raise ValueError(f"{type(value).__name__} has a column named as its field {min(clash)}")
    arrays = {name: pa.array(column, pa.string()) for name, column in texts.items()}
    arrays |= {name: _numbers(column) for name, column in columns.items()}
    rows = len(next(iter(columns.values()), ()))
    for field_name, group in finer.items():
        arrays |= {f"{field_name}{_OF}{name}": _lists(column, rows) for name, column in group.items()}
    plain = {name: _plain(field) for name, field in fields.items()}
    table = pa.table(arrays).replace_schema_metadata({_ENVELOPE: _dumped(type(value), plain)})
    out = io.BytesIO()
    pq.write_table(
        table, out, compression="zstd", use_dictionary=list(texts), write_statistics=False, row_group_size=_ROW_GROUP
    )
    return out.getvalue()


def _numbers(column: Any) -> pa.Array:
    """Arrays keep their type and are not copied."""
    import numpy as np
    import pyarrow as pa

    if isinstance(column, np.ndarray):
        return pa.array(column, from_pandas=False)
    return pa.array(column, pa.float64(), from_pandas=False)


def _lists(column: Any, rows: int) -> pa.Array:
    """An array that has the same number of values for every row, as one list a row."""
    import pyarrow as pa

    values = _numbers(column)
    each = max(len(values) // max(rows, 1), 1)
    if each * rows != len(values):
        raise ValueError(f"{len(values)} values do not divide among {rows} rows; a row has a fixed number of them")
    return pa.FixedSizeListArray.from_arrays(values, each)


def _decode_table(cls: type[T], data: bytes) -> T:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        plain = _opened(cls, (file.schema_arrow.metadata or {}).get(_ENVELOPE, b"null"))
        if _array_fields(cls):
            return _with_arrays(cls, plain, file)
        table = file.read()
    except pa.ArrowException as error:
        raise CorruptArtifact(f"an artifact of {cls.__name__} is not Parquet; make the asset again") from error
    texts = _text_columns(cls)
    if missing := set(texts) - set(table.column_names):
        raise CorruptArtifact(f"an artifact of {cls.__name__} lacks {', '.join(sorted(missing))}; make the asset again")
    return _validated(cls, {**plain, **_columns(table, texts)})


def _columns(table: pa.Table, texts: tuple[str, ...]) -> dict[str, Any]:
    found = {name: table.column(name).to_pylist() for name in table.column_names}
    return {name: found.pop(name) for name in texts} | {"columns": found}


def _with_arrays(cls: type[T], plain: Any, file: pq.ParquetFile) -> T:
    """A value whose columns are arrays: they are taken as stored, its other fields are validated one by one.

    Read column by column: together with what decoding needs, a whole table would be in memory three times.
    """
    groups: dict[str, dict[str, Any]] = {name: {} for name in _array_fields(cls)}
    for stored in file.schema_arrow.names:
        group, _, name = stored.rpartition(_OF)
        column = file.read(columns=[stored], use_threads=False).column(0)
        groups.setdefault(group or "columns", {})[name] = _array_of(column)
    types = get_type_hints(cls)
    expected = [name for name in types if name not in groups]
    if not isinstance(plain, dict) or plain.keys() != set(expected) or groups.keys() - types.keys():
        raise CorruptArtifact(
            f"an artifact does not fit {cls.__name__}; make the asset again",
            detail=f"fields {plain}, expected {expected}; arrays {sorted(groups)}",
        )
    return cls(**{name: _validated(types[name], plain[name]) for name in expected}, **groups)


def _array_of(column: pa.ChunkedArray) -> Any:
    import numpy as np
    import pyarrow as pa

    lists = pa.types.is_fixed_size_list(column.type)
    pieces = [(chunk.flatten() if lists else chunk).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    number = column.type.value_type if lists else column.type
    return np.concatenate([np.zeros(0, number.to_pandas_dtype()), *pieces])


def _text_columns(cls: type) -> tuple[str, ...]:
    """Fields of type `tuple[str, ...]`."""
    types = get_type_hints(cls)
    return tuple(field.name for field in dataclasses.fields(cls) if types[field.name] == tuple[str, ...])


def _array_fields(cls: type) -> tuple[str, ...]:
    """Fields of type `Mapping[str, np.ndarray]`."""
    types = get_type_hints(cls)
    return tuple(field.name for field in dataclasses.fields(cls) if _maps_to_arrays(types[field.name]))


def _maps_to_arrays(kind: Any) -> bool:
    value = get_args(kind)[-1] if get_origin(kind) is Mapping else None
    return getattr(value, "__name__", "") == "ndarray"  # numpy is not imported to know


def _finer_fields(cls: type) -> tuple[str, ...]:
    """Fields of arrays that have several values a row."""
    return tuple(name for name in _array_fields(cls) if name != "columns")
