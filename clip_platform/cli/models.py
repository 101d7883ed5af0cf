"""`model`: what serves, what served before, and the only ways to change it by hand."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clip_platform.settings import read_settings

if TYPE_CHECKING:
    from clip_platform.resources.model_registry import ModelRegistry, Promotion

HEURISTIC = "heuristic"


def promote_model(version: str, reason: str, *, force: bool) -> int:
    """Raises: Conflict when the gates have not passed it and it is not forced."""
    promotion = _registry().promote(version, reason=reason, by=_somebody(), force=force)
    _say(promotion, "forced past the gates" if force and not _passed(promotion.gates) else "")
    return 0


def roll_back_model(reason: str) -> int:
    _say(_registry().roll_back(reason=reason, by=_somebody()))
    Console().print("tenants see the scores of before within a minute, by Dagster's sensor changed_champion")
    return 0


def show_history(limit: int) -> int:
    registry = _registry()
    table = Table()
    table.add_column("when (UTC)", no_wrap=True)
    for heading in ("what", "serves", "before", "by", "reason", "gates"):
        table.add_column(heading, overflow="fold")
    for event in registry.history()[:limit]:
        table.add_row(
            f"{event.at:%Y-%m-%d %H:%M}",
            event.action,
            event.version or HEURISTIC,
            event.replaced or HEURISTIC,
            escape(event.by),
            escape(event.reason),
            _gates(event),
        )
    console = Console()
    console.print(table)
    aliases = ", ".join(f"{name}: version {number}" for name, number in sorted(registry.aliases().items()))
    console.print(aliases or "no version has an alias; the heuristic serves", highlight=False)
    return 0


def show_model(version: str) -> int:
    from clip_platform.resources.model_registry import recorded_verdict

    facts = _registry().describe(version)
    console = Console()
    title = f"version {facts.version}" + (f" ({', '.join(facts.aliases)})" if facts.aliases else "")
    console.print(f"[bold]{escape(title)}[/bold]  made {facts.created_at:%Y-%m-%d %H:%M} UTC", highlight=False)
    console.print(facts.run_url, highlight=False, soft_wrap=True)
    table = Table(show_header=False)
    tags = {name: value for name, value in facts.tags.items() if name != "verdict"}
    for name, tag in sorted(tags.items()):
        table.add_row(escape(name), escape(tag))
    for name, value in sorted(facts.metrics.items()):
        table.add_row(escape(name), _number(value))
    console.print(table)
    judged = recorded_verdict(facts.tags)
    if judged is None:
        console.print("no gate has judged it")
        return 0
    console.print(_verdict_table(judged))
    return 0


def compare_models(one: str, other: str) -> int:
    first, second = _registry().compare(one, other)
    headings = [f"{facts.version} ({', '.join(facts.aliases)})" if facts.aliases else facts.version
                for facts in (first, second)]  # fmt: skip
    print_comparison(headings, [first.metrics, second.metrics], [first.parameters, second.parameters])
    return 0


def print_comparison(
    headings: Sequence[str], metrics: Sequence[Mapping[str, float]], parameters: Sequence[Mapping[str, str]]
) -> None:
    """Metrics side by side with their difference, then the parameters that are not the same."""
    table = Table()
    table.add_column("metric")
    for heading in (*headings, "difference"):
        table.add_column(escape(heading), justify="right")
    for name in sorted(set(metrics[0]) | set(metrics[1])):
        values = [found.get(name) for found in metrics]
        known = [value for value in values if value is not None]
        difference = _number(known[1] - known[0], signed=True) if len(known) == 2 else ""
        table.add_row(escape(name), *("" if value is None else _number(value) for value in values), difference)
    for name in sorted(set(parameters[0]) | set(parameters[1])):
        chosen = [found.get(name, "") for found in parameters]
        if chosen[0] != chosen[1]:
            table.add_row(escape(name), *map(escape, chosen), "")
    Console().print(table)


def _registry() -> ModelRegistry:
    from clip_platform.resources.model_registry import ModelRegistry

    settings = read_settings()
    return ModelRegistry(settings.mlflow_address, settings.model_cache)


def _somebody() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _say(event: Promotion, how: str = "") -> None:
    note = f", {how}" if how else ""
    serves, before = _named(event.version), _named(event.replaced)
    Console().print(f"{serves} serves now, {before} before{note}", highlight=False)


def _named(version: str | None) -> str:
    return HEURISTIC if version is None else f"version {version}"


def _passed(gates: Mapping[str, str]) -> bool:
    return bool(gates) and all(outcome == "passed" for outcome in gates.values())


def _gates(event: Promotion) -> str:
    if event.action == "rollback":
        return ""
    others = [f"{name}: {outcome}" for name, outcome in event.gates.items() if outcome != "passed"]
    judged = "; ".join(others) or ("all passed" if event.gates else "none")
    return escape(f"forced; {judged}" if event.forced else judged)


def _verdict_table(judged: Mapping[str, Any]) -> Table:
    table = Table(title="promotes" if judged["promotes"] else "does not promote", title_justify="left")
    for heading in ("gate", "outcome", "evidence"):
        table.add_column(heading, overflow="fold")
    for gate in judged["gates"]:
        table.add_row(escape(gate["name"]), escape(gate["outcome"]), escape(gate["evidence"]))
    return table


def _number(value: float, *, signed: bool = False) -> str:
    is_count = value == int(value) and (signed or abs(value) >= 2)
    return (
        format(int(value), "+d" if signed and value else "d")
        if is_count
        else format(value, "+.4f" if signed else ".4f")
    )
