"""Stretches of a talk that could be clips. Types and the verb that proposes them; how good one is, `scoring` says."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from clip_platform.media.information import MediaInfo
from clip_platform.selection.boundaries import (
    SHORTEST_SHOT_S,
    clear_end,
    clear_start,
    leans_on_context,
    padded_end,
    padded_start,
    pauses_around,
    stays_open,
    why_it_leans,
)
from clip_platform.selection.embeddings import SentenceEmbedder
from clip_platform.selection.topics import topic_starts
from clip_platform.speech.sentences import ENDING_MARKS, Sentence
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span, seconds
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import Shots

MAX_CANDIDATES = 2000
"""Per video. Long videos get fewer ends per start, so that work grows with the length of the talk and no faster."""
MAX_ENDS_PER_START = 6
OUTSIDE_THE_RANGE = "it is outside the part of the source that was asked for"
"""Why a sentence opens no clip."""
_DOUBT = 0.5
REACH_FOR_A_BETTER_START_S = 20
"""A start that leans on its context is dropped when one that does not is this near."""


@dataclass(frozen=True, slots=True)
class ClipCandidate:
    """A stretch from a sentence start to a sentence end.

    `span` is the stretch to show: it begins shortly before the first word and ends shortly after the last one, inside
    no word. Words `first_word..last_word` (the last one included). `candidate_id` is derived from the words' times,
    so the same stretch has the same id in every run. `topic` numbers the topic segment it starts in.
    """

    candidate_id: str
    span: Span
    first_word: int
    last_word: int
    first_sentence: int
    last_sentence: int
    topic: int
    text: str


@dataclass(frozen=True, slots=True)
class UnfitStretch:
    """A stretch that cannot be a clip, and why, for people."""

    span: Span
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClipCandidates:
    """All candidates by start; `unfit`: stretches dropped before scoring; `topics`: the topic segments in order, none
    where the video as a whole was dropped.

    `sentences`: what `first_sentence` and `last_sentence` of the candidates count in.
    """

    candidates: tuple[ClipCandidate, ...]
    unfit: tuple[UnfitStretch, ...]
    topics: tuple[Span, ...]
    sentences: tuple[Sentence, ...] = ()


def propose(
    transcript: Transcript,
    sentences: tuple[Sentence, ...],
    shots: Shots,
    media: MediaInfo,
    preferences: Preferences,
    embedder: SentenceEmbedder | None = None,
    laughs: Sequence[Span] = (),
) -> ClipCandidates:
    """Complete talking points within the duration band, from every part of the talk.

    From each sentence start the ends that close best are kept: no open question, no sentence that leans on them, a
    pause, the end of a topic. Starts that lean on what came before are left out where a better one is near. The
    number of candidates is bounded by `MAX_CANDIDATES`; time grows linearly with the talk. `embedder`: see
    `topic_starts`.

    Args:
        laughs: bursts of laughter or applause in order; no clip begins or ends inside one where the pause leaves room.
    """
    whole = Span(Fraction(0), media.duration_s)
    reason = _why_none_fits(media.duration_s, preferences)
    if reason is not None:
        text = " ".join(sentence.text for sentence in sentences)
        return ClipCandidates((), (UnfitStretch(whole, text, reason),), (), sentences)
    if not sentences:
        return ClipCandidates((), (UnfitStretch(whole, "", "nobody says anything in it"),), ())
    talk = _Talk.of(transcript, sentences, shots, media.duration_s, topic_starts(sentences, embedder), laughs).within(
        preferences
    )
    return _Proposal(talk, preferences).make()


def _why_none_fits(duration_s: Fraction, preferences: Preferences) -> str | None:
    """Why no clip can lie in this video, whatever is said in it."""
    lasts_s, min_s, start_s = float(duration_s), preferences.min_s, preferences.range_start_s or 0.0
    if duration_s < seconds(min_s):
        return f"the whole video lasts {lasts_s:.1f} s and a clip at least {min_s:g} s; ask for shorter clips"
    if duration_s < seconds(start_s) + seconds(min_s):
        return (
            f"range_start_s is {start_s:g}, the video ends at {lasts_s:.1f} s, and a clip lasts at least {min_s:g} s; "
            "choose an earlier start"
        )
    return None


@dataclass(frozen=True)
class _Talk:
    """A talk with everything that decides about ends computed once per sentence."""

    sentences: tuple[Sentence, ...]
    topic_first: tuple[int, ...]
    starts: tuple[Fraction, ...]
    """Where a clip begins that opens with sentence `i`."""
    ends: tuple[Fraction, ...]
    """Where a clip ends that closes with sentence `i`."""
    leaning: tuple[float, ...]
    closing: tuple[float, ...]
    """How well sentence `i` closes a clip, higher is better."""
    word_times: tuple[Span, ...]
    language: str
    window: Span | None = None
    """Clips begin and end inside; None: anywhere."""

    @classmethod
    def of(
        cls,
        transcript: Transcript,
        sentences: tuple[Sentence, ...],
        shots: Shots,
        duration_s: Fraction,
        topics: tuple[int, ...],
        laughs: Sequence[Span],
    ) -> _Talk:
        before, after = pauses_around(transcript.words, duration_s)
        cuts, language = shots.cuts_s, transcript.language
        last_word = len(transcript.words) - 1
        texts = [sentence.text for sentence in sentences]
        starts, ends = [], []
        for s in sentences:
            pause = before[s.first_word]
            start = padded_start(pause, at_edge=s.first_word == 0, cuts=_near(cuts, pause))
            starts.append(clear_start(start, pause, _beside(laughs, pause)))
            pause = after[s.last_word]
            end = padded_end(pause, at_edge=s.last_word == last_word, cuts=_near(cuts, pause))
            ends.append(clear_end(end, pause, _beside(laughs, pause)))
        doubtful = _doubtful_starts(sentences)
        next_texts = [*texts[1:], None]
        closing = tuple(
            min(float(after[s.last_word].duration_s), 1.0)
            - 2 * max(stays_open(text, following, language), _DOUBT * (i + 1 in doubtful))
            + (i + 1 in topics)
            for i, (s, text, following) in enumerate(zip(sentences, texts, next_texts, strict=True))
        )
        leaning = tuple(
            max(leans_on_context(text, previous, language), _DOUBT * (i in doubtful))
            for i, (text, previous) in enumerate(zip(texts, [None, *texts], strict=False))
        )
        spans = tuple(word.span for word in transcript.words)
        return cls(sentences, topics, tuple(starts), tuple(ends), leaning, closing, spans, language)

    def within(self, preferences: Preferences) -> _Talk:
        """The same talk, with clips from the part that was asked for; of a pause at its edge they get the inside."""
        if preferences.range_start_s is None and preferences.range_end_s is None:
            return self
        start = seconds(preferences.range_start_s or 0)
        end = self.ends[-1] if preferences.range_end_s is None else seconds(preferences.range_end_s)
        window = Span(start, max(start, end))
        starts = tuple(max(start, window.start) for start in self.starts)
        ends = tuple(min(end, window.end) for end in self.ends)
        return replace(self, starts=starts, ends=ends, window=window)

    def is_inside(self, sentence: int) -> bool:
        return self.window is None or self.window.covers(self.sentences[sentence].span)

    def topic_of(self, sentence: int) -> int:
        return bisect_right(self.topic_first, sentence) - 1

    def topics(self) -> tuple[Span, ...]:
        lasts = [first - 1 for first in (*self.topic_first[1:], len(self.sentences))]
        return tuple(
            Span(self.sentences[first].span.start, self.sentences[last].span.end)
            for first, last in zip(self.topic_first, lasts, strict=True)
        )


def _near(cuts: Sequence[Fraction], pause: Span) -> Sequence[Fraction]:
    return cuts[bisect_left(cuts, pause.start - SHORTEST_SHOT_S) : bisect_right(cuts, pause.end + SHORTEST_SHOT_S)]


def _doubtful_starts(sentences: Sequence[Sentence]) -> frozenset[int]:
    """Sentences that may begin inside one: no mark ends the one before, and the pause is short for this speaker."""
    if len(sentences) < 2:
        return frozenset()
    pauses = [after.span.start - before.span.end for before, after in pairwise(sentences)]
    short = sorted(pauses)[len(pauses) // 2] / 2
    return frozenset(
        i
        for i, (before, pause) in enumerate(zip(sentences, pauses, strict=False), 1)
        if pause < short and before.text.rstrip("\"'”’) ")[-1:] not in ENDING_MARKS
    )


def _beside(laughs: Sequence[Span], pause: Span) -> Sequence[Span]:
    first = bisect_right(laughs, pause.start, key=lambda laugh: laugh.end)
    return laughs[first : bisect_left(laughs, pause.end, key=lambda laugh: laugh.start)]


@dataclass(frozen=True)
class _Proposal:
    talk: _Talk
    preferences: Preferences

    def make(self) -> ClipCandidates:
        fitting = {i: ends for i in range(len(self.talk.sentences)) if (ends := list(self._fitting_ends(i)))}
        dropped = {i for i in fitting if self._has_better_start_near(i, fitting)}
        kept = self._spread([i for i in fitting if i not in dropped])
        per_start = max(1, min(MAX_ENDS_PER_START, MAX_CANDIDATES // max(1, len(kept))))
        candidates = tuple(
            self._candidate(first, last) for first in kept for last in self._best_ends(first, fitting[first], per_start)
        )
        unfit = self._merged(self._why_unfit(i, fitting, dropped, kept) for i in range(len(self.talk.sentences)))
        return ClipCandidates(candidates, tuple(unfit), self.talk.topics(), self.talk.sentences)

    def _fitting_ends(self, first: int) -> Iterator[int]:
        if not self.talk.is_inside(first):
            return
        start = self.talk.starts[first]
        earliest, latest = start + seconds(self.preferences.min_s), start + seconds(self.preferences.max_s)
        for last in range(bisect_left(self.talk.ends, earliest, lo=first), len(self.talk.ends)):
            if self.talk.ends[last] > latest or not self.talk.is_inside(last):
                return
            yield last

    def _has_better_start_near(self, first: int, fitting: dict[int, list[int]]) -> bool:
        talk = self.talk
        if talk.leaning[first] < 0.5:
            return False
        return any(
            talk.leaning[other] < 0.5 and other in fitting
            for step in (-1, 1)
            for other in self._within_reach(first, step)
        )

    def _within_reach(self, first: int, step: int) -> Iterator[int]:
        sentences = self.talk.sentences
        other = first + step
        while 0 <= other < len(sentences):
            if abs(sentences[other].span.start - sentences[first].span.start) > REACH_FOR_A_BETTER_START_S:
                return
            yield other
            other += step

    @staticmethod
    def _spread(starts: list[int]) -> list[int]:
        """At most `MAX_CANDIDATES` starts, evenly over the talk."""
        if len(starts) <= MAX_CANDIDATES:
            return starts
        return [starts[i * len(starts) // MAX_CANDIDATES] for i in range(MAX_CANDIDATES)]

    def _best_ends(self, first: int, ends: list[int], count: int) -> list[int]:
        best = sorted(ends, key=lambda last: (-self._end_quality(first, last), last))[:count]
        return sorted(best)

    def _end_quality(self, first: int, last: int) -> float:
        talk = self.talk
        span_s = float(talk.ends[last] - talk.starts[first])
        short, long = self.preferences.min_s, self.preferences.max_s
        off_middle = abs(span_s - (short * long) ** 0.5) / (long - short)
        return talk.closing[last] - off_middle - 1.5 * (talk.topic_of(last) != talk.topic_of(first))

    def _candidate(self, first: int, last: int) -> ClipCandidate:
        talk = self.talk
        opening, closing = talk.sentences[first], talk.sentences[last]
        return ClipCandidate(
            candidate_id=_identifier(talk.word_times[opening.first_word], talk.word_times[closing.last_word]),
            span=Span(talk.starts[first], talk.ends[last]),
            first_word=opening.first_word,
            last_word=closing.last_word,
            first_sentence=first,
            last_sentence=last,
            topic=talk.topic_of(first),
            text=" ".join(sentence.text for sentence in talk.sentences[first : last + 1]),
        )

    def _why_unfit(
        self, i: int, fitting: dict[int, list[int]], dropped: set[int], kept: list[int]
    ) -> UnfitStretch | None:
        sentence = self.talk.sentences[i]
        if i in dropped:
            previous = self.talk.sentences[i - 1].text if i else None
            reason = why_it_leans(sentence.text, previous, self.talk.language) or "it may begin inside a sentence"
        elif i not in fitting:
            reason = self._why_no_end(i)
        else:
            position = bisect_left(kept, i)
            if position < len(kept) and kept[position] == i:
                return None
            reason = f"a clip that starts next to it was kept: a video has at most {MAX_CANDIDATES} candidates"
        return UnfitStretch(sentence.span, sentence.text, reason)

    def _why_no_end(self, i: int) -> str:
        if not self.talk.is_inside(i):
            return OUTSIDE_THE_RANGE
        left_s = float(self.talk.ends[-1] - self.talk.starts[i])
        short, long = self.preferences.min_s, self.preferences.max_s
        if left_s < short:
            return f"less than {short:g} s of talk are left after it starts"
        return f"no sentence ends between {short:g} and {long:g} s after it starts"

    @staticmethod
    def _merged(stretches: Iterator[UnfitStretch | None]) -> list[UnfitStretch]:
        """Neighbours with one kind of reason become one stretch."""
        merged: list[UnfitStretch] = []
        for stretch in filter(None, stretches):
            if merged and merged[-1].reason == stretch.reason and merged[-1].span.end + 5 > stretch.span.start:
                last = merged.pop()
                stretch = UnfitStretch(
                    Span(last.span.start, stretch.span.end), f"{last.text} {stretch.text}", last.reason
                )
            merged.append(stretch)
        return merged


def _identifier(first: Span, last: Span) -> str:
    """Twelve hex digits from the words' times in microseconds: the same stretch is found again after a re-run."""
    times = f"{round(first.start * 1_000_000)}-{round(last.end * 1_000_000)}"
    return hashlib.sha256(times.encode()).hexdigest()[:12]
