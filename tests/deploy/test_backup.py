"""The scripts of the backup CronJobs on a real Postgres: stored, restored, and found out when not whole."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import make_url

from clip_platform.database import roles
from clip_platform.database.connection import Database
from clip_platform.embedded.postgres import SUPERUSER
from clip_platform.embedded.programs import UNPRIVILEGED_USER, find_programs
from tests.conftest import MigratedServer

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "deploy" / "kubernetes" / "base" / "backup"
PROGRAMS = ROOT / "deploy" / "images" / "api" / "bin"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user may pass: Postgres refuses to be root's, and pytest's folders are closed."""
    folder = Path(tempfile.mkdtemp(prefix="clip-platform-backup-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def dumps(database: Database, migrated_server: MigratedServer, place: Path) -> Path:  # noqa: ARG001
    """Two tenants, dumped by a role that sees past row-level security."""
    folder = place / "dumps"
    folder.mkdir()
    _dump(migrated_server, SUPERUSER, folder).check_returncode()
    return folder


def test_a_backup_comes_back_whole(dumps: Path, place: Path) -> None:
    bucket, fetched = place / "bucket", place / "fetched"
    bucket.mkdir()
    fetched.mkdir()

    stored = _program("store-backup", dumps, bucket)
    got = _program("fetch-backup", fetched, bucket)
    restored = _restore(fetched, place)

    assert (stored.returncode, got.returncode) == (0, 0), stored.stderr + got.stderr
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "clip_platform has all rows" in restored.stdout
    assert "public.tenants|2" in (dumps / "clip_platform.rows").read_text()


def test_a_dump_that_lacks_rows_is_found_out(dumps: Path, place: Path) -> None:
    rows = dumps / "clip_platform.rows"
    rows.write_text(rows.read_text().replace("public.tenants|", "public.tenants|9"))

    restored = _restore(dumps, place)

    assert restored.returncode == 1
    assert "is not what was dumped" in restored.stderr


def test_a_role_that_does_not_see_all_rows_cannot_dump(migrated_server: MigratedServer, tmp_path: Path) -> None:
    """A dump of what one role happens to see would be taken for a backup."""
    dumped = _dump(migrated_server, roles.OWNER, tmp_path)

    assert dumped.returncode != 0
    assert "row-level security" in dumped.stderr


def test_yesterdays_backup_is_not_todays(tmp_path: Path) -> None:
    (tmp_path / "bucket" / "2020-01-01T000000Z").mkdir(parents=True)
    (tmp_path / "bucket" / "2020-01-01T000000Z" / "whole").write_text("a.dump")

    fetched = _program("fetch-backup", tmp_path, tmp_path / "bucket")

    assert (fetched.returncode, "backups have stopped" in fetched.stderr) == (1, True)


def test_an_empty_folder_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "dumps").mkdir()

    stored = _program("store-backup", tmp_path / "dumps", tmp_path / "bucket")

    assert (stored.returncode, list((tmp_path / "bucket").iterdir())) == (1, [])


def _dump(server: MigratedServer, role: str, folder: Path) -> subprocess.CompletedProcess[str]:
    url = make_url(server.url(role, "postgresql"))
    where = {"PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.username, "PGPASSWORD": url.password}
    return _script("dump", {**where, "FOLDER": str(folder), "DATABASES": roles.APPLICATION_DATABASE})


def _restore(folder: Path, place: Path) -> subprocess.CompletedProcess[str]:
    data = place / "data"
    data.mkdir()
    if os.geteuid() == 0:
        for path in (data, folder, *folder.iterdir()):
            shutil.chown(path, UNPRIVILEGED_USER)
    where = {"FOLDER": str(folder), "DATA": str(data), "DATABASES": roles.APPLICATION_DATABASE}
    return _script("restore-test", where, _as_another())


def _as_another() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    for place in (SCRIPTS, find_programs()):
        if not all(folder.stat().st_mode & 0o001 for folder in (place, *place.parents)):
            pytest.skip(
                f"Postgres runs as {UNPRIVILEGED_USER}, who may not enter {place}; use a checkout open to others"
            )
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


def _script(name: str, variables: dict[str, str | None], user: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    path = f"{find_programs()}:{os.environ['PATH']}"
    given = {key: value for key, value in variables.items() if value is not None}
    return subprocess.run(
        [*user, SCRIPTS / name],
        env={"PATH": path, "LC_ALL": "C.UTF-8", **given},
        capture_output=True,
        text=True,
        check=False,
    )


def _program(name: str, folder: Path, bucket: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAMS / name, folder],
        env={**os.environ, "BACKUP_URL": bucket.as_uri()},
        capture_output=True,
        text=True,
        check=False,
    )
