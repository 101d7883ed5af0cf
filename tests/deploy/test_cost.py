"""docs/cost.md is what its figures give, and the cluster has room for it."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

from deploy.check import manifests
from deploy.cost.__main__ import PAGE
from deploy.cost.model import read_figures, work_out
from deploy.cost.page import written


@pytest.fixture
def figures() -> dict[str, Any]:
    return deepcopy(dict(read_figures()))


def test_the_page_is_what_the_figures_give(figures: dict[str, Any]) -> None:
    assert PAGE.read_text() == written(figures, work_out(figures)), "run python -m deploy.cost"


def test_a_day_worked_out_by_hand(figures: dict[str, Any]) -> None:
    day = work_out(figures)

    hours = {stage.name: stage.core_hours + stage.gpu_hours for stage in day.stages}
    assert day.videos == pytest.approx(1000 * 60 / 45)
    assert hours["speech"] == pytest.approx(1000 / figures["speech"]["times_real_time"])
    assert hours["vision"] == pytest.approx(1000 * 0.225 * 1.516)
    assert hours["rendering"] == pytest.approx(1000 * 10 * 30 / 3600 * 0.727 * 1.25)
    assert day.total == pytest.approx(sum(day.money.values()))


@pytest.mark.parametrize(
    ("table", "name"), [("load", "hours_a_day"), ("decode", "cpu_s_a_second"), ("load", "clips_an_hour")]
)
def test_more_of_it_costs_more(table: str, name: str, figures: dict[str, Any]) -> None:
    before = work_out(figures).total
    figures[table][name] *= 2

    assert work_out(figures).total > before


def test_twice_the_video_is_twice_the_work(figures: dict[str, Any]) -> None:
    before = [stage.core_hours + stage.gpu_hours for stage in work_out(figures).stages]
    figures["load"]["hours_a_day"] *= 2

    after = [stage.core_hours + stage.gpu_hours for stage in work_out(figures).stages]
    assert after == pytest.approx([2 * hours for hours in before])


def test_the_node_pools_have_room_for_the_busiest_hour(figures: dict[str, Any]) -> None:
    file = manifests.KUBERNETES / "components" / "aws" / "node-pools.yaml"
    pools = {
        one["metadata"]["name"]: one["spec"]
        for one in yaml.safe_load_all(file.read_text())
        if one["kind"] == "NodePool"
    }
    needed = {pool.name: pool.nodes_at_once for pool in work_out(figures).pools}

    assert needed["gpu"] <= int(pools["gpu"]["limits"]["nvidia.com/gpu"])
    assert needed["worker"] * figures["pools"]["worker"]["cores"] <= int(pools["worker"]["limits"]["cpu"])
