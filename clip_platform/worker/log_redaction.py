"""Taking an erased account out of log files that other processes go on writing.

A line that names it is overwritten where it is, by as many bytes: a writer that appends is not disturbed, and a kill in
between leaves a file that the next time finishes.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from clip_platform.errors import StorageUnavailable

_FILES = ("*.log", "*.log.1", "*.jsonl")
_MARK = b'{"erased":true}'
_WORD = re.compile(rb"[0-9A-Za-z_-]+")
_PART = re.compile(rb"[0-9A-Za-z]+")
_OURS = ("time", "level", "logger", "stage")
"""Fields of a JSON line whose words are the platform's own."""


def redact(folder: Path, tenant_id: str, ids: Collection[str]) -> int:
    """Overwrites every line in the folder's logs that names the tenant or one of the ids; how many.

    A line of somebody else's that has the tenant's id as a word goes too: a log is no record.

    Raises:
        StorageUnavailable: a log cannot be changed.
    """
    tenant, needles = tenant_id.encode(), frozenset(name.encode() for name in ids)
    files = sorted({path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()})
    return sum(_redact_file(path, tenant, needles) for path in files)


def _redact_file(path: Path, tenant: bytes, needles: frozenset[bytes]) -> int:
    try:
        if path.stat().st_size == 0:
            return 0
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
            naming = [span for span in _lines(content) if _names(content[slice(*span)], tenant, needles)]
            for start, end in naming:
                content[start:end] = _MARK[: end - start].ljust(end - start)
            content.flush()
    except OSError as error:
        raise StorageUnavailable(
            f"log {path} cannot be changed: {error.strerror}; give this user its rights"
        ) from error
    return len(naming)


def _lines(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Start and end of each line, its end-of-line left out."""
    start, size = 0, len(content)
    while start < size:
        end = content.find(b"\n", start)
        end = size if end < 0 else end
        yield start, end
        start = end + 1


def _names(line: bytes, tenant: bytes, needles: frozenset[bytes]) -> bool:
    """The tenant's id as a whole word, since it may begin another's; other ids also inside a longer name."""
    words = set(_WORD.findall(line))
    if any(not needles.isdisjoint(_parts(word)) for word in words):
        return True
    return tenant in words and tenant in _words_about(line)


def _parts(word: bytes) -> Iterator[bytes]:
    """Every stretch of the word between two of its hyphens and underscores."""
    spans = [match.span() for match in _PART.finditer(word)][:16]
    for first, (start, _) in enumerate(spans):
        for _, end in spans[first:]:
            yield word[start:end]


def _words_about(line: bytes) -> set[bytes]:
    """Words of a line but for those that the platform itself puts into each."""
    try:
        fields = json.loads(line)
        said = [value for name, value in fields.items() if name not in _OURS]
    except (ValueError, AttributeError):
        return set(_WORD.findall(line))
    return set(_WORD.findall(json.dumps(said, ensure_ascii=False).encode()))
