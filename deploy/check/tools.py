"""Programs that checks need: whether they are here, in a version that will do, and what they answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Missing(Exception):
    """A tool that a check needs is not here, or too old; the check was not made."""


class Problem(Exception):
    """What a check found, in words."""


@dataclass(frozen=True)
class Tool:
    """A program. `ask` makes it print its version, `oldest` is the first that will do."""

    name: str
    ask: Sequence[str]
    oldest: tuple[int, ...]
    source: str

    def path(self) -> str:
        """
        Raises:
            Missing.
        """
        found = shutil.which(self.name)
        if found is None:
            raise Missing(f"{self.name} is not on PATH; {self.source}")
        answer = subprocess.run([found, *self.ask], capture_output=True, text=True, check=False, env=_environment({}))
        version = version_in(answer.stdout + answer.stderr)
        if version < self.oldest:
            wanted = ".".join(map(str, self.oldest))
            raise Missing(f"{self.name} is {'.'.join(map(str, version))}, {wanted} is needed; {self.source}")
        return found


def version_in(text: str) -> tuple[int, ...]:
    """The first `1.2` or `1.2.3` of a program's answer.

    Raises:
        Missing: there is none.
    """
    match = re.search(r"(?<![\d.])(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        raise Missing(f"no version in {text.strip()[:80]!r}")
    return tuple(int(part) for part in match.groups() if part is not None)


def run(command: Sequence[str], folder: Path = ROOT, variables: Mapping[str, str] | None = None) -> str:
    """Its standard output.

    Raises:
        Problem: it ended with another code than 0; what it said.
    """
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=_environment(variables or {})
    )
    if ended.returncode != 0:
        said = (ended.stderr.strip() + "\n" + ended.stdout.strip()).strip()
        raise Problem(
            f"{' '.join(command)} (in {folder.relative_to(ROOT)}) ended with {ended.returncode}:\n{said[-4000:]}"
        )
    return ended.stdout


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Terraform refuses a TF_CLI_CONFIG_FILE that is not there."""
    named = os.environ.get("TF_CLI_CONFIG_FILE")
    dropped = {"TF_CLI_CONFIG_FILE"} if named is not None and not Path(named).exists() else set()
    return {name: value for name, value in os.environ.items() if name not in dropped} | dict(variables)


KUBECTL = Tool(
    "kubectl", ("version", "--client"), (1, 28), "https://kubernetes.io/docs/tasks/tools; Debian's is too old"
)
HELM = Tool("helm", ("version", "--short"), (3, 14), "https://helm.sh/docs/intro/install")
TERRAFORM = Tool("terraform", ("version",), (1, 7), "https://developer.hashicorp.com/terraform/install")
PROMTOOL = Tool("promtool", ("--version",), (2, 42), "apt install prometheus")
CHECKOV = Tool("checkov", ("--version",), (3, 2), "pipx install checkov")
SHELLCHECK = Tool("shellcheck", ("--version",), (0, 9), "apt install shellcheck")
DOCKER = Tool("docker", ("--version",), (24, 0), "https://docs.docker.com/engine/install")
