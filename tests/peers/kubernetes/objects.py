"""What an API server refuses: objects that are not as their schema says, contradict themselves, or ask for too much."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import kubernetes_validate

from tests.peers.kubernetes.quantities import amounts

VERSION = "1.32"
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


class Refused(Exception):
    """`code` and `reason` as in a Kubernetes `Status`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


def check_job(job: Mapping[str, Any]) -> None:
    """
    Raises:
        Refused: it is no valid batch/v1 Job.
    """
    try:
        kubernetes_validate.validate(dict(job), VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        raise _invalid(job, f"{where}: {error.message[:400]}") from error
    problems = [*_names(job), *_template(job["spec"]["template"]["spec"])]
    if problems:
        raise _invalid(job, "; ".join(problems))


def check_restricted(pod: Mapping[str, Any]) -> None:
    """Pod Security Standards, profile `restricted`.

    Raises:
        Refused: the pod could do more than it needs.
    """
    problems = list(_liberties(pod["spec"]))
    if problems:
        name, said = pod["metadata"]["name"], ", ".join(problems)
        raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": {said}')


def _invalid(job: Mapping[str, Any], problem: str) -> Refused:
    name = (job.get("metadata") or {}).get("name")
    return Refused(422, "Invalid", f'Job.batch "{name}" is invalid: {problem}')


def _names(job: Mapping[str, Any]) -> Iterator[str]:
    if not _NAME.fullmatch(job["metadata"].get("name", "")):
        yield f"metadata.name: Invalid value: {job['metadata'].get('name')!r}"
    for where in (job["metadata"], job["spec"]["template"].get("metadata") or {}):
        for key, value in (where.get("labels") or {}).items():
            if not _LABEL.fullmatch(value):
                yield f"metadata.labels: Invalid value: {value!r} of {key}"


def _template(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("restartPolicy") not in ("Never", "OnFailure"):
        yield 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    volumes = [volume["name"] for volume in spec.get("volumes") or ()]
    yield from _twice("volumes", volumes)
    for container in spec["containers"]:
        mounts = container.get("volumeMounts") or ()
        yield from _twice("volumeMounts", [mount["mountPath"] for mount in mounts])
        yield from (f'volumeMounts: Not found: "{one["name"]}"' for one in mounts if one["name"] not in volumes)
        yield from _resources(container.get("resources") or {})


def _twice(what: str, values: Sequence[str]) -> Iterator[str]:
    yield from (f"{what}: Duplicate value: {value!r}" for value in sorted(set(values)) if values.count(value) > 1)


def _resources(resources: Mapping[str, Any]) -> Iterator[str]:
    requests, limits = amounts(resources.get("requests")), amounts(resources.get("limits"))
    for name, amount in requests.items():
        if amount > limits.get(name, amount):
            yield f"resources.requests: Invalid value: must be less than or equal to {name} limit"
        if "/" in name and limits.get(name) != amount:
            yield f"resources.limits: Required value: limit must be set for non overcommitable resource {name}"


def _liberties(spec: Mapping[str, Any]) -> Iterator[str]:
    pod = spec.get("securityContext") or {}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"host namespaces ({name}=true)"
    for volume in spec.get("volumes") or ():
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f'restricted volume types (volume "{volume["name"]}" uses {", ".join(sorted(kinds))})'
    for container in spec["containers"]:
        own = container.get("securityContext") or {}
        who = f'container "{container["name"]}"'
        if own.get("privileged"):
            yield f"privileged ({who} must not set securityContext.privileged=true)"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"allowPrivilegeEscalation != false ({who} must set it to false)"
        capabilities = own.get("capabilities") or {}
        if "ALL" not in (capabilities.get("drop") or ()) or set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
            yield f'unrestricted capabilities ({who} must set securityContext.capabilities.drop=["ALL"])'
        if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
            yield f"runAsNonRoot != true (pod or {who} must set it to true)"
        if own.get("runAsUser", pod.get("runAsUser")) == 0:
            yield f"runAsUser=0 (pod and {who} must not set it to 0)"
        profile = own.get("seccompProfile") or pod.get("seccompProfile") or {}
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"seccompProfile (pod or {who} must set it to RuntimeDefault or Localhost)"
