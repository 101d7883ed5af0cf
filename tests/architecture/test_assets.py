"""Asks the asset graph, so that nobody has to remember."""

import subprocess
import sys

import dagster as dg
import pytest

from clip_platform.cli.display import STAGE_ASSETS
from clip_platform.definitions import build_definitions
from clip_platform.jobs import LEARNING, STEPS

MADE = sorted([key for step in STEPS for key in step.keys])


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


LEARNED = sorted(asset.key for asset in LEARNING)


@pytest.mark.parametrize("key", [*MADE, *LEARNED], ids=lambda key: key.to_user_string())
def test_every_asset_says_what_it_is_and_whose(definitions: dg.Definitions, key: dg.AssetKey) -> None:
    node = definitions.resolve_asset_graph().get(key)

    assert node.description
    assert node.group_name != "default"
    assert node.owners
    assert node.kinds
    assert node.code_version


def test_every_asset_of_a_video_has_a_check_in_its_step(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    without = {key.to_user_string() for key in MADE if not graph.get(key).check_keys}

    # what these assets say about a clip is data, not a verdict on a run; the upload is judged by `media_info`
    assert without <= {"uploaded_video", "media_info", "clip_packages"}


def test_bars_and_asset_graph_name_the_same_assets() -> None:
    graph = {step.op.name: {key.to_user_string() for key in step.keys} for step in STEPS}

    assert {stage: set(assets) for stage, assets in STAGE_ASSETS.items()} == graph


def test_the_job_runs_one_step_a_stage(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("process_video")

    assert {node.name for node in job.nodes} == set(STAGE_ASSETS)


def test_loading_the_code_location_loads_nothing_heavy() -> None:
    heavy = ["torch", "nemo", "mlflow", "cv2", "pandas", "dagster_k8s", "scenedetect", "matplotlib", "lightgbm"]
    code = f"""
import sys
from clip_platform.definitions import build_definitions
build_definitions()
print([name for name in {heavy!r} if name in sys.modules])
"""

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"
