"""Which scored candidates become clips: the best ones that do not overlap. Types and the verb.

Who scored is not known here: scores come in as plain values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from clip_platform.selection.candidates import OUTSIDE_THE_RANGE, ClipCandidate, ClipCandidates
from clip_platform.selection.duplicates import EarlierClip, same_as, signature_of
from clip_platform.selection.embeddings import SentenceEmbedder
from clip_platform.selection.keywords import akin_keywords, raised
from clip_platform.selection.vocabulary import content_stems
from clip_platform.selection.writing import ClipWriter, ExtractiveWriter
from clip_platform.speech.sentences import Sentence
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences

LOWEST_SCORE = 20.0
"""Nothing below is offered, however few clips there are."""
SAME_STRETCH_RATIO = 0.7
"""Intersection over union from which two stretches are called the same."""
SAME_TEXT_SHARE = 0.6
"""Share of the shorter text's word pairs found in the other one, from which both say the same."""
WORTH_HAVING = 50.0
"""Points above this count when a fuller set of clips is weighed against fewer better ones."""
_FEWEST_PAIRS = 6


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A score for one candidate, whoever gave it. `value` is 0..100; `reasons` are for people."""

    candidate_id: str
    value: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SelectedClip:
    """`clip_id` is the candidate's id. `rank` counts from 1; `score` is 0..100."""

    clip_id: str
    rank: int
    span: Span
    first_word: int
    last_word: int
    score: float
    title: str
    reasons: tuple[str, ...]
    hashtags: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class RejectedCandidate:
    """A candidate that lost, and why. `score` is None when it was never scored."""

    candidate_id: str | None
    span: Span
    score: float | None
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class SelectedClips:
    """The chosen clips by rank, every other stretch with its reason, and why there are fewer than asked for, if so."""

    clips: tuple[SelectedClip, ...]
    rejected: tuple[RejectedCandidate, ...]
    shortfall: str | None


def choose(
    candidates: ClipCandidates,
    scored: Iterable[ScoredCandidate],
    preferences: Preferences,
    embedder: SentenceEmbedder | None = None,
    earlier: Sequence[EarlierClip] = (),
    writer: ClipWriter | None = None,
    language: str = "en",
) -> SelectedClips:
    """Greedy, best score first: no clip overlaps a better one or says the same again.

    When that gives fewer clips than asked for because long ones block the rest, the set of non-overlapping candidates
    with the most points above `WORTH_HAVING` is taken instead, if it is fuller (weighted interval scheduling,
    Kleinberg and Tardos, "Algorithm Design", 6.1). Every candidate that is not chosen is kept with its reason, and so
    is every stretch that could not be a candidate. Candidates that speak of a keyword are raised first. Equal scores go
    by time, so the result never depends on the order of `scored`.

    Args:
        embedder: finds keywords that are spoken of in other words; without one, only their own words count.
        earlier: clips of the tenant's earlier videos; what says the same as one of them is not offered again.
        writer: writes titles, hashtags and summaries of the chosen; by default they are taken from what is said.
        language: what is spoken, a plain code.
    """
    akin = akin_keywords(candidates, preferences.keywords, embedder) if embedder else None
    scores = {score.candidate_id: score for score in raised(scored, candidates.candidates, preferences.keywords, akin)}
    by_score = sorted(
        (candidate for candidate in candidates.candidates if candidate.candidate_id in scores),
        key=lambda candidate: (-scores[candidate.candidate_id].value, candidate.span, candidate.candidate_id),
    )
    race = _run(by_score, scores, candidates, preferences, earlier)
    if race.causes["overlap"] and len(race.clips) < preferences.clips:
        first = fullest_set([(one, scores[one.candidate_id].value) for one in by_score], preferences.clips)
        fuller = _run(
            [*first, *(one for one in by_score if one not in first)], scores, candidates, preferences, earlier
        )
        race = max(race, fuller, key=lambda one: (one.worth, -len(one.clips)))
    written = tuple(_written(clip, race, writer or ExtractiveWriter(), language) for clip in race.clips)
    unscored = [_rejected(candidate, None, "it was not scored")
                for candidate in candidates.candidates if candidate.candidate_id not in scores]  # fmt: skip
    unfit = [RejectedCandidate(None, stretch.span, None, stretch.text, stretch.reason) for stretch in candidates.unfit]
    return SelectedClips(written, (*race.rejected, *unscored, *unfit), _shortfall(race, candidates))


