"""Cores, GPUs, nodes, bytes and money of a day, from the figures of `figures.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("figures.toml")
_DAYS_A_MONTH = 30.0

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage takes of a day's load."""

    name: str
    pool: str
    core_hours: float = 0.0
    gpu_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes of one kind: hours of them in a day, and how many there are in the busiest hour."""

    name: str
    node_hours: float
    nodes_at_once: int
    money: float


@dataclass(frozen=True, slots=True)
class Day:
    """Money is in the currency of the figures' prices."""

    videos: float
    stages: tuple[Stage, ...]
    pools: tuple[Pool, ...]
    stored_gb: float
    steps: float
    runs_in_the_busiest_hour: float
    money: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.money.values())


def read_figures(path: Path = FIGURES) -> Figures:
    return tomllib.loads(path.read_text())


def work_out(figures: Figures) -> Day:
    load = figures["load"]
    video_s = load["hours_a_day"] * 3600
    videos = video_s / (load["video_minutes"] * 60)
    clip_s = load["hours_a_day"] * load["clips_an_hour"] * load["clip_s"]
    vision_cpu_s = video_s * figures["decode"]["cpu_s_a_second"] * figures["vision"]["over_decode"]
    encode_cpu_s = clip_s * figures["encode"]["cpu_s_a_clip_second"] * figures["clip"]["over_encode"]
    start_cpu_s = videos * figures["steps"]["a_video"] * figures["pod"]["start_cpu_s"]
    stages = (
        Stage("speech", "gpu", gpu_hours=video_s / figures["speech"]["times_real_time"] / 3600),
        Stage("sound", "gpu", video_s / figures["sound"]["times_real_time"] / 3600),
        Stage("vision", "gpu", vision_cpu_s / 3600),
        Stage("rendering", "worker", encode_cpu_s / 3600),
        Stage("starting pods", "worker", start_cpu_s / 3600),
    )
    pools = (_pool("worker", stages, figures), _pool("gpu", stages, figures), _serving(figures))
    stored_gb, clips_gb = (
        _gigabytes(video_s, load["megabit_a_second"]),
        _gigabytes(clip_s, figures["clip_size"]["megabit_a_second"]),
    )
    kept_gb = (stored_gb + clips_gb) * figures["storage"]["days_kept"]
    storage = figures["storage"]
    money = {f"{pool.name} nodes": pool.money for pool in pools} | {
        "objects": kept_gb * storage["copies"] * storage["price_gb_month"] / _DAYS_A_MONTH,
        "database": storage["database_price_month"] / _DAYS_A_MONTH,
        "queue": storage["queue_price_month"] / _DAYS_A_MONTH,
        "delivery": clips_gb * storage["delivered_share"] * storage["price_gb_out"],
    }
    return Day(
        videos=videos,
        stages=stages,
        pools=pools,
        stored_gb=kept_gb,
        steps=videos * figures["steps"]["a_video"],
        runs_in_the_busiest_hour=videos * load["busiest_hour_share"],
        money=money,
    )


def _pool(name: str, stages: tuple[Stage, ...], figures: Figures) -> Pool:
    """Nodes come and go with their work, so a day costs its hours of work."""
    pool = figures["pools"][name]
    core_hours = sum(stage.core_hours for stage in stages if stage.pool == name)
    gpu_hours = sum(stage.gpu_hours for stage in stages if stage.pool == name)
    # a pod that has a node's only GPU has the node: what it computes on cores meanwhile holds the GPU too
    node_hours = (core_hours / pool["cores"] / figures["steps"]["use"]) + gpu_hours
    at_once = math.ceil(node_hours * figures["load"]["busiest_hour_share"])
    return Pool(name, node_hours, at_once, node_hours * pool["price_an_hour"])


def _serving(figures: Figures) -> Pool:
    web = figures["pools"]["web"]
    return Pool("web", web["nodes"] * 24.0, web["nodes"], web["nodes"] * 24.0 * web["price_an_hour"])


def _gigabytes(seconds: float, megabit_a_second: float) -> float:
    return seconds * megabit_a_second / 8 / 1000
