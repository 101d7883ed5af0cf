"""Every line of the log is one JSON object that says what it is about."""

from __future__ import annotations

import io
import json
import logging
import warnings
from pathlib import Path

import pytest

from clip_platform import telemetry


@pytest.fixture(autouse=True)
def logging_as_it_was():
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_video_tenant_stage_and_attempt_while_they_are_bound():
    stream = io.StringIO()
    telemetry.configure_logging(stream, "INFO")
    log = logging.getLogger("clip_platform.test")

    with telemetry.bound(video="v1", tenant="acme", attempt=2):
        with telemetry.bound(stage="speech"):
            log.info("inside %s", "é", extra={"words": 3})
        log.info("between")
    log.info("outside")

    inside, between, outside = lines(stream)
    assert inside.pop("time").endswith("+00:00")
    assert inside == {
        "level": "info",
        "logger": "clip_platform.test",
        "message": "inside é",
        "video": "v1",
        "tenant": "acme",
        "attempt": 2,
        "stage": "speech",
        "words": 3,
    }
    assert "stage" not in between
    assert between["video"] == "v1"
    assert outside.keys() == {"time", "level", "logger", "message"}


def test_an_error_keeps_its_traceback_on_one_line():
    stream = io.StringIO()
    telemetry.configure_logging(stream, "INFO")

    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("x").exception("failed")

    (line,) = lines(stream)
    assert "ValueError: two\nlines" in line["traceback"]


def test_the_level_is_kept_and_a_file_is_appended_to(tmp_path: Path):
    for turn in range(2):
        telemetry.configure_logging(tmp_path / "logs" / "run.jsonl", "WARNING")
        logging.getLogger("x").info("quiet")
        logging.getLogger("x").warning("loud %d", turn)

    text = (tmp_path / "logs" / "run.jsonl").read_text()
    assert [json.loads(line)["message"] for line in text.splitlines()] == ["loud 0", "loud 1"]


def test_warnings_and_values_that_are_no_json_are_logged_too():
    stream = io.StringIO()
    telemetry.configure_logging(stream, "INFO")

    warnings.warn("old", UserWarning, stacklevel=1)
    logging.getLogger("x").info("path", extra={"path": Path("/x")})

    assert "old" in lines(stream)[0]["message"]
    assert lines(stream)[1]["path"] == "/x"
