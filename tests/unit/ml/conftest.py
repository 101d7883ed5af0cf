"""One small world and one model of it for all tests here; nothing changes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from clip_platform.ml.examples import Examples
from clip_platform.ml.model import EngagementModel, train
from clip_platform.ml.simulate import START, Clips, World, examples_of, make_clips, make_world, show

AS_OF = START + np.timedelta64(120, "D")


@dataclass(frozen=True)
class Learned:
    """A world, what was learned from 150 days of it, and clips of the month after."""

    world: World
    examples: Examples
    model: EngagementModel
    fresh: Clips
    fresh_examples: Examples


@pytest.fixture(scope="session")
def learned() -> Learned:
    world = make_world(1)
    clips = make_clips(world, 300, 11, days=(0, 110))
    examples = examples_of(clips, show(world, clips, 11), as_of=120)
    fresh = make_clips(world, 150, 12, days=(120, 150))
    later = examples_of(fresh, show(world, fresh, 12), as_of=160)
    return Learned(world, examples, train(examples, as_of=AS_OF, seed=1, version="1"), fresh, later)
