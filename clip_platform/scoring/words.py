"""Features of what is said and how a clip sits in the talk: structure, text, pace. Weights are a scorer's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from clip_platform.media.information import MediaInfo
from clip_platform.scoring.features import HOOK_S, LONGEST_PAUSE_S
from clip_platform.scoring.spans import CandidateSpans, Coverage, ratio, sums_before
from clip_platform.selection.boundaries import leans_on_context, stays_open
from clip_platform.selection.candidates import ClipCandidate, ClipCandidates
from clip_platform.selection.vocabulary import (
    FILLERS,
    STRONG_WORDS,
    is_content,
    is_number,
    is_question,
    stem,
    tokens,
    word_set,
)
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.speech.transcript import Transcript
from clip_platform.upload.preferences import Preferences

_YOU = word_set("you your yours you're you've you'll you'd yourself")
_FIRST_PERSON = word_set("i i'm i've i'll i'd me my mine myself we we're we've we'll us our ours")

Columns = dict[str, np.ndarray]


def structure(
    spans: CandidateSpans,
    candidates: ClipCandidates,
    transcript: Transcript,
    media: MediaInfo,
    preferences: Preferences,
) -> Columns:
    starts = np.array([float(word.span.start) for word in transcript.words])
    ends = np.array([float(word.span.end) for word in transcript.words])
    gap_before = starts - np.concatenate([[0.0], ends[:-1]])
    gap_after = np.concatenate([starts[1:], [float(media.duration_s)]]) - ends
    topic_starts = np.array([float(topic.start) for topic in candidates.topics])
    topic_ends = np.array([float(topic.end) for topic in candidates.topics])
    texts = [sentence.text for sentence in candidates.sentences]
    leaning = [leans_on_context(now, before) for now, before in zip(texts, [None, *texts], strict=False)]
    closing = [stays_open(now, after) for now, after in zip(texts, [*texts[1:], None], strict=True)]
    return {
        "duration_s": spans.duration_s,
        "duration_fit": _duration_fit(spans.duration_s, preferences),
        "position_share": np.clip(spans.start / float(media.duration_s), 0, 1),
        "topic_share": _topic_share(spans, candidates),
        "starts_topic": np.isin(starts[spans.first], topic_starts).astype(float),
        "ends_topic": np.isin(ends[spans.last], topic_ends).astype(float),
        "pause_before_s": np.clip(gap_before[spans.first], 0, LONGEST_PAUSE_S),
        "pause_after_s": np.clip(gap_after[spans.last], 0, LONGEST_PAUSE_S),
        "start_leaning": _of_each(candidates, lambda c: leaning[c.first_sentence]),
        "end_open": _of_each(candidates, lambda c: closing[c.last_sentence]),
        "sentence_count": _of_each(candidates, lambda c: c.last_sentence - c.first_sentence + 1),
    }


def _duration_fit(duration_s: np.ndarray, preferences: Preferences) -> np.ndarray:
    low, high = np.log(preferences.min_s), np.log(preferences.max_s)
    off = np.abs(np.log(np.maximum(duration_s, 1e-3)) - (low + high) / 2) / ((high - low) / 2)
    return np.clip(1 - off, 0, 1)


def _topic_share(spans: CandidateSpans, candidates: ClipCandidates) -> np.ndarray:
    """Topics lie in order: a clip's longest one is found among those from its own first one on."""
    shares = np.zeros(len(spans.start))
    for row, candidate in enumerate(candidates.candidates):
        longest = 0.0
        for topic in candidates.topics[candidate.topic :]:
            shared = topic.intersection(candidate.span)
            if shared is None:
                break
            longest = max(longest, float(shared.duration_s))
        shares[row] = min(1.0, longest / float(candidate.span.duration_s))
    return shares


def _of_each(candidates: ClipCandidates, measure: Callable[[ClipCandidate], float]) -> np.ndarray:
    return np.array([float(measure(candidate)) for candidate in candidates.candidates])


