"""Simulated worlds, in which the truth is known: what clips are worth, and how tenants and viewers respond.

A world has tenants of Zipf sizes with audiences of their own, a hidden utility (with interactions, with tastes by
tenant, and with a part that no feature can see), reviewers who look at the top and are swayed by the score they see,
viewers in heavy-tailed numbers who come by position, and feedback that is complete only after weeks. Worlds are
invented: they tell which way is better, not how good it is for real viewers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from clip_platform.ml.baseline import heuristic_values
from clip_platform.ml.examples import FEATURE_NAMES, NO_DECISION, PUBLISHED, SIGNALS, Examples
from clip_platform.scoring.features import feature_digest

START = np.datetime64("2026-01-01", "D")
DELAY_DAYS = 7.0
"""Views come in with this time constant after a clip was made."""
FEATURE_COUNT = len(FEATURE_NAMES)
_FACTORS = 6
_UNSEEN = 0.9
_FLAGS = ("starts_topic", "ends_topic", "opens_with_question", "hook_number", "hook_you", "hook_strong")
_UNITS: dict[str, tuple[float, float, float, float]] = {
    "duration_s": (30, 10, 8, 90), "topic_share": (0.85, 0.15, 0, 1), "pause_before_s": (0.7, 0.5, 0, 3),
    "pause_after_s": (0.7, 0.5, 0, 3), "start_leaning": (0.25, 0.25, 0, 1), "end_open": (0.25, 0.25, 0, 1),
    "sentence_count": (7, 3, 1, 30), "questions_per_min": (1.5, 1.2, 0, 12), "number_share": (0.02, 0.02, 0, 0.3),
    "you_share": (0.03, 0.02, 0, 0.3), "first_person_share": (0.05, 0.03, 0, 0.3),
    "strong_share": (0.02, 0.015, 0, 0.2),
    "filler_share": (0.03, 0.025, 0, 0.3), "content_share": (0.45, 0.07, 0, 1), "repeated_share": (0.25, 0.12, 0, 1),
    "word_confidence": (0.85, 0.1, 0, 1), "words_per_s": (2.7, 0.6, 0.3, 6), "hook_words_per_s": (2.3, 0.8, 0, 6),
    "speech_share": (0.82, 0.12, 0, 1), "longest_pause_s": (1.3, 0.8, 0, 8), "turns_per_min": (2.0, 1.5, 0, 20),
    "energy_rel_db": (0, 2, -12, 12), "energy_spread_db": (5, 1.8, 0, 20), "hook_energy_rel_db": (0, 2.5, -12, 12),
    "pitch_spread_st": (2.8, 1.0, 0, 10), "flux_rel": (1, 0.2, 0, 4), "face_height_share": (0.17, 0.08, 0, 0.9),
    "cuts_per_min": (5, 4, 0, 60),
}  # fmt: skip
"""Middle, spread and bounds in the feature's unit; shares that are not here lie around a half."""
_USUAL = (0.5, 0.22, 0.0, 1.0)

Policy = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From features (n, f), tenant (n,) int and heuristic (n,) to the scores that clips are shown by."""


@dataclass(frozen=True, slots=True)
class World:
    """What stays the same: tenants and their audiences. Arrays are (tenants,) or (tenants, features)."""

    sizes: np.ndarray
    watching: np.ndarray
    liking: np.ndarray
    clicking: np.ndarray
    reach: np.ndarray
    strictness: np.ndarray
    tastes: np.ndarray
    offsets: np.ndarray
    mixing: np.ndarray

    @property
    def tenants(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True, slots=True)
class Clips:
    """Made clips, all clips of a video together. `utility` is what they are worth, `visible` what of it features show.

    `day` is (n,) float since `START`; `tenant` and `video` are int indices.
    """

    features: np.ndarray
    heuristic: np.ndarray
    tenant: np.ndarray
    video: np.ndarray
    day: np.ndarray
    utility: np.ndarray
    visible: np.ndarray
    names: str = field(default="v")

    def __len__(self) -> int:
        return len(self.video)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of clips in the end, (n,) each: decisions as in `examples`, counters as totals over all time."""

    decision: np.ndarray
    explored: np.ndarray
    position: np.ndarray
    impressions: np.ndarray
    views: np.ndarray
    completions: np.ndarray
    likes: np.ndarray
    shares: np.ndarray
    saves: np.ndarray


def make_world(seed: int, tenants: int = 40) -> World:
    random = np.random.default_rng([seed, 1])
    sizes = 1 / np.arange(1, tenants + 1)
    tastes = np.zeros((tenants, FEATURE_COUNT))
    tasted = random.permutation(FEATURE_COUNT)[:14]
    tastes[:, tasted] = random.normal(0, 0.10, (tenants, 14))
    return World(
        sizes=sizes / sizes.sum(),
        watching=random.normal(-0.5, 0.6, tenants),
        liking=random.normal(-3.7, 0.5, tenants),
        clicking=random.normal(-1.2, 0.4, tenants),
        reach=np.clip(random.normal(6.2, 1.1, tenants), 3.8, 9.0),
        strictness=random.normal(0, 0.4, tenants),
        tastes=tastes,
        offsets=random.normal(0, 0.35, (tenants, FEATURE_COUNT)),
        mixing=random.normal(0, 0.35, (_FACTORS, FEATURE_COUNT)),
    )


