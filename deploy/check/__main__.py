"""Everything under deploy/, as far as the tools on this machine can judge it.

    python -m deploy.check [--require-all] [--only NAME] [--schemas FOLDER]

A check whose tool is absent is skipped, loudly; with `--require-all`, as in CI, that is a failure.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click
import yaml

from deploy.check import manifests
from deploy.check.tools import CHECKOV, DOCKER, HELM, PROMTOOL, ROOT, SHELLCHECK, TERRAFORM, Missing, Problem, run
from deploy.images import pin, requirements

DEPLOY = ROOT / "deploy"
CHART = "1.13.27"
"""Of Dagster; that of `setup/constraints.txt`."""
_SCRIPTS = ("images/install", "images/build", "kubernetes/apply", "kubernetes/base/backup/dump",
            "kubernetes/base/backup/restore-test")  # fmt: skip


def api_requirements() -> str:
    text = [str(one) for one in requirements.needed(requirements.imported_modules())]
    if requirements.WRITTEN.read_text().splitlines()[1:] != text:
        raise Problem("deploy/images/api/requirements.txt is stale; run python -m deploy.images.requirements")
    return f"{len(text)} requirements"


def base_images() -> str:
    names = [str(pin.Image.parse(value)) for value in pin.read_images(pin.BASES).values()]
    if not pin.LOCK.exists():
        raise Missing("deploy/images/bases.lock is not there; python -m deploy.images.pin asks the registries for it")
    return f"{len(names)} images, pinned"


def scripts() -> str:
    run([SHELLCHECK.path(), *(str(DEPLOY / name) for name in _SCRIPTS)])
    return f"{len(_SCRIPTS)} scripts"


def terraform(cloud: str) -> str:
    """Formatted, valid, and its tests pass with mock providers; providers come from TF_PLUGIN_DIR when that is set."""
    program, folder = TERRAFORM.path(), DEPLOY / "terraform" / cloud
    run([program, "fmt", "-check", "-recursive", str(folder)])
    with tempfile.TemporaryDirectory() as data:
        place = {"TF_DATA_DIR": data, "TF_IN_AUTOMATION": "1"}
        _initialise(program, folder, place)
        run([program, "validate", "-no-color"], folder, place)
        told = run([program, "test", "-no-color"], folder, place)
    return told.strip().splitlines()[-1]


def _initialise(program: str, folder: Path, place: Mapping[str, str]) -> None:
    mirrors = [
        path for path in map(Path, ("/opt/tf-plugins", str(Path.home() / ".terraform.d/plugins"))) if path.exists()
    ]
    arguments = [f"-plugin-dir={path}" for path in mirrors]
    try:
        run([program, "init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly"], folder, place)
    except Problem as first:
        try:
            run([program, "init", "-backend=false", "-input=false", "-no-color", *arguments], folder, place)
        except Problem as second:
            raise Missing(f"no provider for {folder.name}: neither a registry nor a mirror has it\n{second}") from first


def chart() -> str:
    from_registry = ("--repo", "https://dagster-io.github.io/helm", "--version", CHART)
    given = (
        "--values",
        str(DEPLOY / "values" / "dagster.yaml"),
        "--set",
        "postgresql.postgresqlHost=postgres.internal",
    )
    command = (HELM.path(), "template", "dagster", "dagster", "--namespace", "clip-platform", *from_registry, *given)
    text = run(command)
    objects = [manifest for manifest in yaml.safe_load_all(text) if manifest]
    if found := manifests.violations(objects, None):
        raise Problem("\n".join(found))
    return f"{len(objects)} objects"


def alert_rules() -> str:
    folder = DEPLOY / "observability"
    tests = sorted(folder.rglob("*test*.y*ml")) if folder.exists() else []
    if not tests:
        raise Missing("deploy/observability has no unit tests of rules")
    run([PROMTOOL.path(), "test", "rules", *map(str, tests)])
    return f"{len(tests)} files of unit tests"


def policies() -> str:
    run([CHECKOV.path(), "--directory", str(DEPLOY), "--config-file", str(DEPLOY / "check" / "checkov.yaml")])
    return "no finding that is not justified"


def compose() -> str:
    names = dict.fromkeys(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text()), "x")
    run([DOCKER.path(), "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"], ROOT, names)
    return "one server"


@click.command()
@click.option("--require-all", is_flag=True, help="A check that cannot be made is a failure.")
@click.option("--only", help="One check, by its name.")
@click.option(
    "--schemas", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Schemas of custom kinds."
)
def main(require_all: bool, only: str | None, schemas: Path | None) -> None:
    checks: Mapping[str, Callable[[], str]] = {
        "requirements": api_requirements,
        "base-images": base_images,
        "scripts": scripts,
        "files": manifests.check_single_files,
        "overlays": partial(manifests.check, schemas),
        "chart": chart,
        "terraform-aws": partial(terraform, "aws"),
        "terraform-azure": partial(terraform, "azure"),
        "alert-rules": alert_rules,
        "policies": policies,
        "compose": compose,
    }
    if only is not None and only not in checks:
        raise click.UsageError(f"--only {only}: there are {', '.join(checks)}")
    failed, skipped = [], []
    for name in [only] if only else list(checks):
        try:
            click.echo(f"ok       {name}: {checks[name]()}")
        except Missing as missing:
            skipped.append(name)
            click.secho(f"SKIPPED  {name}: {missing}", fg="yellow")
        except Problem as problem:
            failed.append(name)
            click.secho(f"FAILED   {name}:\n{problem}", fg="red")
    if skipped:
        click.secho(f"NOT CHECKED: {', '.join(skipped)}", fg="yellow", bold=True)
    if failed or (skipped and require_all):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