def text(spans: CandidateSpans, candidates: ClipCandidates, transcript: Transcript) -> Columns:
    said = _Said(transcript)
    count = (spans.last - spans.first + 1).astype(float)
    hook_last = said.last_before(spans.hook_end)
    asks = np.array([float(is_question(sentence.text)) for sentence in candidates.sentences])
    first_sentence = np.array([c.first_sentence for c in candidates.candidates], dtype=np.int64)
    last_sentence = np.array([c.last_sentence for c in candidates.candidates], dtype=np.int64)

    def share(flags: np.ndarray) -> np.ndarray:
        return _sum_of(flags, spans.first, spans.last) / count

    def in_hook(flags: np.ndarray) -> np.ndarray:
        return (_sum_of(flags, spans.first, hook_last) > 0).astype(float)

    repeated, centrality = _cohesion(candidates, said)
    return {
        "opens_with_question": asks[first_sentence],
        "questions_per_min": ratio(_sum_of(asks, first_sentence, last_sentence), spans.minutes),
        "hook_number": in_hook(said.number),
        "hook_you": in_hook(said.you),
        "hook_strong": in_hook(said.strong),
        "number_share": share(said.number),
        "you_share": share(said.you),
        "first_person_share": share(said.first_person),
        "strong_share": share(said.strong),
        "filler_share": share(said.filler),
        "content_share": share(said.content),
        "repeated_share": repeated,
        "centrality": centrality,
        "word_confidence": share(said.confidence),
    }


def _sum_of(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Sum over `first..last`, the last one included; 0 when it comes before the first."""
    sums = sums_before(values)
    return sums[np.maximum(last + 1, first)] - sums[first]


class _Said:
    """One flag per word and property, each an array of shape (words,), float64."""

    def __init__(self, transcript: Transcript) -> None:
        words = transcript.words
        texts = [(tokens(word.text) or [""])[0] for word in words]

        def flags(holds: Callable[[str], bool]) -> np.ndarray:
            return np.array([float(holds(text)) for text in texts])

        self.number = flags(is_number)
        self.you = flags(_YOU.__contains__)
        self.first_person = flags(_FIRST_PERSON.__contains__)
        self.strong = flags(STRONG_WORDS.__contains__)
        self.filler = flags(FILLERS.__contains__)
        self.content = flags(is_content)
        self.confidence = np.array([1.0 if word.confidence is None else word.confidence for word in words])
        self.stems = [stem(text) if is_content(text) else "" for text in texts]
        self._starts = np.array([float(word.span.start) for word in words])

    def last_before(self, moments: np.ndarray) -> np.ndarray:
        """Index of the last word that starts before each moment."""
        return np.searchsorted(self._starts, moments, side="left") - 1


def _cohesion(candidates: ClipCandidates, said: _Said) -> tuple[np.ndarray, np.ndarray]:
    """Share of repeated content words, and cosine of the clip's content with its topic's."""
    topics = [_counts(said.stems[slice(*edges)]) for edges in _topic_words(candidates)]
    norms = [_norm(topic) for topic in topics]
    repeated, centrality = [], []
    for candidate in candidates.candidates:
        clip = _counts(said.stems[candidate.first_word : candidate.last_word + 1])
        topic, topic_norm = topics[candidate.topic], norms[candidate.topic]
        total = sum(clip.values())
        repeated.append(sum(n for n in clip.values() if n > 1) / total if total else 0.0)
        shared = sum(n * topic[stem] for stem, n in clip.items())
        norm = _norm(clip) * topic_norm
        centrality.append(min(1.0, shared / norm) if norm else 0.0)
    return np.array(repeated), np.array(centrality)


def _topic_words(candidates: ClipCandidates) -> list[tuple[int, int]]:
    """Half-open ranges of words, one a topic."""
    starts = {sentence.span.start: sentence.first_word for sentence in candidates.sentences}
    ends = {sentence.span.end: sentence.last_word + 1 for sentence in candidates.sentences}
    return [(starts[topic.start], ends[topic.end]) for topic in candidates.topics]


def _counts(stems: Sequence[str]) -> Counter[str]:
    return Counter(stem for stem in stems if stem)


def _norm(counts: Counter[str]) -> float:
    return float(np.sqrt(sum(n * n for n in counts.values())))


def speech(spans: CandidateSpans, candidates: ClipCandidates, transcript: Transcript, turns: SpeakerTurns) -> Columns:
    starts = np.array([float(word.span.start) for word in transcript.words])
    ends = np.array([float(word.span.end) for word in transcript.words])
    hook_words = np.searchsorted(starts, spans.hook_end, side="left") - spans.first
    pauses = np.maximum(starts[1:] - ends[:-1], 0)
    changes = np.sort([float(turn.span.start) for turn in turns.turns[1:]])
    inside = np.searchsorted(changes, spans.end, side="left") - np.searchsorted(changes, spans.start, side="right")
    return {
        "words_per_s": ratio((spans.last - spans.first + 1).astype(float), spans.duration_s),
        "hook_words_per_s": np.clip(hook_words / HOOK_S, 0, None),
        "speech_share": Coverage(transcript.speech).share_of(spans.start, spans.end),
        "longest_pause_s": _of_each(candidates, lambda c: pauses[c.first_word : c.last_word].max(initial=0.0)),
        "turns_per_min": ratio(np.maximum(inside, 0).astype(float), spans.minutes),
    }
