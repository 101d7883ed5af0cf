"""Why a model scored a clip as it did: what each feature gave or took, against the other clips of the same video.

Against the video, because that is the choice a viewer of the list has: that all of it is well lit says nothing. Parts
are TreeSHAP values (Lundberg et al., Nature Machine Intelligence 2, 2020) of both heads, the heuristic's own points
where the label head starts, and the tenant's part; they sum to the raw score less the video's mean. Features that
say the same to people are one group, and words are chosen by what is so, not by what the part should mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_platform.ml import learner
from clip_platform.ml.baseline import heuristic_points
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.model import ACCEPT_WEIGHT, HEURISTIC_UNIT, EngagementModel

REASONS = 3
LEAST_PART = 0.02
"""Of raw score; smaller parts are no reason."""
HELPS, HURTS = "helps", "hurts"


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of a clip that has more, or less, of a feature than the video's clips have on average. `{value}` is
    the value, `{percent}` the value in percent."""

    feature: str
    more: str
    less: str


GROUPS: dict[str, tuple[Wording, ...]] = {
    "opening line": (
        Wording("opens_with_question", "opens with a question", "does not open with a question"),
        Wording("hook_number", "a number in the first 3 s", "no number in the first 3 s"),
        Wording("hook_you", "speaks to the viewer in the first 3 s", "does not speak to the viewer at first"),
        Wording("hook_strong", "a strong word in the first 3 s", "no strong word in the first 3 s"),
    ),
    "opening sound": (
        Wording("hook_words_per_s", "starts without delay", "starts slowly"),
        Wording("hook_energy_rel_db", "a loud start", "a quiet start"),
    ),
    "complete thought": (
        Wording("start_leaning", "its first sentence leans on what came before", "its first sentence stands alone"),
        Wording("end_open", "ends before the thought does", "ends with the thought"),
        Wording("pause_before_s", "a pause before it", "no pause before it"),
        Wording("pause_after_s", "ends on a pause", "no pause after it"),
    ),
    "subject": (
        Wording("topic_share", "stays with one subject", "changes the subject"),
        Wording("starts_topic", "opens a subject", "does not open a subject"),
        Wording("ends_topic", "ends where its subject does", "ends within its subject"),
        Wording("centrality", "at the heart of its subject", "beside its subject"),
    ),
    "place in the video": (Wording("position_share", "comes late in the video", "comes early in the video"),),
    "length": (
        Wording("duration_s", "long, {value:.0f} s", "short, {value:.0f} s"),
        Wording("duration_fit", "in the middle of the asked length", "at an edge of the asked length"),
        Wording("sentence_count", "many sentences", "few sentences"),
    ),
    "pace": (
        Wording("words_per_s", "fast, {value:.1f} words/s", "slow, {value:.1f} words/s"),
        Wording("speech_share", "speech {percent} of the time", "speech only {percent} of the time"),
        Wording("longest_pause_s", "a pause of {value:.1f} s in it", "no long pause in it"),
        Wording("turns_per_min", "a lively exchange", "one voice for long"),
    ),
    "energy": (
        Wording("energy_rel_db", "louder than the rest", "quieter than the rest"),
        Wording("energy_spread_db", "lively voice", "even voice"),
        Wording("flux_rel", "rich in change of sound", "little change of sound"),
    ),
    "melody": (Wording("pitch_spread_st", "varied melody of speech", "monotonous melody of speech"),),
    "address": (
        Wording("you_share", "speaks to the viewer", "seldom speaks to the viewer"),
        Wording("first_person_share", "a personal story", "little personal"),
        Wording("questions_per_min", "asks questions", "asks few questions"),
    ),
    "wording": (
        Wording("number_share", "concrete numbers", "few numbers"),
        Wording("strong_share", "strong words", "few strong words"),
        Wording("filler_share", "filler words, {percent}", "few filler words"),
        Wording("content_share", "dense in content", "thin in content"),
        Wording("repeated_share", "keeps to its point", "jumps between points"),
    ),
    "clarity": (Wording("word_confidence", "clearly spoken", "hard to understand"),),
    "speaker in view": (
        Wording("face_share", "a face on screen {percent} of the time", "a face only {percent} of the time"),
        Wording("hook_face_share", "a face in the first seconds", "no face in the first seconds"),
        Wording("face_height_share", "close to the speaker", "far from the speaker"),
        Wording("speaker_share", "speaker on screen {percent} of the time", "speaker mostly off screen"),
    ),
    "picture": (
        Wording("cuts_per_min", "{value:.0f} cuts a minute", "few cuts"),
        Wording("slide_share", "slides {percent} of the time", "few slides"),
    ),
}
_PLACES = {word.feature: FEATURE_NAMES.index(word.feature) for words in GROUPS.values() for word in words}


