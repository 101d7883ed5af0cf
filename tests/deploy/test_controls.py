"""The control matrix points at what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "controls.md").read_text()


def _pointers() -> list[str]:
    return [name for name in re.findall(r"`([^`]+)`", PAGE) if "/" in name]


def test_every_pointer_leads_somewhere() -> None:
    missing = []
    for pointer in _pointers():
        path, _, name = pointer.partition("::")
        there = ROOT / path
        if not there.exists() or (name and name not in there.read_text()):
            missing.append(pointer)

    assert missing == []
    assert len(_pointers()) > 80


def test_every_control_has_an_answer() -> None:
    rows = [
        line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "asks for" not in line
    ]

    assert [row[0] for row in rows if not re.search(r"`[^`]+`", row[2])] == []
    assert [row[0] for row in rows if not re.search(r"(SOC 2|GDPR|HIPAA)", row[0])] == []


def test_the_clusters_runbook_names_scripts_that_are_there() -> None:
    text = (ROOT / "docs" / "runbook-cluster.md").read_text()

    named = set(re.findall(r"\bdeploy/(?:kubernetes|terraform|images)/[\w./-]+|\.github/workflows/[\w.]+", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists() and "overlays/" not in name] == []
