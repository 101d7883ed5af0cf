"""The borders that import-linter cannot see: SQL, programs, frameworks by word."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clip_platform"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def _outside(folder: str) -> list[Path]:
    return [path for path in SOURCES if not path.is_relative_to(PACKAGE / folder)]


def test_sql_is_only_in_the_database_package() -> None:
    statement = re.compile(r"\b(select\s+\S+.*\bfrom\b|insert into|delete from|update \w+\s+set)\b", re.IGNORECASE)

    found = [path.relative_to(ROOT) for path in _outside("database") if statement.search(_code(path))]

    # the embedded manager makes databases and roles before there is a schema
    assert {path.parts[1] for path in found} <= {"embedded"}


@pytest.mark.parametrize("program", ["ffmpeg", "ffprobe"])
def test_programs_are_started_only_in_the_media_package(program: str) -> None:
    started = re.compile(rf"[\[(]\s*[\"']{program}[\"']")

    found = [path.relative_to(ROOT) for path in _outside("media") if started.search(_code(path))]

    # the sample talk's encoder is a list of arguments too; media.process starts it
    assert {path.parts[1] for path in found} <= {"evaluation"}


def test_no_package_runs_code_when_imported_as_a_folder() -> None:
    faces = [PACKAGE / "client" / "__init__.py"]  # what others import by the package's name
    assert [path for path in SOURCES if path.name == "__init__.py" and path.read_text().strip()] == faces


def _code(path: Path) -> str:
    return re.sub(
        r'"""(?:.|\n)*?"""', lambda match: match.group() if "select" in match.group() else "", path.read_text()
    )
