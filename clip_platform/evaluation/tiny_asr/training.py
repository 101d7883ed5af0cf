"""Teaches the tiny network in some CPU-minutes: which word is said in every step, and then the words in order.

The synthesiser's times make the first a plain classification, which is learnt fast and puts words where they are said;
the CTC loss on top takes care that each is emitted once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_platform.evaluation.tiny_asr.corpus import Recording, at_speed, joined
from clip_platform.evaluation.tiny_asr.model import STRIDE_S, Tokens

if TYPE_CHECKING:
    import torch

_IGNORED = -100
_MARK_STEPS = 2
"""A full stop or question mark is emitted in the steps after the last word."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`in_order_from`: the share of the steps after which the CTC loss joins in."""

    steps: int = 1400
    batch: int = 10
    peak_rate: float = 2e-3
    warm_up_steps: int = 80
    in_order_from: float = 0.4
    decay_from: float = 0.55


OnStep = Callable[[int, float], None]
"""Called after every step with its number, from 1, and its loss."""


def train(
    model: Any, tokens: Tokens, recordings: Sequence[Recording], seed: int, schedule: Schedule, on_step: OnStep
) -> None:
    """Trains in place. The same seed and versions on the same kind of CPU give the same weights."""
    import torch

    torch.manual_seed(seed)
    chance, noise = random.Random(seed), np.random.default_rng(seed)  # noqa: S311 - chance, not a secret
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.peak_rate, betas=(0.9, 0.98), weight_decay=1e-3)
    model.train()
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, schedule)
        batch = _batch(recordings, schedule.batch, chance, noise)
        in_order = step >= schedule.in_order_from * schedule.steps
        loss = _loss(model, tokens, batch, in_order=in_order)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        on_step(step + 1, float(loss.detach()))
    model.eval()


def _rate(step: int, schedule: Schedule) -> float:
    """Warms up, stays, and falls to almost nothing."""
    done = step / schedule.steps
    fall = min(1.0, max(0.02, (1 - done) / (1 - schedule.decay_from)))
    return schedule.peak_rate * min(1.0, (step + 1) / schedule.warm_up_steps) * fall


# What is heard


def _batch(
    recordings: Sequence[Recording], count: int, chance: random.Random, noise: np.random.Generator
) -> list[Recording]:
    """Mostly a sentence or two; now and then a stretch as long as what the product hands over at once."""
    sentences = chance.choice((1, 1, 2, 2, 3, 5))
    fewer = max(2, round(count / max(1, sentences / 2)))
    return [_varied(recordings, sentences, chance, noise) for _ in range(fewer)]


def _varied(
    recordings: Sequence[Recording], sentences: int, chance: random.Random, noise: np.random.Generator
) -> Recording:
    """Sentences after one another, between silences, each a little faster or slower, all louder or softer, in noise."""

    def parts() -> Iterator[Recording | float]:
        for _ in range(sentences):
            yield chance.uniform(0.0, 0.5)
            yield at_speed(chance.choice(recordings), chance.uniform(0.93, 1.08))
        yield chance.uniform(0.0, 0.5)

    clean = joined(parts())
    floor = noise.standard_normal(len(clean.samples), np.float32) * 10 ** chance.uniform(-4.5, -2.8)
    return Recording(clean.samples * chance.uniform(0.3, 1.2) + floor.astype(np.float32), clean.words)


# What is learnt


def _loss(model: Any, tokens: Tokens, batch: Sequence[Recording], *, in_order: bool) -> torch.Tensor:
    import torch

    lengths = torch.tensor([len(recording.samples) for recording in batch])
    sounds = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(one.samples) for one in batch], batch_first=True)
    with torch.no_grad():
        spectra, frames = model.preprocessor(input_signal=sounds, length=lengths)
    encoded, steps = model.encoder(audio_signal=spectra, length=frames)
    log_probabilities = model.decoder(encoder_output=encoded)
    targets = torch.full(log_probabilities.shape[:2], _IGNORED)
    for row, recording, count in zip(targets, batch, steps.tolist(), strict=True):
        row[:count] = torch.tensor(step_targets(recording, tokens, count))
    weights = torch.ones(tokens.blank + 1)
    weights[tokens.blank] = 0.3
    by_step = torch.nn.functional.nll_loss(
        log_probabilities.transpose(1, 2), targets, weight=weights, ignore_index=_IGNORED
    )
    if not in_order:
        return by_step
    texts = [tokens.of(recording.text) for recording in batch]
    in_sequence = torch.nn.functional.ctc_loss(
        log_probabilities.transpose(0, 1),
        torch.tensor([number for text in texts for number in text]),
        steps,
        torch.tensor([len(text) for text in texts]),
        blank=tokens.blank,
        zero_infinity=True,
    )
    return by_step + in_sequence


def step_targets(recording: Recording, tokens: Tokens, count: int) -> list[int]:
    """What to emit in each of `count` steps: the word that is said in the step's middle, a mark after its word, and
    the blank. Every word has a step at least, however short it is."""
    targets = [tokens.blank] * count
    for word in recording.words:
        number, *mark = tokens.of(word.text)
        first = round(word.start_s / STRIDE_S)
        end = max(first + 1, round(word.end_s / STRIDE_S))
        targets[first:end] = [number] * (min(end, count) - min(first, count))
        for step in range(end, min(end + _MARK_STEPS * len(mark), count)):
            targets[step] = mark[0]
    return targets
