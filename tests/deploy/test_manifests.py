"""Manifests as they would be applied, beyond what a schema can say: names meet, pods are confined."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from clip_platform import compute
from clip_platform.api.metrics import ApiMetrics
from clip_platform.settings import Settings
from deploy.check import manifests
from deploy.check.tools import KUBECTL, Missing
from deploy.images import pin

ROOT = Path(__file__).parents[2]
VALUES = yaml.safe_load((ROOT / "deploy" / "values" / "dagster.yaml").read_text())
_TALKS_TO_KUBERNETES = {"clip-platform-dagster", "clip-platform-run"}

Manifest = Mapping[str, Any]


@pytest.fixture(scope="module", params=manifests.OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Manifest]:
    try:
        return manifests.built(request.param)
    except Missing as missing:
        pytest.skip(str(missing))


def test_every_object_has_only_fields_that_kubernetes_knows(overlay: list[Manifest]) -> None:
    pytest.importorskip("kubernetes_validate")

    assert manifests.violations(overlay, None) == []


def test_azures_part_goes_on_the_same_base(tmp_path: Path) -> None:
    there = {name: os.path.relpath(manifests.KUBERNETES / name, tmp_path) for name in ("base", "components/azure")}
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [{there['base']}]\ncomponents: [{there['components/azure']}]\n"
    )
    try:
        objects = manifests.built_in(tmp_path)
    except Missing as missing:
        pytest.skip(str(missing))

    (ingress,) = _of("Ingress", objects)
    accounts = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in _of("ServiceAccount", objects)}
    assert ingress["spec"]["ingressClassName"] == "azure-application-gateway"
    assert accounts["api"]["azure.workload.identity/use"] == "true"
    assert {"secrets-reader", "clip-platform-step"} <= set(accounts)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    pytest.importorskip("kubernetes_validate")
    misspelt = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"port": []}}

    assert "port" in manifests.violations([misspelt], None)[0]


def test_pods_are_confined(overlay: list[Manifest]) -> None:
    for name, pod in _pods(overlay):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["serviceAccountName"] not in {"default", *_TALKS_TO_KUBERNETES}, name
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name
            assert not container["image"].endswith((":latest", ":unset")), name


def test_what_serves_says_whether_it_can(overlay: list[Manifest]) -> None:
    for name, pod in _pods(overlay):
        for container in pod["containers"]:
            if container.get("ports"):
                assert {"readinessProbe", "livenessProbe"} <= set(container), name


def test_what_is_named_is_there(overlay: list[Manifest]) -> None:
    """A missing name would be noticed when the pod does not start."""
    there = {(one["kind"], one["metadata"]["name"]) for one in overlay}
    secrets = {name for kind, name in there if kind == "ExternalSecret"}

    for name, pod in _pods(overlay):
        assert ("ServiceAccount", pod["serviceAccountName"]) in there, name
        for container in pod["containers"] + pod.get("initContainers", []):
            for source in container.get("envFrom", []):
                assert source.get("secretRef", {}).get("name") in secrets | {None}, name
                if "configMapRef" in source:
                    assert ("ConfigMap", source["configMapRef"]["name"]) in there, name
        for volume in pod.get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there, name
    for rule in (rule for one in _of("Ingress", overlay) for rule in one["spec"]["rules"]):
        for path in rule["http"]["paths"]:
            assert ("Service", path["backend"]["service"]["name"]) in there
    for scaler in (*_of("HorizontalPodAutoscaler", overlay), *_of("ScaledObject", overlay)):
        target = scaler["spec"]["scaleTargetRef"]
        assert (target.get("kind", "Deployment"), target["name"]) in there


def test_services_lead_to_pods(overlay: list[Manifest]) -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in _of("Deployment", overlay)]
    labels += [{"component": "dagster-webserver"}]

    for service in _of("Service", overlay):
        selector = service["spec"].get("selector")
        found = selector is not None and any(selector.items() <= one.items() for one in labels)
        assert found, service["metadata"]["name"]


def test_no_service_becomes_a_setting(overlay: list[Manifest]) -> None:
    """Kubernetes makes variables of names: `clip-platform-x` would be CLIP_PLATFORM_X_PORT in the chart's pods."""
    names = {one["metadata"]["name"] for one in _of("Service", overlay)}
    names |= {one["name"] for one in VALUES["dagster-user-deployments"]["deployments"]}

    assert not [name for name in names if name.startswith("clip-platform")]


