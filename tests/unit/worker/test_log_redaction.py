"""Lines that name an account go, in place; all others and whoever goes on writing are left alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from clip_platform.errors import StorageUnavailable
from clip_platform.identifiers import new_ulid
from clip_platform.worker.log_redaction import redact

VIDEO, RUN = "01M8FP311Y7ESX7AVX3KHF8ZM9", "0b6b0a6e-6c2a-4a8c-9d3b-5a4c8f0e7d21"
IDS = {VIDEO, RUN, f"tok_{new_ulid()}"}
NAMING = [
    json.dumps({"level": "info", "message": "x", "tenant": "acme"}),
    json.dumps({"level": "info", "message": "object acme/videos/1 is gone"}),
    json.dumps({"level": "info", "message": "x", "video": VIDEO}),
    json.dumps({"level": "info", "message": "x", "nested": {"run": [RUN]}}),
    f"Traceback: /scratch/work-{VIDEO}-x",
    f"run {RUN}: ended",
    f"actor token:{next(one for one in IDS if one.startswith('tok_'))}",
    "acme",
    f"é {VIDEO} \ufffd",
]
OTHERS = [
    json.dumps({"level": "info", "message": "x", "tenant": "globex"}),
    json.dumps({"level": "info", "message": "x", "tenant": "acme-corp"}),
    json.dumps({"level": "info", "message": "x", "tenant": "my_acme"}),
    json.dumps({"level": "info", "logger": "acme", "message": "x"}),
    f"run {RUN.replace('0b6b', '1b6b')}",
    "acmes",
    "",
]


def test_lines_that_name_it_are_overwritten_and_all_others_stay(tmp_path: Path):
    log = tmp_path / "worker.log"
    lines = [line for pair in zip(NAMING, [*OTHERS, "", ""], strict=True) for line in pair]
    log.write_text("\n".join(lines) + "\n")
    size = log.stat().st_size

    first, second = redact(tmp_path, "acme", IDS), redact(tmp_path, "acme", IDS)

    left = log.read_text().split("\n")
    assert (first, second) == (len(NAMING), 0)
    assert left[1::2] == [*OTHERS, "", ""]
    assert not any(needle in log.read_text() for needle in (VIDEO, RUN))
    assert log.stat().st_size == size


def test_whoever_writes_on_loses_nothing(tmp_path: Path):
    log = tmp_path / "api.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(f"about {VIDEO}\n".encode())
        redact(tmp_path, "acme", IDS)
        writer.write(b"after\n")
        writer.write(f"again {VIDEO}".encode())  # a line that is not ended yet
        redact(tmp_path, "acme", IDS)

    first, second, third = log.read_bytes().split(b"\n")
    assert first.strip() == b'{"erased":true}'
    assert second == b"after"
    assert VIDEO.encode() not in third


@pytest.mark.parametrize("name", ["up.log", "worker.log.1", f"{VIDEO}.jsonl"])
def test_every_kind_of_log_is_looked_into(tmp_path: Path, name: str):
    (tmp_path / name).write_text(f"{VIDEO}\n")
    (tmp_path / "empty.log").touch()

    assert redact(tmp_path, "acme", IDS) == 1


def test_no_folder_is_no_log(tmp_path: Path):
    assert redact(tmp_path / "none", "acme", IDS) == 0


def test_a_log_that_cannot_be_changed_is_an_error(tmp_path: Path):
    (tmp_path / "a.log").symlink_to(Path(sys.executable).resolve())  # a program that runs: nobody may write to it

    with pytest.raises(StorageUnavailable, match=r"a\.log"):
        redact(tmp_path, "acme", IDS)
