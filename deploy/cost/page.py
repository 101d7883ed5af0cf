"""The words around the figures."""

from __future__ import annotations

from deploy.cost.model import Day, Figures

_HEAD = """# What {hours:,.0f} hours of video a day cost

Worked out by `python -m deploy.cost` from `deploy/cost/figures.toml`, the place to put your own load, prices and measurements; a test
fails when this page is not what the figures give. A figure is measured where it says so; **all prices are examples**.

"""


def written(figures: Figures, day: Day) -> str:
    load = figures["load"]
    parts = [
        _HEAD.format(hours=load["hours_a_day"]),
        f"{load['hours_a_day']:,.0f} hours are {day.videos:,.0f} videos of {load['video_minutes']:.0f} minutes, "
        f"1080p at {load['megabit_a_second']:g} Mbit/s, with {load['clips_an_hour']:g} clips of {load['clip_s']:g} s from each hour; "
        f"{load['busiest_hour_share']:.0%} of them arrive in the busiest hour.\n\n",
        "## Work\n\n",
        _table(
            ("stage", "pool", "core hours a day", "GPU hours a day", "from"),
            [
                (stage.name, stage.pool, _hours(stage.core_hours), _hours(stage.gpu_hours), _from(stage.name, figures))
                for stage in day.stages
            ],
        ),
        "\n## Nodes\n\n",
        f"Pods use {figures['steps']['use']:.0%} of a node while it is there. Nodes for jobs come with them and go when empty, so a day costs "
        "its hours of work; the busiest hour says how many there must be able to be.\n\n",
        _table(
            ("pool", "node", "node hours a day", "at once, busiest hour", "money a day"),
            [
                (
                    pool.name,
                    _node(pool.name, figures),
                    f"{pool.node_hours:,.1f}",
                    str(pool.nodes_at_once),
                    f"{pool.money:,.2f}",
                )
                for pool in day.pools
            ],
        ),
        "\nWhat a GPU step computes on cores holds its GPU meanwhile: pictures, not speech, decide how many GPU nodes there are. With a face engine "
        "that needs no GPU, `vision` in the shape `cpu` would move those hours to the cheaper pool.\n",
        "\n`limits` of the node pools (`deploy/kubernetes/components/aws/node-pools.yaml`) and `GPU_SLOTS` leave room for these; a test compares.\n",
        "\n## Queues\n\n",
        f"{day.steps:,.0f} steps a day, each one pod: {day.steps / 24:,.0f} an hour, {day.runs_in_the_busiest_hour:,.0f} runs admitted in the "
        f"busiest hour, one every {3600 / day.runs_in_the_busiest_hour:,.0f} s. A tick of the sensor every 5 s admits them; the backlog waits in Postgres.\n",
        "\n## Storage\n\n",
        f"Kept {figures['storage']['days_kept']} days: {day.stored_gb / 1000:,.1f} TB, in {figures['storage']['copies']} regions. "
        "What a day adds is uploaded straight to the bucket and read through its private endpoint: no NAT gateway is paid.\n",
        "\n## Money a day\n\n",
        _table(
            ("", "money a day", "share"),
            [
                *((name, f"{money:,.2f}", f"{money / day.total:.0%}") for name, money in day.money.items()),
                ("**all**", f"**{day.total:,.2f}**", ""),
                ("an hour of video", f"{day.total / load['hours_a_day']:,.3f}", ""),
            ],
        ),
        "\n## What is not in it\n\nPeople, support contracts, monitoring, the cluster's own price, traffic between zones, the weekly training "
        "(minutes), failed attempts. Spot machines are taken away: a step that is cut off is done again, its finished assets are not.\n",
    ]
    return "".join(parts)


def _from(stage: str, figures: Figures) -> str:
    names = {
        "speech": ("speech",),
        "sound": ("sound",),
        "vision": ("decode", "vision"),
        "rendering": ("encode", "clip"),
        "starting pods": ("pod",),
    }[stage]
    return "; ".join(
        f"{'measured' if figures[name]['measured'] else '**not measured**'}: {figures[name]['note']}" for name in names
    )


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours else ""


def _node(pool: str, figures: Figures) -> str:
    of = figures["pools"][pool]
    size = {"gpu": "a GPU, {cores} cores", "worker": "{cores} cores", "web": "serving"}[pool].format(**of)
    return f"{size}, {of['price_an_hour']:g} an hour"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