def test_settings_and_secrets_are_the_programs_own(overlay: list[Manifest]) -> None:
    known = {f"CLIP_PLATFORM_{name.upper()}" for name in Settings.model_fields}
    values = [key for one in _of("ConfigMap", overlay) for key in one["data"]]
    values += [entry["secretKey"] for one in _of("ExternalSecret", overlay) for entry in one["spec"]["data"]]

    assert {name for name in values if name.startswith("CLIP_PLATFORM_")} <= known


def test_each_pod_has_the_password_of_one_role(overlay: list[Manifest]) -> None:
    passwords = {
        one["metadata"]["name"]: {key for entry in one["spec"]["data"] if "PASSWORD" in (key := entry["secretKey"])}
        for one in _of("ExternalSecret", overlay)
    }

    assert passwords["clip-platform-api"] == {"CLIP_PLATFORM_DATABASE_API_PASSWORD"}
    assert passwords["clip-platform-worker"] == {"CLIP_PLATFORM_DATABASE_WORKER_PASSWORD"}
    assert passwords["clip-platform-owner"] == {"CLIP_PLATFORM_DATABASE_OWNER_PASSWORD"}
    owners = [name for name, pod in _pods(overlay) if "clip-platform-owner" in str(pod)]
    assert owners == ["migrate"]


def test_only_tls_1_3_is_spoken_to_clients(overlay: list[Manifest]) -> None:
    (ingress,) = _of("Ingress", overlay)
    annotations = ingress["metadata"]["annotations"]

    assert annotations["alb.ingress.kubernetes.io/ssl-policy"] == "ELBSecurityPolicy-TLS13-1-3-2021-06"
    assert annotations["alb.ingress.kubernetes.io/listen-ports"] == '[{"HTTPS": 443}]'
    assert "alb.ingress.kubernetes.io/wafv2-acl-arn" in annotations


def test_operators_alone_pass_the_proxies(overlay: list[Manifest]) -> None:
    for name, pod in _pods(overlay):
        if name.startswith("oauth2-proxy"):
            arguments = pod["containers"][0]["args"]
            assert f"--allowed-group={Settings.model_fields['oidc_operator_group'].default}" in arguments
            assert not [one for one in arguments if one.startswith(("--skip-auth", "--skip-jwt", "--insecure"))]


def test_dagster_and_mlflow_are_offered_behind_a_proxy_only(overlay: list[Manifest]) -> None:
    (ingress,) = _of("Ingress", overlay)
    targets = {
        path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]
    }

    assert targets == {"api", "oauth2-proxy-dagster", "oauth2-proxy-mlflow"}
    assert VALUES["ingress"] == {"enabled": False}


def test_nodes_take_the_pods_of_steps() -> None:
    """Labels and taints of node pools are those that `compute` selects and tolerates."""
    file = manifests.KUBERNETES / "components" / "aws" / "node-pools.yaml"
    pools = {one["metadata"]["name"]: one for one in yaml.safe_load_all(file.read_text()) if one["kind"] == "NodePool"}

    for shape in (compute.CPU, compute.GPU, compute.ENCODE):
        pod = shape["dagster-k8s/config"]["pod_spec_config"]
        ((label, name),) = pod["node_selector"].items()
        template = pools[name]["spec"]["template"]
        tolerated = {one["key"] for one in pod["tolerations"]}
        assert template["metadata"]["labels"] == {label: name}
        assert label in {taint["key"] for taint in template["spec"]["taints"]} <= tolerated | {"nvidia.com/gpu"}
    assert pools["gpu"]["spec"]["disruption"]["consolidationPolicy"] == "WhenEmpty"


def test_production_changes_colour_and_goes_back_on_errors() -> None:
    rollout = manifests.KUBERNETES / "components" / "blue-green" / "rollout.yaml"
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(rollout.read_text())}
    strategy = objects["Rollout", "api"]["spec"]["strategy"]["blueGreen"]
    errors = objects["AnalysisTemplate", "api-errors"]["spec"]["metrics"][0]

    lasts_s = _seconds(errors["initialDelay"]) + _seconds(errors["interval"]) * errors["count"]
    assert strategy["postPromotionAnalysis"] == {"templates": [{"templateName": "api-errors"}]}
    assert lasts_s < strategy["scaleDownDelaySeconds"], "the old version is gone before the new one is judged"
    query = errors["provider"]["prometheus"]["query"]
    assert set(re.findall(r"clip_platform_\w+", query)) == {f"{ApiMetrics().requests._name}_total"}
    production = (manifests.KUBERNETES / "overlays" / "production" / "kustomization.yaml").read_text()
    assert "../../components/blue-green" in production


