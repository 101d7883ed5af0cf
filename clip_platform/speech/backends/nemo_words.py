"""From what a NeMo model emits, token by token, to words with times and confidences. Loads no model.

NeMo's own word times are not taken: for CTC its words start where the word before was emitted, across any pause.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

_LEAST_STEPS = 3
"""CTC and RNNT tell when a token begins, not how long it lasts: until the next begins, but no longer than this."""


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a word: its number in the vocabulary, the steps `[first, end)` it lasts, and how likely it was,
    0..1; None when the decoder kept no probabilities."""

    number: int
    first: int
    end: int
    probability: float | None


def ctc_tokens(log_probabilities: Any, blank: int) -> list[Token]:
    """What CTC emits: runs of the same most likely token are one.

    Args:
        log_probabilities: tensor of natural logarithms, shape (steps, tokens).
    """
    import torch

    probabilities, numbers = log_probabilities.float().softmax(dim=-1).max(dim=-1)
    found: list[Token] = []
    for number, run in itertools.groupby(enumerate(numbers.tolist()), lambda step: step[1]):
        steps = [step for step, _ in run]
        if number != blank:
            mean = float(torch.mean(probabilities[steps[0] : steps[-1] + 1]))
            found.append(Token(number, steps[0], steps[-1] + 1, _in_range(mean)))
    return _lasting(found)


def transducer_tokens(hypothesis: Any, blank: int) -> list[Token]:
    """What RNNT or TDT emitted; only TDT knows how long a token lasts.

    Args:
        hypothesis: NeMo's, with time stamps of kind `char`, and with token confidences where the decoder keeps them.
    """
    numbers = [int(number) for number in hypothesis.y_sequence if int(number) != blank]
    kept = hypothesis.token_confidence
    probabilities = [None] * len(numbers) if kept is None or len(kept) != len(numbers) else map(_in_range, kept)
    found = [
        Token(number, int(stamp["start_offset"]), int(stamp["end_offset"]), probability)
        for number, stamp, probability in zip(numbers, hypothesis.timestamp["char"], probabilities, strict=True)
    ]
    return found if hypothesis.token_duration is not None else _lasting(found)


def words_of(tokens: Sequence[Token], decoding: Any, stride_s: Fraction, chunk: Span) -> tuple[Word, ...]:
    """Words as written, marks included, each from its first token's start to its last one's end, inside the chunk.

    Args:
        decoding: the model's, which knows how pieces become words.
        stride_s: how far two steps are apart.
    """
    marks = decoding.supported_punctuation or set()
    texts = [decoding.decode_ids_to_str([token.number]).strip() for token in tokens]
    found = []
    for text, first, end in _grouped(tokens, decoding):
        spoken = [number for number in range(first, end) if texts[number] and texts[number] not in marks]
        start_s = tokens[spoken[0]].first * stride_s if spoken else chunk.end
        if text and start_s < chunk.end:
            end_s = min(max(tokens[number].end for number in spoken) * stride_s, chunk.end)
            found.append(Word(text, Span(start_s, max(start_s, end_s)), _least([tokens[number] for number in spoken])))
    return tuple(found)


def _grouped(tokens: Sequence[Token], decoding: Any) -> Iterator[tuple[str, int, int]]:
    """Each word's text and its tokens `[first, end)`, by NeMo's own rules, which differ by kind of vocabulary."""
    from nemo.collections.asr.parts.utils.timestamp_utils import get_words_offsets

    def numbered(texts: Sequence[str]) -> list[dict[str, Any]]:
        return [{"char": text, "start_offset": n, "end_offset": n + 1} for n, text in enumerate(texts)]

    numbers = [token.number for token in tokens]
    words = get_words_offsets(
        char_offsets=numbered([decoding.decode_ids_to_str([number]) for number in numbers]),
        encoded_char_offsets=numbered([decoding.decode_ids_to_tokens([number])[0] for number in numbers]),
        decode_tokens_to_str=decoding.decode_tokens_to_str,
        word_delimiter_char=decoding.word_seperator,
        tokenizer_type=decoding.tokenizer_type,
        supported_punctuation=decoding.supported_punctuation,
    )
    for word in words:
        yield word["word"].strip(), word["start_offset"], word["end_offset"]


def _lasting(tokens: Sequence[Token]) -> list[Token]:
    nexts = [token.first for token in tokens[1:]]
    return [
        replace(token, end=max(token.end, min([token.first + _LEAST_STEPS, *nexts[number : number + 1]])))
        for number, token in enumerate(tokens)
    ]


def _least(tokens: Sequence[Token]) -> float | None:
    """A word is as doubtful as its most doubtful piece."""
    known = [token.probability for token in tokens if token.probability is not None]
    return min(known, default=None)


def _in_range(probability: Any) -> float:
    return min(max(float(probability), 0.0), 1.0)
