"""Whose voice is heard when: voices told apart by their embeddings. Knows no faces and no engine.

Speech is cut into windows, each window's voice becomes a vector (`VoiceEmbedder`), and windows with like vectors are
one voice: agglomerative clustering by mean cosine similarity, as in most diarization (Park et al. 2022, "A review of
speaker diarization"). Its time grows with the square of their number, so windows are clustered in batches, and then
the batches' voices: time is that of so many batches, memory one vector a window, however long the video is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from clip_platform.progress import OnProgress, silent
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples, sample_at
from clip_platform.timeline import Span

WINDOW_S, STEP_S = Fraction(3, 2), Fraction(3, 4)
SHORTEST_WINDOW_S = Fraction(1, 2)
"""Shorter speech says too little about a voice."""
SAME_VOICE = 0.4
"""Mean cosine similarity from which on two groups of windows are one voice: NeMo's own bound for one speaker (its score
of 0.7 is `(1 + cosine) / 2`)."""
MOST_VOICES = 12
LEAST_WINDOWS = 2
"""A voice heard in fewer windows is a cough, laughter or two people at once."""
_BATCH = 1000
_AT_ONCE = 64


class VoiceEmbedder(Protocol):
    """Turns the sound of a voice into a vector; vectors of one voice point the same way."""

    def embed(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """float32, shape (sounds, size), of any length. `sounds`: float32, mono at 16 kHz, equally long."""
        ...


@dataclass(frozen=True, slots=True)
class Voices:
    """`voices[i]` is who is heard in `windows[i]`, counted from 0 in order of first appearance; -1 where unknown."""

    windows: Sequence[Span]
    voices: np.ndarray


def find_voices(
    sound: SoundTrack, speech: Sequence[Span], embedder: VoiceEmbedder, on_progress: OnProgress = silent
) -> Voices:
    """Who is heard through all stretches of speech.

    Raises:
        EngineUnavailable: see the embedder.
    """
    windows = [window for span in speech for window in _windows(span)]
    parts: list[np.ndarray] = []
    for first in range(0, len(windows), _AT_ONCE):
        some = windows[first : first + _AT_ONCE]
        parts.append(embedder.embed([_heard(sound, window) for window in some]))
        on_progress((first + len(some)) / len(windows))
    return Voices(windows, cluster(np.concatenate(parts)) if parts else np.zeros(0, np.int64))


def cluster(embeddings: np.ndarray) -> np.ndarray:
    """Which embeddings are of one voice.

    Args:
        embeddings: shape (windows, size); of any length, a zero vector or a NaN is of nobody.

    Returns:
        int64, shape (windows,): voices counted from 0 in order of first appearance, fewer than `MOST_VOICES`; -1 for
        what is like none of them.
    """
    vectors, usable = _unit(embeddings)
    known = vectors[usable]
    voices = np.full(len(vectors), -1, np.int64)
    if len(known) == 0:
        return voices
    middles, sizes = _voices_of_batches(known)
    joined = _agglomerated(middles)
    centres = np.array([(middles * sizes[:, None])[joined == group].sum(axis=0) for group in range(joined.max() + 1)])
    counts = np.bincount(joined, sizes)
    largest = np.argsort(-counts, kind="stable")[:MOST_VOICES]
    kept = [group for group in largest if counts[group] >= min(LEAST_WINDOWS, counts.max())]
    centres = _unit(centres[kept])[0]
    likeness = known @ centres.T
    voices[usable] = np.where(likeness.max(axis=1) >= SAME_VOICE, likeness.argmax(axis=1), -1)
    return _in_order(voices)


def label_of(voice: int) -> str:
    """`S1` for the first voice."""
    return f"S{voice + 1}"


def _windows(span: Span) -> list[Span]:
    """Windows of `WINDOW_S` every `STEP_S` that end with the span; one about its middle where it is shorter, none where
    it is too short."""
    if span.duration_s < SHORTEST_WINDOW_S:
        return []
    if span.duration_s <= WINDOW_S:
        return [span]
    count = 1 + int((span.duration_s - WINDOW_S) / STEP_S)
    starts = [span.start + number * STEP_S for number in range(count)]
    if starts[-1] + WINDOW_S < span.end:
        starts.append(span.end - WINDOW_S)
    return [Span(start, start + WINDOW_S) for start in starts]


def _heard(sound: SoundTrack, window: Span) -> np.ndarray:
    """The window's samples, repeated until they are as long as any window's: a batch is of one length, and silence is
    no voice."""
    samples = clean_samples(sound, sample_at(window.start), sample_at(window.end))
    return np.resize(samples, int(WINDOW_S * SAMPLE_RATE_HZ))


def _voices_of_batches(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of each voice of each batch, unit length, and how many windows it has."""
    middles, sizes = [], []
    for first in range(0, len(vectors), _BATCH):
        batch = vectors[first : first + _BATCH]
        groups = _agglomerated(batch)
        for group in range(groups.max() + 1):
            members = batch[groups == group]
            middles.append(members.mean(axis=0))
            sizes.append(len(members))
    return _unit(np.array(middles))[0], np.array(sizes)


def _agglomerated(vectors: np.ndarray) -> np.ndarray:
    """The group of each unit vector, counted from 0: always the two most alike groups are joined, while the mean cosine
    similarity of their members is at least `SAME_VOICE`.

    Follows each group to its most alike one until two are each other's (the nearest-neighbour chain of Murtagh 1983).
    The mean similarity of two groups is the product of their sums over that of their sizes, so no pair is kept.
    """
    sums, sizes = vectors.astype(float), np.ones(len(vectors))
    open_, joined_to = np.ones(len(vectors), bool), np.arange(len(vectors))
    chain: list[int] = []
    while open_.any():
        chain = chain or [int(open_.argmax())]
        last = chain[-1]
        likeness = np.where(open_, sums @ sums[last] / (sizes * sizes[last]), -np.inf)
        likeness[last] = -np.inf
        nearest = int(likeness.argmax())
        before = chain[-2] if len(chain) > 1 else -1
        if likeness[nearest] < SAME_VOICE:
            open_[chain.pop()] = False
        elif before >= 0 and likeness[before] >= likeness[nearest]:
            sums[before] += sums[last]
            sizes[before] += sizes[last]
            open_[last], joined_to[last] = False, before
            del chain[-2:]
        else:
            chain.append(nearest)
    while (joined_to != joined_to[joined_to]).any():
        joined_to = joined_to[joined_to]
    return np.unique(joined_to, return_inverse=True)[1]


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length one, float32, and which of them have a direction."""
    finite = np.where(np.isfinite(vectors).all(axis=1)[:, None], vectors, 0.0)
    length = np.linalg.norm(finite, axis=1)
    usable = length > 1e-9
    return (finite / np.maximum(length, 1e-9)[:, None]).astype(np.float32), usable


def _in_order(voices: np.ndarray) -> np.ndarray:
    """The same groups, counted in order of their first appearance."""
    found, first = np.unique(voices[voices >= 0], return_index=True)
    rank = {int(group): number for number, group in enumerate(found[np.argsort(first)])}
    return np.array([rank.get(int(voice), -1) for voice in voices], np.int64)
