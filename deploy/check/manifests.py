"""Kubernetes manifests: built as they would be applied, and each object against its published schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.check.tools import KUBECTL, ROOT, Missing, Problem, run

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = tuple(sorted(path.name for path in (KUBERNETES / "overlays").iterdir()))
VERSION = "1.32"
"""Of the schemas of built-in kinds, and of the clusters: see terraform's `kubernetes_version`."""

Manifest = Mapping[str, Any]


def built(overlay: str) -> list[Manifest]:
    """
    Raises:
        Missing: kubectl is absent or too old for these kustomizations.
        Problem: the overlay cannot be built.
    """
    return built_in(KUBERNETES / "overlays" / overlay)


def built_in(folder: Path) -> list[Manifest]:
    """The same for any folder with a kustomization."""
    text = run([KUBECTL.path(), "kustomize", "--load-restrictor", "LoadRestrictionsNone", str(folder)])
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def single_files() -> Iterator[tuple[Path, Manifest]]:
    """Objects as they are written, before any overlay: what can be validated without kubectl."""
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and "kind" in document and "kustomize.config" not in document["apiVersion"]:
                yield path, document


def violations(manifests: Sequence[Manifest], schemas: Path | None) -> list[str]:
    """What is wrong with each object by its schema, unknown fields too.

    Args:
        schemas: a folder like github.com/datreeio/CRDs-catalog, for kinds that Kubernetes does not have built in.
    """
    validate = _validator()
    found = []
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        if is_custom(manifest):
            found += [f"{name}: {problem}" for problem in _custom_problems(manifest, schemas)]
        else:
            found += [f"{name}: {problem}" for problem in validate(manifest)]
    return found


def is_custom(manifest: Manifest) -> bool:
    """Groups of Kubernetes itself have no dot or end with k8s.io; Karpenter's do so too."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and (not group.endswith(".k8s.io") or group.startswith("karpenter"))


def without_schema(manifests: Sequence[Manifest], schemas: Path | None) -> list[str]:
    """Kinds that nothing here can judge."""
    custom = {_schema_name(manifest): manifest for manifest in manifests if is_custom(manifest)}
    return sorted(name for name in custom if schemas is None or not (schemas / name).exists())


def _validator() -> Any:
    try:
        import kubernetes_validate
    except ImportError as error:
        raise Missing("kubernetes-validate is not installed; pip install kubernetes-validate") from error

    def validate(manifest: Manifest) -> list[str]:
        try:
            kubernetes_validate.validate(dict(manifest), VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            return [f"{'.'.join(map(str, error.path))}: {error.message[:300]}"]
        except kubernetes_validate.SchemaNotFoundError:
            return [f"Kubernetes {VERSION} has no {manifest['kind']} in {manifest['apiVersion']}"]
        return []

    return validate


def _schema_name(manifest: Manifest) -> str:
    group, _, version = manifest["apiVersion"].partition("/")
    return f"{group}/{manifest['kind'].lower()}_{version}.json"


def _custom_problems(manifest: Manifest, schemas: Path | None) -> list[str]:
    path = None if schemas is None else schemas / _schema_name(manifest)
    if path is None or not path.exists():
        return []
    import jsonschema

    validator = jsonschema.Draft7Validator(json.loads(path.read_text()))
    return [f"{'.'.join(map(str, error.path))}: {error.message[:300]}" for error in validator.iter_errors(manifest)]


def check(schemas: Path | None) -> str:
    """
    Raises:
        Missing, Problem.
    """
    found, objects, unjudged = [], 0, set()
    for overlay in OVERLAYS:
        manifests = built(overlay)
        objects += len(manifests)
        found += [f"{overlay}: {problem}" for problem in violations(manifests, schemas)]
        unjudged |= set(without_schema(manifests, schemas))
    if found:
        raise Problem("\n".join(found))
    if unjudged:
        note = f"; NOT JUDGED, no schema (give --schemas): {', '.join(sorted(unjudged))}"
        if schemas is not None:
            raise Problem(f"{schemas} has no schema for {', '.join(sorted(unjudged))}")
        return f"{objects} objects of {', '.join(OVERLAYS)}{note}"
    return f"{objects} objects of {', '.join(OVERLAYS)}"


def check_single_files() -> str:
    """For a machine without kubectl: nothing is built, so overlays go unproven."""
    files = list(single_files())
    found = [
        f"{path.relative_to(ROOT)}: {problem}" for path, manifest in files for problem in violations([manifest], None)
    ]
    if found:
        raise Problem("\n".join(found))
    return f"{len(files)} objects as they are written"
