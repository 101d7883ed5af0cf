"""The cold-start scorer: documented points for documented reasons, until enough is known to train a model.

Where a clip starts in the video is not among its reasons: good moments come late as often as early. Weights are
judgement (hook in the first seconds, a complete thought, pace, a face to look at), not fitted to any data.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from clip_platform.errors import FeatureMismatch
from clip_platform.scoring.features import ClipFeatures, feature_digest
from clip_platform.scoring.scorer import ClipScore, ClipScores, Contribution

MODEL = "heuristic-1"
BASELINE = 50.0
"""The score of a clip about which nothing is known."""
REASONS = 3
_LEAST_POINTS = 0.25


@dataclass(frozen=True, slots=True)
class Shape:
    """From a feature's value to -1 (bad) .. 0 (says nothing) .. 1 (good): linear between knots, level beyond them.

    `at` are the knots' values, rising, and `worth` what they are worth, so that many clips are judged at once from the
    same numbers (`ml.baseline`).
    """

    at: tuple[float, ...]
    worth: tuple[float, ...]

    def __call__(self, value: float) -> float:
        after = bisect_right(self.at, value)
        if after in (0, len(self.at)):
            return self.worth[max(after - 1, 0)]
        (low, high), (worst, best) = self.at[after - 1 : after + 1], self.worth[after - 1 : after + 1]
        return worst + (best - worst) * (value - low) / (high - low)


def _through(*knots: tuple[float, float]) -> Shape:
    at, worth = zip(*sorted(knots), strict=True)
    return Shape(at, worth)


def rising(worst: float, best: float) -> Shape:
    """-1 at `worst` and beyond, 1 at `best` and beyond, linear between; `worst` may be the larger one."""
    return _through((worst, -1.0), (best, 1.0))


def bonus(full: float) -> Shape:
    """0 at 0, 1 at `full` and beyond: good when there, no loss when not."""
    return _through((0.0, 0.0), (full, 1.0))


def penalty(free: float, full: float) -> Shape:
    """0 up to `free`, -1 at `full` and beyond; `free` may be the larger one."""
    return _through((free, 0.0), (full, -1.0))


def expected(worst: float, best: float, gain: float = 0.35) -> Shape:
    """As `rising`, with its good half scaled by `gain`: what most talks have earns little, its lack costs fully."""
    return _through((worst, -1.0), ((worst + best) / 2, 0.0), (best, gain))


def between(low: float, best_low: float, best_high: float, high: float, gain: float = 0.35) -> Shape:
    """`gain` within the best range, -1 at `low` and `high` and beyond, linear to 0 half-way."""
    return _through(
        (low, -1.0),
        ((low + best_low) / 2, 0.0),
        (best_low, gain),
        (best_high, gain),
        ((best_high + high) / 2, 0.0),
        (high, -1.0),
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """One feature's part in a score: at most `points` either way, times its shape.

    `praise` and `complaint` are for people; `{value}` is the value, `{percent}` the value in percent.
    """

    feature: str
    points: float
    shape: Shape
    praise: str
    complaint: str


RULES: tuple[Rule, ...] = (
    # the first three seconds
    Rule("opens_with_question", 8, bonus(1), "opens with a question", ""),
    Rule("hook_number", 4, bonus(1), "a number in the first 3 s", ""),
    Rule("hook_you", 4, bonus(1), "speaks to the viewer in the first 3 s", ""),
    Rule("hook_strong", 4, bonus(1), "a strong word in the first 3 s", ""),
    Rule("hook_words_per_s", 4, expected(0.3, 3.0), "starts without delay", "starts slowly"),
    Rule("hook_energy_rel_db", 3, rising(-5, 5), "starts with energy", "starts quietly"),
    Rule("hook_face_share", 3, expected(0, 1), "a face from the first second", "no face in the first 3 s"),
    # a complete thought
    Rule("start_leaning", 14, penalty(0, 1), "", "its first sentence leans on what came before"),
    Rule("end_open", 9, penalty(0, 1), "", "ends before the thought does"),
    Rule("topic_share", 6, expected(0.5, 1.0), "stays with one subject", "changes the subject"),
    Rule("repeated_share", 3, expected(-0.1, 0.4), "keeps to its point", "jumps between points"),
    Rule("starts_topic", 4, bonus(1), "opens a new subject", ""),
    Rule("ends_topic", 3, bonus(1), "ends where its subject does", ""),
    Rule("pause_after_s", 2, bonus(1), "ends on a pause", ""),
    # how it is said
    Rule(
        "words_per_s", 5, between(1.0, 2.2, 3.6, 5.0), "good pace, {value:.1f} words/s", "pace of {value:.1f} words/s"
    ),
    Rule("longest_pause_s", 6, penalty(1.2, 4.0), "", "a pause of {value:.1f} s in it"),
    Rule("speech_share", 4, expected(0.5, 0.95), "speech {percent} of the time", "speech only {percent} of the time"),
    Rule("energy_rel_db", 3, rising(-4, 4), "livelier than the rest", "quieter than the rest"),
    Rule("energy_spread_db", 3, rising(1, 9), "lively voice", "even voice"),
    Rule("pitch_spread_st", 3, rising(0.5, 5.5), "varied melody of speech", "monotonous melody of speech"),
    # what is said
    Rule("number_share", 3, bonus(0.06), "concrete numbers", ""),
    Rule("you_share", 3, bonus(0.06), "speaks to the viewer", ""),
    Rule("strong_share", 3, bonus(0.04), "strong words", ""),
    Rule("filler_share", 5, penalty(0.02, 0.12), "", "filler words, {percent}"),
    Rule("centrality", 3, expected(0.2, 0.7), "at the heart of its subject", "beside its subject"),
    Rule("word_confidence", 4, penalty(0.9, 0.4), "", "words heard with {percent} confidence"),
    # what is seen
    Rule(
        "speaker_share",
        6,
        expected(0.2, 1.0),
        "speaker on screen {percent} of the time",
        "speaker on screen only {percent} of the time",
    ),
    Rule(
        "face_share",
        4,
        expected(0.1, 0.9),
        "a face on screen {percent} of the time",
        "a face on screen only {percent} of the time",
    ),
    Rule("face_height_share", 3, rising(0.05, 0.3), "close to the speaker", "far from the speaker"),
    Rule("cuts_per_min", 3, between(-6, 2, 12, 30), "changes of picture", "{value:.0f} cuts a minute"),
    Rule("slide_share", 4, penalty(0.4, 1.0), "", "slides {percent} of the time"),
    # length
    Rule("duration_fit", 4, rising(0, 1), "good length", "nearly the shortest or longest length asked for"),
)


class HeuristicScorer:
    """Scores by `RULES`: baseline plus points, drawn in smoothly towards 0 and 100 so that the best stay apart."""

    @property
    def model(self) -> str:
        return MODEL

    def score(self, features: ClipFeatures) -> ClipScores:
        """
        Raises:
            FeatureMismatch: the features were computed by other code than these rules were written for.
        """
        if features.digest != feature_digest():
            raise FeatureMismatch(
                f"{MODEL} reads features {feature_digest()} and was given {features.digest}; "
                "materialise clip_features again with this version (run tag recompute=true)"
            )
        rows = [_contributions(features, row) for row in range(len(features.candidate_ids))]
        usual = [math.fsum(part.points for part in column) / len(rows) for column in zip(*rows, strict=True)]
        scores = tuple(_score(name, row, usual) for name, row in zip(features.candidate_ids, rows, strict=True))
        return ClipScores(MODEL, features.digest, scores)


def _contributions(features: ClipFeatures, row: int) -> tuple[Contribution, ...]:
    values = [features.columns[rule.feature][row] for rule in RULES]
    points = drawn_in([rule.points * rule.shape(value) for rule, value in zip(RULES, values, strict=True)])
    return tuple(
        Contribution(rule.feature, value, given) for rule, value, given in zip(RULES, values, points, strict=True)
    )


def _score(candidate_id: str, contributions: tuple[Contribution, ...], usual: Sequence[float]) -> ClipScore:
    value = BASELINE + sum(part.points for part in contributions)
    return ClipScore(candidate_id, value, BASELINE, contributions, _reasons(contributions, usual))


def drawn_in(points: Sequence[float]) -> list[float]:
    """Points scaled by one factor, so that baseline plus their sum stays within 0..100 and keeps its order.

    The sum `t` becomes `50 tanh(t / 50)`: near the baseline nothing changes, far from it a point counts for less.
    """
    total, room = math.fsum(points), min(BASELINE, 100 - BASELINE)
    if abs(total) < 1e-9:
        return list(points)
    return [given * room * math.tanh(total / room) / total for given in points]


def _reasons(contributions: Sequence[Contribution], usual: Sequence[float]) -> tuple[str, ...]:
    """The rules that matter most and have words for it; rules that say the same count once.

    A reason is better the more points it moved and the less it holds for every candidate of the video (`usual`: mean
    points per rule).
    """
    told: list[str] = []
    ranked = zip(RULES, contributions, usual, strict=True)
    for rule, part, _usual in sorted(ranked, key=lambda one: -abs(one[1].points - one[2] / 2)):
        template = rule.praise if part.points > 0 else rule.complaint
        if template and abs(part.points) >= _LEAST_POINTS:
            told.append(template.format(value=part.value, percent=f"{100 * part.value:.0f} %"))
    return tuple(dict.fromkeys(told))[:REASONS]
