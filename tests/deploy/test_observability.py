"""Alarms and dashboards ask for metrics that there are, and name a remedy that is written down."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry

from clip_platform.api.metrics import ApiMetrics
from clip_platform.exporter.app import Looks, StoreMetrics
from clip_platform.exporter.backlog import BacklogMetrics
from clip_platform.exporter.checks import CheckMetrics
from clip_platform.exporter.runs import RunMetrics
from deploy.observability.dashboards import DASHBOARDS, FOLDER, text_of

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "deploy" / "observability"
NOBODY = cast("Any", None)
"""Metrics are named before anything is looked at."""


def _exported() -> set[str]:
    registry = CollectorRegistry()
    BacklogMetrics(registry, NOBODY)
    RunMetrics(registry, NOBODY, ())
    CheckMetrics(registry, NOBODY, ())
    StoreMetrics(registry, NOBODY)
    Looks(registry, {})
    names: set[str] = set()
    for one in (registry, ApiMetrics().registry):
        for metric in one.collect():
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
            names |= {metric.name + ending for ending in endings}
    return names


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PLACE / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _asked(expressions: str) -> set[str]:
    return set(re.findall(r"clip_platform_\w+", expressions))


def test_every_alarm_asks_for_metrics_that_are_exported() -> None:
    asked = _asked(" ".join(rule["expr"] for rule in _rules()))
    assert asked
    assert asked <= _exported()


def test_every_alarm_has_a_severity_that_is_routed_and_a_remedy_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    alarms = [rule for rule in _rules() if "alert" in rule]
    assert len(alarms) > 10
    for rule in alarms:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        named = rule["annotations"]["remedy"].removeprefix("runbook: ")
        assert f"| **{named}** |" in runbook, rule["alert"]


def test_the_silenced_are_alarms_that_there_are() -> None:
    routing = yaml.safe_load((PLACE / "alertmanager.yaml").read_text())
    named = set(re.findall(r"[A-Z]\w+", json.dumps(routing["inhibit_rules"])))
    assert named
    assert named <= {rule.get("alert") for rule in _rules()}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboards_are_those_the_code_makes_and_ask_for_what_there_is(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text()
    assert text == text_of(name), "run python -m deploy.observability.dashboards"
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    queries = re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text)
    assert len(queries) > 5
    for query in queries:
        plain = re.sub("|".join(map(re.escape, recorded)), "", query)
        assert _asked(plain) <= _exported(), query


def test_alarms_go_off_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; make check-deploy requires it")
    done = subprocess.run(
        [promtool, "test", "rules", "rules_test.yaml"],
        cwd=PLACE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_metric_has_a_label_that_a_scrape_sets() -> None:
    """Prometheus would rename ours, and rules would ask for the scrape's."""
    registry = CollectorRegistry()
    metrics = [BacklogMetrics(registry, NOBODY), RunMetrics(registry, NOBODY, ()), CheckMetrics(registry, NOBODY, ())]
    gauges = [
        value for one in [*metrics, ApiMetrics()] for value in vars(one).values() if hasattr(value, "_labelnames")
    ]
    assert len(gauges) > 8
    assert not {"job", "instance"} & {label for gauge in gauges for label in gauge._labelnames}