def _run(
    order: Sequence[ClipCandidate],
    scores: dict[str, ScoredCandidate],
    candidates: ClipCandidates,
    preferences: Preferences,
    earlier: Sequence[EarlierClip],
) -> _Race:
    race = _Race(scores, preferences, candidates.sentences, earlier)
    for candidate in order:
        race.enter(candidate)
    return race


def fullest_set(scored: Sequence[tuple[ClipCandidate, float]], count: int) -> list[ClipCandidate]:
    """At most `count` candidates, best first, that do not overlap and have the most points above `WORTH_HAVING`."""
    by_end = sorted(
        ((one, value) for one, value in scored if value > WORTH_HAVING),
        key=lambda pair: (pair[0].span.end, pair[0].span.start, pair[0].candidate_id),
    )
    ends = [one.span.end for one, _value in by_end]
    # worth[k][i]: the most that k clips out of the first i candidates are worth
    worth = [[0.0] * (len(by_end) + 1) for _ in range(count + 1)]
    before = [bisect_right(ends, one.span.start) for one, _value in by_end]
    for k in range(1, count + 1):
        for i, (_one, value) in enumerate(by_end):
            worth[k][i + 1] = max(worth[k][i], worth[k - 1][before[i]] + value - WORTH_HAVING)
    chosen, k, i = [], count, len(by_end)
    while k and i:
        if worth[k][i] == worth[k][i - 1]:
            i -= 1
        else:
            chosen.append(by_end[i - 1])
            k, i = k - 1, before[i - 1]
    return [one for one, _value in sorted(chosen, key=lambda pair: (-pair[1], pair[0].span))]


def _written(clip: SelectedClip, race: _Race, writer: ClipWriter, language: str) -> SelectedClip:
    written = writer.write(race.spoken[clip.rank - 1], language)
    return replace(clip, title=written.title, hashtags=written.hashtags, summary=written.summary)


def _rejected(candidate: ClipCandidate, score: float | None, reason: str) -> RejectedCandidate:
    return RejectedCandidate(candidate.candidate_id, candidate.span, score, candidate.text, reason)


@dataclass
class _Race:
    """The clips chosen so far, and why the others lost."""

    scores: dict[str, ScoredCandidate]
    preferences: Preferences
    sentences: Sequence[Sentence]
    earlier: Sequence[EarlierClip] = ()
    spoken: list[list[str]] = field(default_factory=list)
    clips: list[SelectedClip] = field(default_factory=list)
    pairs: list[frozenset[tuple[str, str]]] = field(default_factory=list)
    rejected: list[RejectedCandidate] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def worth(self) -> float:
        return sum(max(clip.score - WORTH_HAVING, 0.0) for clip in self.clips)

    def enter(self, candidate: ClipCandidate) -> None:
        score = self.scores[candidate.candidate_id]
        pairs = _word_pairs(candidate.text)
        against = self._objection(candidate, score.value, pairs)
        if against is not None:
            cause, reason = against
            self.causes[cause] += 1
            self.rejected.append(_rejected(candidate, score.value, reason))
            return
        self.pairs.append(pairs)
        self.spoken.append(self._spoken(candidate))
        self.clips.append(
            SelectedClip(
                clip_id=candidate.candidate_id,
                rank=len(self.clips) + 1,
                span=candidate.span,
                first_word=candidate.first_word,
                last_word=candidate.last_word,
                score=score.value,
                title="",
                reasons=tuple(score.reasons),
            )
        )

    def _spoken(self, candidate: ClipCandidate) -> list[str]:
        sentences = self.sentences[candidate.first_sentence : candidate.last_sentence + 1]
        return [sentence.text for sentence in sentences] or [candidate.text]

    def _objection(
        self, candidate: ClipCandidate, value: float, pairs: frozenset[tuple[str, str]]
    ) -> tuple[str, str] | None:
        span = candidate.span
        overlapped = next((clip for clip in self.clips if clip.span.overlaps(span)), None)
        if overlapped is not None:
            return "overlap", _overlap_reason(span, value, overlapped)
        if value < LOWEST_SCORE:
            return "weak", f"score {value:.0f} is below {LOWEST_SCORE:.0f}, the least that is offered"
        if len(self.clips) >= self.preferences.clips:
            return "enough", self._too_late(value)
        repeated = next((clip for clip, other in zip(self.clips, self.pairs, strict=True) if _same(pairs, other)), None)
        if repeated is not None:
            return "repeat", f"it says almost the same as the better clip {repeated.rank} ({_stretch(repeated.span)})"
        known = same_as(signature_of(candidate.text), self.earlier) if self.earlier else None
        if known is not None:
            return "known", f"it says almost the same as an earlier clip, {known.name}"
        return None

    def _too_late(self, value: float) -> str:
        asked, last = self.preferences.clips, self.clips[-1]
        if asked == 1:
            return f"only 1 clip was asked for, and score {value:.0f} is not above its {last.score:.0f}"
        return f"only {asked} clips were asked for, and score {value:.0f} is not above the last one's {last.score:.0f}"


