"""Changes that are no hard cut: another slide, a line more on it, one scene dissolving into the next.

Pure questions about what was on display when (see `looks`): each gives the time at which something new began, or None.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from clip_platform.vision.looks import Look, Looks, is_drawn, is_shifted, tile_changes

if TYPE_CHECKING:
    import numpy as np

CALM_S = Fraction(3, 10)
"""How long a graphic has to stand still before and after a change."""
CHANGE_S = Fraction(1, 2)
"""How long the change may take: a line that fades in, a slide that is pushed aside."""
SLIDE_SPAN_S = 2 * CALM_S + CHANGE_S
CALM_LEVELS, CHANGED_LEVELS = 2.0, 4.0
"""Mean absolute difference of a tile: an encoder's key frame changes text by less than the first."""
LEAST_CHANGED_TILES = 3
LEAST_CHANGED_INK = 0.28
"""Change over all calm tiles, in grey levels per pixel of the whole picture. A pointer that jumps makes 0.1 to 0.2, a
typed letter 0.05; a line of three words 0.5 and more."""
LEAST_CALM_SHARE = 0.4
"""Of the picture: beside a speaker's picture the slide still fills as much."""

DISSOLVE_SPANS_S = (Fraction(3, 5), Fraction(6, 5), Fraction(12, 5))
"""Stretches in which a dissolve may lie whole: the shorter, the less the scenes themselves have moved meanwhile."""
LEAST_DISSOLVE_CHANGE = 10.0
MOST_DISSOLVE_LIKENESS = 0.6
MOST_RESIDUAL = 0.3
SETTLED_SHARE, MIXED_SHARE = 0.12, 0.2
LEAST_MIXED_S = Fraction(3, 20)
_MIX_SIZE = (32, 18)


def slide_change(looks: Looks, now_s: Fraction) -> Fraction | None:
    """When a graphic on display changed between two calm stretches that end at `now_s`: another slide or window, or a
    new line. A pointer, typing, and all that moves beside the graphic (a speaker's picture) is no change.
    """
    after_s, before_s, earliest_s = now_s - CALM_S, now_s - CALM_S - CHANGE_S, now_s - SLIDE_SPAN_S
    earliest, before, after, now = map(looks.on_display, (earliest_s, before_s, after_s, now_s))
    if earliest is None or before is None or after is None or now is None or before is after:
        return None
    changes = tile_changes(before, after)
    if float(changes.sum()) < LEAST_CHANGED_INK * changes.size:
        return None
    calm = (tile_changes(earliest, before) < CALM_LEVELS) & (tile_changes(after, now) < CALM_LEVELS)
    if not _is_enough(changes, calm):
        return None
    for look in looks.between(earliest_s, now_s):
        if look.time_s <= before.time_s:
            calm &= tile_changes(look, before) < CALM_LEVELS
        elif look.time_s >= after.time_s:
            calm &= tile_changes(after, look) < CALM_LEVELS
    if not _is_enough(changes, calm) or not _is_graphic(before, after, calm):
        return None
    changed = calm & (changes > CHANGED_LEVELS)
    return _when(looks, before, after, changed)


def _is_enough(changes: np.ndarray, calm: np.ndarray) -> bool:
    changed = calm & (changes > CHANGED_LEVELS)
    ink = float(changes[changed].sum()) / changes.size
    return int(changed.sum()) >= LEAST_CHANGED_TILES and ink >= LEAST_CHANGED_INK


def _is_graphic(before: Look, after: Look, calm: np.ndarray) -> bool:
    """Drawn, and still for the most part."""
    return float(calm.mean()) >= LEAST_CALM_SHARE and is_drawn(before) and is_drawn(after)


def _when(looks: Looks, before: Look, after: Look, changed: np.ndarray) -> Fraction | None:
    """The first picture nearer to the new state than to the old one."""
    for look in looks.between(before.time_s, after.time_s):
        old, new = tile_changes(before, look)[changed].sum(), tile_changes(look, after)[changed].sum()
        if new <= old:
            return look.time_s
    return None


def is_between_graphics(looks: Looks, before: Look, first: Look, now_s: Fraction) -> bool:
    """Whether a cut leads from one graphic that stood still to another that does."""
    earlier, now = looks.on_display(before.time_s - CALM_S), looks.on_display(now_s)
    still_before = tile_changes(earlier or before, before) < CALM_LEVELS
    still_after = tile_changes(first, now or first) < CALM_LEVELS
    return _is_graphic(before, first, still_before & still_after)


def dissolve(looks: Looks, now_s: Fraction, span_s: Fraction) -> Fraction | None:
    """When one scene had half given way to another, if it did so gradually within the last `span_s` seconds.

    Between the two, every picture is a mixture of both (its residual is small), and the share of the new one rises. A
    change of light is none: the picture stays like itself. Nor is a camera move: its pictures are no mixtures.
    """
    import cv2
    import numpy as np

    before, after = looks.on_display(now_s - span_s), looks.on_display(now_s)
    if before is None or after is None or before is after:
        return None
    if cv2.norm(before.grey, after.grey, cv2.NORM_L1) < LEAST_DISSOLVE_CHANGE * after.grey.size:
        return None
    start, end = _mixable(before), _mixable(after)
    way = end - start
    if float(np.abs(way).mean()) < LEAST_DISSOLVE_CHANGE or _likeness(start, end) > MOST_DISSOLVE_LIKENESS:
        return None
    middle = looks.between(before.time_s, after.time_s)
    mixtures = np.stack([_mixable(look) for look in middle]) - start
    length = float((way * way).sum())
    shares = (mixtures * way).sum(axis=(1, 2)) / length
    residuals = np.sqrt(((mixtures - shares[:, None, None] * way) ** 2).sum(axis=(1, 2)) / length)
    if residuals.max() > MOST_RESIDUAL:
        return None
    half_way = _half_way(middle, shares)
    if half_way is None or is_shifted(before.grey, half_way.grey) or is_shifted(half_way.grey, after.grey):
        return None
    return half_way.time_s


def _half_way(looks: list[Look], shares: np.ndarray) -> Look | None:
    mixed = [look for look, share in zip(looks, shares, strict=True) if MIXED_SHARE < share < 1 - MIXED_SHARE]
    if len(mixed) < 2 or mixed[-1].time_s - mixed[0].time_s < LEAST_MIXED_S:
        return None
    at_rest = max(2, len(shares) // 10)
    if abs(shares[:at_rest]).max() > SETTLED_SHARE or abs(1 - shares[-at_rest:]).max() > SETTLED_SHARE:
        return None
    return next(look for look, share in zip(looks, shares, strict=True) if share >= 0.5)


def _mixable(look: Look) -> np.ndarray:
    """float32 grey, small enough that what moves a little stays in its place."""
    import cv2

    return cv2.resize(look.grey, _MIX_SIZE, interpolation=cv2.INTER_AREA).astype("float32")


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Normalised cross-correlation, -1..1; 1 when either is flat, because then only the light changes."""
    one, other = first - first.mean(), second - second.mean()
    norm = float((one * one).sum() * (other * other).sum()) ** 0.5
    return float((one * other).sum()) / norm if norm > 1.0 else 1.0