@dataclass(frozen=True, slots=True)
class Reason:
    """`part` of the raw score that the group gave, against the video; `text` says what is so of its leading feature."""

    group: str
    part: float
    feature: str
    text: str


def parts(model: EngagementModel, features: np.ndarray, tenant: np.ndarray) -> np.ndarray:
    """(n, f + 1) parts of `model.raw` by feature; the last is what all clips have in common.

    Costs about 1 ms a row at 200 trees.
    """
    heads, spread = model.heads, model.label_scale.spread
    found = learner.contributions(heads.label, features)
    found[:, :-1] += heads.slope / HEURISTIC_UNIT * heuristic_points(features)
    for name, part in heads.tenant_parts.items():
        ours = tenant == name
        found[ours, :-1] += part.by_feature(features[ours])
    found[:, -1] -= model.label_scale.mean
    found /= spread
    if heads.accept is not None:
        taken = learner.contributions(heads.accept, features)
        taken[:, -1] -= model.accept_scale.mean
        found += ACCEPT_WEIGHT / model.accept_scale.spread * taken
    return found


def against_video(found: np.ndarray, video: np.ndarray) -> np.ndarray:
    """(n, f) parts less their means over the clips of the same video.

    Args:
        found: (n, f + 1) of `parts`.
        video: (n,).
    """
    _, index = np.unique(video, return_inverse=True)
    sums = np.zeros((int(index.max(initial=-1)) + 1, found.shape[1] - 1))
    np.add.at(sums, index, found[:, :-1])
    return np.asarray(found[:, :-1] - (sums / np.bincount(index)[:, None])[index])


def reasons(relative: np.ndarray, features: np.ndarray, video: np.ndarray) -> list[tuple[Reason, ...]]:
    """At most three a clip, the largest groups first, none that hardly moved the score.

    Args:
        relative: (n, f) of `against_video`.
        features: (n, f), all clips of each video.
    """
    usual = _video_means(features, video)
    return [_reasons(relative[row], features[row], usual[row]) for row in range(len(features))]


def _reasons(relative: np.ndarray, values: np.ndarray, usual: np.ndarray) -> tuple[Reason, ...]:
    sums = {group: sum(relative[_PLACES[word.feature]] for word in words) for group, words in GROUPS.items()}
    told = []
    for group in sorted(sums, key=lambda name: -abs(sums[name])):
        part = float(sums[group])
        said = _said(GROUPS[group], part, relative, values, usual)
        if abs(part) >= LEAST_PART and said is not None:
            told.append(Reason(group, part, *said))
    return tuple(told[:REASONS])


def _said(
    words: Sequence[Wording], part: float, relative: np.ndarray, values: np.ndarray, usual: np.ndarray
) -> tuple[str, str] | None:
    """The feature that moved the group most its way, and what is so of the clip; None where it is as in the video."""
    way = np.sign(part)
    leading = sorted(words, key=lambda word: -way * relative[_PLACES[word.feature]])
    for word in leading:
        place = _PLACES[word.feature]
        value, mean = float(values[place]), float(usual[place])
        if way * relative[place] <= 0:
            return None
        if np.isnan(value) or np.isclose(value, mean, rtol=1e-3, atol=1e-6):
            continue  # what is like everywhere else in the video is no reason in words
        phrase = word.more if value > mean else word.less
        said = phrase.format(value=value, percent=f"{100 * value:.0f} %")
        return word.feature, f"{HELPS if way > 0 else HURTS}: {said}"
    return None


def _video_means(features: np.ndarray, video: np.ndarray) -> np.ndarray:
    """(n, f) of the clips of the same video that have a value."""
    _, index = np.unique(video, return_inverse=True)
    shape = (int(index.max(initial=-1)) + 1, features.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, index, np.nan_to_num(features.astype(float)))
    np.add.at(counts, index, ~np.isnan(features))
    return np.asarray(np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)[index])
