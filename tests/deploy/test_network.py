"""The network policies are the table of docs/network.md, no more and no less."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "deploy" / "kubernetes" / "base" / "network-policies.yaml"
_PRIVATE = {"cidr": "10.20.0.0/16"}
_NOT_INTERNET = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"}

Way = tuple[str, str, int]


def _policies() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(POLICIES.read_text()))


def _names() -> dict[tuple[tuple[str, str], ...], str]:
    """Policies by the labels that they select; a policy is called what its pods are."""
    found = {}
    for policy in _policies():
        labels = policy["spec"]["podSelector"].get("matchLabels", {})
        found[tuple(sorted(labels.items()))] = policy["metadata"]["name"]
    return found


def _peer(peer: dict[str, Any]) -> str:
    if block := peer.get("ipBlock"):
        if block == _PRIVATE:
            return "private network"
        assert block["cidr"] == "0.0.0.0/0"
        assert set(block["except"]) == _NOT_INTERNET
        return "internet"
    if space := peer.get("namespaceSelector"):
        name = space["matchLabels"]["kubernetes.io/metadata.name"]
        if name == "kube-system":
            assert peer["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
        return {"kube-system": "cluster DNS", "monitoring": "monitoring"}[name]
    return _names()[tuple(sorted(peer["podSelector"]["matchLabels"].items()))]


def _ways(direction: str) -> set[Way]:
    """What one direction's rules allow."""
    end = {"ingress": "from", "egress": "to"}[direction]
    found = set()
    for policy in _policies():
        name = policy["metadata"]["name"].replace("every-pod", "every pod")
        for rule in policy["spec"].get(direction, []):
            assert rule[end], f"{name}: a rule without peers is open to all"
            for peer in rule[end]:
                for port in rule["ports"]:
                    other = _peer(peer)
                    found.add((other, name, port["port"]) if direction == "ingress" else (name, other, port["port"]))
    return found


def _table() -> set[Way]:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (\d+) \| [^|]+ \|$", (ROOT / "docs" / "network.md").read_text(), re.M)
    return {(source, target, int(port)) for source, target, port in rows}


def test_all_is_closed_to_begin_with() -> None:
    first = _policies()[0]["spec"]

    assert first == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_table_says_what_the_policies_allow() -> None:
    assert _table() == _ways("egress") | _ways("ingress")


def test_a_way_inside_is_open_at_both_ends() -> None:
    pods = set(_names().values())

    inside = {
        direction: {way for way in _ways(direction) if {way[0], way[1]} <= pods} for direction in ("ingress", "egress")
    }

    assert inside["ingress"] == inside["egress"]
    assert ("oauth2-proxy-dagster", "webserver", 3000) in inside["ingress"]


def test_dagster_and_mlflow_are_reached_through_their_proxies_only() -> None:
    reach = {target: {way[0] for way in _ways("ingress") if way[1] == target} for target in ("webserver", "mlflow")}

    assert reach["webserver"] == {"oauth2-proxy-dagster"}
    assert reach["mlflow"] == {"oauth2-proxy-mlflow", "code", "run", "step"}
    assert not {way for way in _ways("egress") if way[1] in ("webserver", "mlflow") and way[0] in ("api", "worker")}


def test_every_policy_decides_both_directions() -> None:
    """But for the one that gives every pod names."""
    types = {policy["metadata"]["name"]: policy["spec"]["policyTypes"] for policy in _policies()}

    assert {name for name, which in types.items() if which != ["Ingress", "Egress"]} == {"every-pod"}
