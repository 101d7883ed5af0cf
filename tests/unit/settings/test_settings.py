"""Settings are typed, read in one place, and documented where people copy them from."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from clip_platform.errors import InvalidSetting
from clip_platform.settings import PREFIX, Settings, read_settings

EXAMPLE = Path(__file__).parents[3] / ".env.example"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch):
    for name in list(os.environ):
        if name.startswith(PREFIX) or name == "XDG_DATA_HOME":
            monkeypatch.delenv(name)


def expected_example() -> str:
    lines = ["# Every setting, with its default; read from the environment. Copy what you change."]
    for name, field in Settings.model_fields.items():
        default = "~/.local/share/clip-platform" if name == "home" else field.default
        shown = "" if default is None else default
        lines += ["", f"# {field.description}", f"# {PREFIX}{name.upper()}={shown}"]
    return "\n".join(lines) + "\n"


def test_the_example_lists_every_setting_with_its_meaning_and_default():
    assert EXAMPLE.read_text() == expected_example()


def test_defaults_need_no_environment_and_no_secret_has_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/somebody")

    settings = read_settings()

    assert settings.home == Path("/home/somebody/.local/share/clip-platform")
    assert settings.store_url == "file:///home/somebody/.local/share/clip-platform/objects"
    assert settings.scratch_folder == settings.home / "scratch"
    assert settings.database_url("pipeline") is None
    assert all(field.default is None for name, field in Settings.model_fields.items() if "password" in name)


def test_the_data_folder_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data/é")

    assert read_settings().home == Path("/data/é/clip-platform")
    assert read_settings().store_url == "file:///data/%C3%A9/clip-platform/objects"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SPEECH_ENGINE", "whisper", "SPEECH_ENGINE is 'whisper'.*'auto', 'nemo' or 'pocketsphinx'"),
        ("NEMO_PRECISION", "float8", "NEMO_PRECISION is 'float8'.*'auto', 'fp32', 'bf16' or 'fp16'"),
        ("NEMO_BATCH", "0", "NEMO_BATCH is '0'.*greater than 0"),
        ("DEVICE", "tpu", "DEVICE is 'tpu'.*'auto', 'cpu' or 'cuda'"),
        ("MAX_UPLOAD_BYTES", "-1", "MAX_UPLOAD_BYTES is '-1'.*greater than 0"),
        ("DATABASE_PORT", "http", "DATABASE_PORT is 'http'.*integer"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_can(monkeypatch, name: str, value: str, words: str):
    monkeypatch.setenv(PREFIX + name, value)

    with pytest.raises(InvalidSetting, match=words):
        read_settings()


def test_a_name_that_is_no_setting_is_a_typing_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIP_PLATFORM_SPEACH_ENGINE", "nemo")

    with pytest.raises(InvalidSetting, match="CLIP_PLATFORM_SPEACH_ENGINE: no such setting"):
        read_settings()


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIP_PLATFORM_FACE_MODEL", "")
    monkeypatch.setenv("CLIP_PLATFORM_DATABASE_PORT", "")

    assert (read_settings().face_model, read_settings().database_port) == (None, 5432)


def test_another_server_needs_the_password_of_the_role_that_is_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIP_PLATFORM_DATABASE_HOST", "db.example")
    monkeypatch.setenv("CLIP_PLATFORM_DATABASE_PIPELINE_PASSWORD", "p@ss/word")

    settings = read_settings()

    assert settings.database_url("pipeline") == (
        "postgresql+psycopg://clip_platform_pipeline:p%40ss%2Fword@db.example:5432/clip_platform"
    )
    with pytest.raises(InvalidSetting, match="CLIP_PLATFORM_DATABASE_SENSORS_PASSWORD is not set"):
        settings.database_url("sensors")


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIP_PLATFORM_DATABASE_OWNER_PASSWORD", "hunter2")

    assert re.search("hunter2", repr(read_settings())) is None