@dataclass(frozen=True, slots=True)
class Drift:
    """From `day` on: `inputs` as if cameras and loudness had changed, `tastes` as if viewers had."""

    day: float = np.inf
    inputs: bool = False
    tastes: bool = False


def make_clips(
    world: World,
    videos: int,
    seed: int,
    *,
    days: tuple[float, float] = (0.0, 300.0),
    drift: Drift | None = None,
    tenants: np.ndarray | None = None,
) -> Clips:
    """Clips of `videos` videos, 8 to 20 each, made evenly over `days` by `tenants` (all of them by their sizes)."""
    drift = drift or Drift()
    random = np.random.default_rng([seed, 2])
    of_video = (
        random.choice(world.tenants, videos, p=world.sizes) if tenants is None else random.choice(tenants, videos)
    )
    made = np.sort(random.uniform(*days, videos))
    video = np.repeat(np.arange(videos), random.integers(8, 21, videos))
    tenant, day, n = of_video[video], made[video], len(video)
    latent = world.offsets[tenant] + random.normal(0, 0.5, (videos, FEATURE_COUNT))[video]
    latent += random.normal(0, 1, (n, _FACTORS)) @ world.mixing + random.normal(0, 0.75, (n, FEATURE_COUNT))
    latent /= 1.25
    changed = day >= drift.day
    if drift.inputs:
        for name, shift in (("energy_spread_db", 0.5), ("face_share", 0.4), ("slide_share", 0.6)):
            latent[changed, FEATURE_NAMES.index(name)] += shift
    visible = _visible(latent, changed & drift.tastes) + np.einsum("nf,nf->n", latent, world.tastes[tenant])
    visible -= 0.5 * (np.bincount(video, visible) / np.bincount(video))[video]
    features = in_units(latent)
    return Clips(
        features=features,
        heuristic=heuristic_values(features),
        tenant=tenant,
        video=video,
        day=day,
        utility=visible + random.normal(0, _UNSEEN, n),
        visible=visible,
        names=f"v{seed}x",
    )


def in_units(latent: np.ndarray) -> np.ndarray:
    """(n, f) float32 features in their units, from standard-normal ones."""
    features = np.empty(latent.shape, np.float32)
    for column, name in enumerate(FEATURE_NAMES):
        if name in _FLAGS:
            features[:, column] = latent[:, column] > 0.5
        else:
            middle, spread, low, high = _UNITS.get(name, _USUAL)
            features[:, column] = np.clip(middle + spread * latent[:, column], low, high)
    return features


