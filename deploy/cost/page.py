"""The figures in the words of `page.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deploy.cost.model import Day, Figures, Pool, Stage

_WORDS = Path(__file__).with_name("page.md")
_FIGURES_OF = {
    "speech": ("speech",),
    "sound": ("sound",),
    "vision": ("decode", "vision"),
    "rendering": ("encode", "clip"),
    "starting pods": ("pod",),
}
_NODES = {"gpu": "a GPU, {cores} cores", "worker": "{cores} cores", "web": "serving"}


def written(figures: Figures, day: Day) -> str:
    hours = figures["load"]["hours_a_day"]
    return _WORDS.read_text().format(
        **{**figures, "pools": _pools(day.pools, figures)},
        day=day,
        hours=hours,
        stages=_stages(day.stages, figures),
        money=_money(day, hours),
        steps_an_hour=day.steps / 24,
        seconds_between_runs=3600 / day.runs_in_the_busiest_hour,
        stored_tb=day.stored_gb / 1000,
    )


def _stages(stages: Sequence[Stage], figures: Figures) -> str:
    head = ("stage", "pool", "core hours a day", "GPU hours a day", "from")
    rows = [
        (stage.name, stage.pool, _hours(stage.core_hours), _hours(stage.gpu_hours), _sources(stage.name, figures))
        for stage in stages
    ]
    return _table(head, rows)


def _pools(pools: Sequence[Pool], figures: Figures) -> str:
    head = ("pool", "node", "node hours a day", "at once, busiest hour", "money a day")
    rows = []
    for pool in pools:
        of = figures["pools"][pool.name]
        node = f"{_NODES[pool.name].format(**of)}, {of['price_an_hour']:g} an hour"
        rows.append((pool.name, node, f"{pool.node_hours:,.1f}", str(pool.nodes_at_once), f"{pool.money:,.2f}"))
    return _table(head, rows)


def _money(day: Day, hours: float) -> str:
    rows = [(name, f"{money:,.2f}", f"{money / day.total:.0%}") for name, money in day.money.items()]
    rows.append(("**all**", f"**{day.total:,.2f}**", ""))
    rows.append(("an hour of video", f"{day.total / hours:,.3f}", ""))
    return _table(("", "money a day", "share"), rows)


def _sources(stage: str, figures: Figures) -> str:
    sources = [figures[name] for name in _FIGURES_OF[stage]]
    return "; ".join(f"{'measured' if of['measured'] else '**not measured**'}: {of['note']}" for of in sources)


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
