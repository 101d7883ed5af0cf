"""Writes `api/requirements.txt`: of the project's dependencies those that the API and its worker import, by any path.

python -m deploy.images.requirements [--check]
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Set
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import click
import grimp
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
WRITTEN = Path(__file__).parent / "api" / "requirements.txt"
COMMANDS = (
    "clip_platform.cli.serving",
    "clip_platform.cli.tenants",
    "clip_platform.cli.auditing",
    "clip_platform.database.schema",
    "clip_platform.database.roles",
    "clip_platform.client",
)
"""What the image runs beside the API and its worker; `clip_platform.cli.commands` reaches the rest only when asked."""
NOT_HERE = "clip_platform.exporter"
"""Reached by `clip_platform.cli.serving` when asked for; it looks at Dagster, so the pipeline image runs it."""
_HEAD = "# What the API and its worker import. Written by: python -m deploy.images.requirements\n"


def imported_modules() -> set[str]:
    """Top-level modules outside the package that the API image may import, inside functions too."""
    graph = grimp.build_graph("clip_platform", include_external_packages=True, cache_dir=None)
    for name in graph.find_descendants(NOT_HERE) | {NOT_HERE}:
        graph.remove_module(name)
    entries = {name for name in graph.modules if name.startswith(("clip_platform.api", "clip_platform.worker"))}
    reached = entries.union(COMMANDS, *(graph.find_upstream_modules(entry) for entry in (*entries, *COMMANDS)))
    commands = graph.find_modules_directly_imported_by("clip_platform.cli.commands")
    outside = {name for name in reached | commands if not name.startswith("clip_platform")}
    return outside - sys.stdlib_module_names


def needed(modules: Set[str]) -> list[Requirement]:
    """The project's own requirements that bring these modules.

    Raises:
        click.ClickException: nothing that is declared brings one of them.
    """
    owners = packages_distributions()
    missing = sorted(name for name in modules if name not in owners)
    if missing:
        raise click.ClickException(f"{', '.join(missing)}: imported, but not installed; run `make test` once")
    wanted = {name: {canonicalize_name(owner) for owner in owners[name]} for name in modules}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [Requirement(text) for text in project["dependencies"]]
    chosen = [one for one in declared if any(canonicalize_name(one.name) in names for names in wanted.values())]
    brought = closure(chosen)
    unexplained = sorted(name for name, distributions in wanted.items() if not distributions & brought)
    if unexplained:
        raise click.ClickException(
            f"{', '.join(unexplained)}: imported by the API, and no dependency of pyproject.toml that it imports "
            "brings it; declare it there"
        )
    return sorted(chosen, key=lambda one: one.name)


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Canonical names of the distributions that installing these installs on this machine."""
    found: set[str] = set()
    waiting = [(one, extra) for one in requirements for extra in ("", *one.extras)]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            texts = requires(requirement.name) or []
        except PackageNotFoundError as error:
            raise click.ClickException(f"{requirement.name} is required, but not installed") from error
        found.add(name)
        for inner in map(Requirement, texts):
            if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                waiting += [(inner, wanted) for wanted in ("", *inner.extras)]
    return found


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when the file is not what it would be.")
def main(check: bool) -> None:
    text = _HEAD + "".join(f"{requirement}\n" for requirement in needed(imported_modules()))
    if not check:
        WRITTEN.write_text(text)
    elif not WRITTEN.exists() or WRITTEN.read_text() != text:
        raise click.ClickException(f"{WRITTEN.relative_to(ROOT)} is stale; run python -m deploy.images.requirements")


if __name__ == "__main__":
    main()
