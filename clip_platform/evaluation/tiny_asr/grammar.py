"""Every sentence the tiny model is for: few words, real grammar, capitals and full stops. Nothing is spoken here."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

VOICES = ("slt", "rms", "awb", "kal16")
"""Of flite, at 16 kHz."""
MARKS = (".", "?")

_WORDS = {
    "topic": ("money", "music", "science", "coffee", "football", "history"),
    "kind": ("best", "worst", "biggest", "simple", "strange", "first"),
    "noun": ("doctor", "teacher", "engine", "garden", "river", "mountain"),
    "verb": ("open", "break", "follow", "remember", "finish"),
    "time": ("morning", "week", "year"),
}
_TEMPLATES = (
    "Today we talk about {topic}.",
    "The {kind} {noun} is {kind}.",
    "Why did the {noun} {verb} the {noun}?",
    "I never told anyone about my {noun}.",
    "This is the secret of {topic}.",
    "You should {verb} your {noun} every {time}.",
    "Nobody will {verb} the {noun}.",
    "My {kind} {time} was about {topic}.",
    "We will remember the {kind} {time}.",
    "Why is {topic} the {kind} secret?",
    "I told the {noun} about {topic} every {time}.",
)
_GAP = re.compile(r"\{(\w+)\}")
_HELD_OUT = 60
_SHORTEST_JUMBLE, _LONGEST_JUMBLE = 2, 5


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence and the voice that says it."""

    voice: str
    text: str


@dataclass(frozen=True, slots=True)
class Split:
    """What is taught and what is kept back; no sentence is in both, whatever the voice."""

    taught: tuple[Line, ...]
    held_out: tuple[Line, ...]


def every_sentence() -> list[str]:
    """All sentences of the grammar, in a fixed order, each once; none has the same word twice in a gap's kind."""
    return [sentence for template in _TEMPLATES for sentence in _filled(template)]


def vocabulary() -> list[str]:
    """Every word as written, without marks, sorted; "The" and "the" are two."""
    return sorted({word.strip("".join(MARKS)) for sentence in every_sentence() for word in sentence.split()})


def split_sentences(seed: int, voices_each: int = 2, jumbles: int = 600) -> Split:
    """Sentences to teach and to keep back.

    Args:
        voices_each: how many voices say a taught sentence.
        jumbles: taught lines of random words beside the sentences, so that words are learnt by their sound, not by
            their neighbours.
    """
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    sentences = every_sentence()
    chance.shuffle(sentences)
    held_out = tuple(Line(VOICES[number % len(VOICES)], text) for number, text in enumerate(sentences[:_HELD_OUT]))
    taught = [Line(voice, text) for text in sentences[_HELD_OUT:] for voice in chance.sample(VOICES, voices_each)]
    words = vocabulary()
    taught += [Line(chance.choice(VOICES), _jumble(words, chance)) for _ in range(jumbles)]
    return Split(tuple(taught), held_out)


def _filled(template: str) -> Iterator[str]:
    gaps = _GAP.findall(template)
    for words in itertools.product(*(_WORDS[gap] for gap in gaps)):
        if len(set(words)) == len(words):
            rest: Iterator[str] = iter(words)
            yield _GAP.sub(lambda _gap, rest=rest: next(rest), template)  # type: ignore[misc]


def _jumble(words: Sequence[str], chance: random.Random) -> str:
    """Random words, written as a sentence is: what starts with a capital comes first."""
    first = [word for word in words if word[0].isupper()]
    others = [word for word in words if word not in first or word == "I"]
    length = chance.randint(_SHORTEST_JUMBLE, _LONGEST_JUMBLE)
    return " ".join((chance.choice(first), *chance.sample(others, length))) + "."