def test_the_chart_is_given_our_instance_and_no_other() -> None:
    for part in (
        VALUES["dagsterWebserver"],
        VALUES["dagsterDaemon"],
        VALUES["dagster-user-deployments"]["deployments"][0],
    ):
        home = next(one["value"] for one in part["env"] if one["name"] == "DAGSTER_HOME")
        mount = next(one for one in part["volumeMounts"] if one["name"] == "clip-platform-instance")
        assert mount["mountPath"] == f"{home}/dagster.yaml"
        assert part["securityContext"]["readOnlyRootFilesystem"] is True
        assert part["podSecurityContext"]["runAsNonRoot"] is True
    assert VALUES["global"]["dagsterHome"] != home


def test_images_of_others_are_the_pinned_ones() -> None:
    wanted = {image.rpartition(":")[0]: image.rpartition(":")[2] for image in pin.read_images(pin.BASES).values()}

    for name in manifests.OVERLAYS:
        text = (manifests.KUBERNETES / "overlays" / name / "kustomization.yaml").read_text()
        given = {one["name"]: one["newTag"] for one in yaml.safe_load(text)["images"] if "newTag" in one}
        assert {name: tag for name, tag in given.items() if name in wanted}.items() <= wanted.items()
    assert VALUES["postgresql"]["image"]["tag"] == wanted["docker.io/library/postgres"]


@pytest.mark.parametrize("name", manifests.OVERLAYS)
def test_nothing_is_applied_while_a_placeholder_is_left(name: str) -> None:
    if shutil.which(KUBECTL.name) is None:
        pytest.skip("kubectl is not on PATH")

    ended = subprocess.run([manifests.KUBERNETES / "apply", name], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "still names what is no installation's" in ended.stderr


def _of(kind: str, objects: list[Manifest]) -> list[Manifest]:
    return [one for one in objects if one["kind"] == kind]


def _pods(objects: list[Manifest]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in objects:
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]
        elif one["kind"] == "CronJob":
            yield one["metadata"]["name"], one["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)s", text)
    assert match
    return int(match[1])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Of deploy/kubernetes, to write into, with digests of others' images beside it."""
    (tmp_path / "images").mkdir()
    locked = "".join(f"{name}={image}@sha256:{'9' * 64}\n" for name, image in pin.read_images(pin.BASES).items())
    (tmp_path / "images" / "bases.lock").write_text(locked)
    return Path(shutil.copytree(manifests.KUBERNETES, tmp_path / "kubernetes"))


def test_a_versions_images_are_written_by_digest_and_copied_to_production(copy: Path) -> None:
    images = [
        f"host:5000/clip-platform/{name}@sha256:{digit * 64}"
        for name, digit in (("api", "1"), ("pipeline", "2"), ("gpu", "3"))
    ]

    subprocess.run([copy / "set-images", "staging", *images], check=True)
    for _ in range(2):  # again, over what is there
        subprocess.run([copy / "set-images", "production", "--from", "staging"], check=True)

    for overlay in ("staging", "production"):
        text = (copy / "overlays" / overlay / "kustomization.yaml").read_text()
        written = yaml.safe_load(text)
        given = {one["name"]: f"{one['newName']}@{one['digest']}" for one in written["images"] if "newName" in one}
        others = {one["name"]: one["digest"] for one in written["images"] if "newName" not in one}
        assert given == {"clip-platform/api": images[0], "clip-platform/pipeline": images[1]}
        assert others == {
            "quay.io/oauth2-proxy/oauth2-proxy": f"sha256:{'9' * 64}",
            "docker.io/library/postgres": f"sha256:{'9' * 64}",
        }
        assert f"CLIP_PLATFORM_GPU_IMAGE={images[2]}" in written["configMapGenerator"][0]["literals"]
        assert text.count("# images: ") == 1


@pytest.mark.parametrize(
    "arguments",
    [("host/clip-platform/api:1", "b", "c"), ("--from", "staging"), ("host/other/api@sha256:" + "1" * 64, "b", "c")],
)
def test_an_image_without_digest_is_not_written(arguments: tuple[str, ...], copy: Path) -> None:
    before = (copy / "overlays" / "production" / "kustomization.yaml").read_text()

    ended = subprocess.run([copy / "set-images", "production", *arguments], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert (copy / "overlays" / "production" / "kustomization.yaml").read_text() == before