def _visible(latent: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """The part of utility that features show, for the usual viewer; `changed`: after tastes have drifted."""

    def of(name: str) -> np.ndarray:
        return latent[:, FEATURE_NAMES.index(name)]

    later = changed.astype(float)
    asks, leans, is_open = of("opens_with_question") > 0.5, of("start_leaning"), of("end_open")
    worth = 0.22 * asks - 0.15 * leans - 0.13 * is_open - 0.22 * leans * (is_open > 0)
    worth += (0.36 - 0.36 * later) * np.tanh(1.5 * of("hook_energy_rel_db")) + 0.26 * of("hook_strong")
    worth += (0.08 + 0.38 * later) * of("energy_spread_db") - 0.26 * (of("duration_s") - 0.3 + 0.6 * later) ** 2
    worth += 0.24 * of("face_share") * of("cuts_per_min") + 0.12 * of("speaker_share") - 0.14 * of("filler_share")
    worth -= 0.24 * np.maximum(of("longest_pause_s"), 0) + 0.15 * np.abs(of("words_per_s") - 0.4)
    worth += 0.2 * of("strong_share") * (of("centrality") > 0) + 0.2 * of("repeated_share")
    worth += (
        0.24 * of("content_share")
        + 0.2 * of("first_person_share")
        - 0.14 * of("position_share")
        + 0.12 * of("pitch_spread_st")
    )
    return worth + (0.05 + 0.25 * later) * of("slide_share") + 0.16 * of("turns_per_min")


def show(
    world: World, clips: Clips, seed: int, *, policy: Policy | None = None, explored: np.ndarray | float = 0.1
) -> Outcomes:
    """Reviewers and viewers respond to clips in the order of `policy` (the heuristic's, without one).

    Args:
        explored: (n,) bool, or a share of videos by chance: shown in random order, without scores.
    """
    random = np.random.default_rng([seed, 3])
    n = len(clips)
    score = clips.heuristic if policy is None else policy(clips.features, clips.tenant, clips.heuristic)
    chance = random.random(int(clips.video[-1]) + 1)
    free = (chance < explored)[clips.video] if isinstance(explored, float) else explored
    position = np.where(free, ranks(random.random(n), clips.video), ranks(score, clips.video))
    decision = _decide(world, clips, random, score, free, position)
    published = decision == PUBLISHED
    counters = _watch(world, clips, random, position, published)
    return Outcomes(decision.astype(np.int8), free, position, **counters)


def _decide(
    world: World,
    clips: Clips,
    random: np.random.Generator,
    score: np.ndarray,
    explored: np.ndarray,
    position: np.ndarray,
) -> np.ndarray:
    """Reviewers look at the top, lean towards a score they see, and publish most of what they take."""
    n = len(clips)
    seen_score = np.where(explored, 0.0, (score - score.mean()) / max(float(score.std()), 1e-9))
    looked = random.random(n) < _logistic((7 - position) / 1.5)
    liked = 0.55 * clips.utility + 0.35 * seen_score + random.normal(0, 0.9, n) - world.strictness[clips.tenant]
    accepted, edited = looked & (liked > -0.1), looked & (liked <= -0.1) & (liked > -0.5)
    published = (accepted & (random.random(n) < 0.9)) | (edited & (random.random(n) < 0.6))
    return np.select([published, accepted, edited, looked], [PUBLISHED, 2, 1, 0], NO_DECISION)


def _watch(
    world: World, clips: Clips, random: np.random.Generator, position: np.ndarray, published: np.ndarray
) -> dict[str, np.ndarray]:
    n, tenant, utility = len(clips), clips.tenant, clips.utility
    videos = int(clips.video[-1]) + 1
    fame, holding = random.normal(0, 0.8, videos)[clips.video], random.normal(0, 0.45, videos)[clips.video]
    tail = 0.8 * np.clip(random.standard_t(3, n), -4, 7)
    reach = world.reach[tenant] + fame + 0.25 * utility - 0.55 * np.log2(position + 1) + tail
    impressions = np.where(published, random.poisson(np.clip(np.exp(reach), 0, 5e7)), 0)
    views = random.binomial(impressions, _logistic(world.clicking[tenant] + 0.35 * utility + random.normal(0, 0.3, n)))
    length = (clips.features[:, FEATURE_NAMES.index("duration_s")] - 30) / 10
    to_end = world.watching[tenant] + holding + 0.45 * utility - 0.5 * length + random.normal(0, 0.35, n)
    share = np.clip(_logistic(to_end), 1e-3, 1 - 1e-3)
    completions = random.binomial(views, random.beta(60 * share, 60 * (1 - share)))

    def counted(usual: np.ndarray, slope: float) -> np.ndarray:
        expected = views * np.exp(usual + slope * utility + random.normal(0, 0.4, n))
        return random.poisson(np.clip(expected, 0, 1e8))

    liking = world.liking[tenant]
    return {
        "impressions": impressions, "views": views, "completions": completions, "likes": counted(liking, 0.6),
        "shares": counted(liking - 1.4, 0.8), "saves": counted(liking - 1.4, 0.7),
    }  # fmt: skip


def examples_of(clips: Clips, outcomes: Outcomes, as_of: float = np.inf, seed: int = 0) -> Examples:
    """The examples that `build_examples` makes of these clips' rows, by what had come in on day `as_of`."""
    age = np.maximum(as_of - clips.day, 0)
    arrived = np.where(np.isinf(age), 1.0, 1 - np.exp(-age / DELAY_DAYS))
    random = np.random.default_rng([seed, 4])

    def so_far(total: np.ndarray) -> np.ndarray:
        return random.binomial(total, arrived).astype(float)

    impressions, views = so_far(outcomes.impressions), so_far(outcomes.views)
    views = np.minimum(views, impressions)
    counts = [np.minimum(so_far(outcomes.completions), views), views]
    counts += [so_far(getattr(outcomes, name)) for name in ("likes", "shares", "saves")]
    trials = [views, impressions, views, views, views]
    made = clips.day.astype(np.int64)
    return Examples(
        tenant=np.char.add("t", np.char.zfill(clips.tenant.astype(str), 4)),
        video=np.char.add(clips.names, np.char.zfill(clips.video.astype(str), 7)),
        clip=np.char.add(clips.names, np.char.zfill(np.arange(len(clips)).astype(str), 8)),
        made_on=START + made.astype("timedelta64[D]"),
        features=clips.features,
        heuristic=clips.heuristic,
        explored=outcomes.explored,
        decision=np.where(clips.day <= as_of, outcomes.decision, NO_DECISION).astype(np.int8),
        counts=np.stack(counts, axis=1)[:, : len(SIGNALS)],
        trials=np.stack(trials, axis=1)[:, : len(SIGNALS)],
        feature_digest=feature_digest(),
    )


def ranks(score: np.ndarray, video: np.ndarray) -> np.ndarray:
    """(n,) 1 for the best of its video, 2 for the next; all clips of a video lie together."""
    order = np.lexsort((-score, video))
    starts = np.r_[0, np.flatnonzero(np.diff(video)) + 1]
    sizes = np.diff(np.r_[starts, len(video)])
    found = np.empty(len(video), int)
    found[order] = np.arange(len(video)) - np.repeat(starts, sizes) + 1
    return found


def _logistic(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))