def _overlap_reason(span: Span, value: float, chosen: SelectedClip) -> str:
    shared = span.intersection(chosen.span)
    shared_s = float(shared.duration_s) if shared else 0.0
    if value > chosen.score:
        return (
            f"it overlaps clip {chosen.rank} ({_stretch(chosen.span)}) by {shared_s:.1f} s; "
            "without it there is room for more clips"
        )
    if span.overlap_ratio(chosen.span) >= SAME_STRETCH_RATIO:
        return f"it is nearly the same stretch as the better clip {chosen.rank} ({_stretch(chosen.span)})"
    return f"it overlaps the better clip {chosen.rank} ({_stretch(chosen.span)}) by {shared_s:.1f} s"


def _stretch(span: Span) -> str:
    return f"{_minutes(float(span.start))}-{_minutes(float(span.end))}"


def _minutes(moment_s: float) -> str:
    whole = int(moment_s)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )


def _word_pairs(text: str) -> frozenset[tuple[str, str]]:
    """Empty when too few are said to compare texts by them; a refrain counts as often as it is sung."""
    pairs = list(pairwise(content_stems(text)))
    return frozenset(pairs) if len(pairs) >= _FEWEST_PAIRS else frozenset()


def _same(pairs: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> bool:
    fewer = min(len(pairs), len(other))
    return fewer > 0 and len(pairs & other) / fewer >= SAME_TEXT_SHARE


def _shortfall(race: _Race, candidates: ClipCandidates) -> str | None:
    asked, made = race.preferences.clips, len(race.clips)
    if made >= asked:
        return None
    found = f"{made} of the {asked} clips asked for"
    if not candidates.candidates:
        return f"no clip: {_why_none(candidates)}"
    lost = {
        "overlap": "overlapped a chosen clip",
        "weak": f"scored below {LOWEST_SCORE:.0f}",
        "repeat": "repeated a better clip",
        "known": "repeated a clip of an earlier video (delete that one to have it offered again)",
    }
    parts = [f"{race.causes[cause]} {words}" for cause, words in lost.items() if race.causes[cause]]
    rest = f"of the other candidates {', '.join(parts)}" if parts else "there are no other candidates"
    blocked = race.causes["overlap"] > race.causes["weak"] + race.causes["repeat"] + race.causes["known"]
    return f"{found}: {rest}{'; ask for shorter clips to get more' if blocked else ''}"


def _why_none(candidates: ClipCandidates) -> str:
    reasons = Counter(stretch.reason for stretch in candidates.unfit)
    if not candidates.topics:
        return next(iter(reasons), "nothing in the talk could be one")
    inside = reasons - Counter({OUTSIDE_THE_RANGE: reasons[OUTSIDE_THE_RANGE]})
    if not inside:
        return "no sentence lies inside the part of the source that was asked for; widen the range"
    reason, _count = inside.most_common(1)[0]
    return f"no sentence can open one; most often, {reason}"
