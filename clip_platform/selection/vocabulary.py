"""What a word says by itself: content or glue, stem, question, number. No times, no sentences, no scores.

English has word lists; in other languages only length, digits and question marks speak.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from clip_platform.speech.sentences import ENDING_MARKS

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: scripts without spaces between words."""
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)  # they choose the look of an emoji
MARKS = "\u200c\u200d" + "".join(
    chr(code)
    for code in range(0x300, 0x12000)
    if unicodedata.category(chr(code)) in ("Mn", "Mc") and code not in _VARIATION_SELECTORS
)
"""What belongs to the letter before it: accents, the vowels of Indic scripts and Thai; joiners inside a word."""

_WORD = rf"[^\W_]+(?:[{MARKS}]+[^\W_]*)*"
_TOKEN = re.compile(rf"{_WORD}(?:['’]{_WORD})*")
_SUFFIXES = ("ational", "ization", "fulness", "iveness", "ements", "ations", "ingly", "ement", "ation", "ness", "ment",
             "ings", "edly", "ies", "ing", "ers", "est", "ied", "ed", "er", "es", "ly", "s")  # fmt: skip
_SHORTEST_STEM = 3


def word_set(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """
    a about above after again against ain't all also am an and another any anyone anything are aren't around as at
    away back be because been before being below between both but by came can can't cannot come comes could couldn't
    did didn't do does doesn't doing don't done down during each either else even ever every everybody everyone
    everything few first for from further gave get gets getting give go goes going gone gonna got had hadn't has
    hasn't have haven't having he he'd he'll he's her here here's hers herself hey him himself his how how's however
    i i'd i'll i'm i've if in instead into is isn't it it'd it'll it's its itself just keep kind know last least
    less let let's like likely look lot lots made make makes many may maybe me mean means might mine more most much
    must my myself never next no nobody nor not nothing now of off oh ok okay on once one ones only onto or other
    others ought our ours ourselves out over own part people perhaps pretty put quite rather really right said same
    say saying says see seem seems seen shall she she'd she'll she's should shouldn't since so some somebody someone
    something sometimes somewhat sort stuff such sure take taken takes tell than thank thanks that that'll that's
    the their theirs them themselves then there there's therefore these they they'd they'll they're they've thing
    things think this those though through thus to together told too took toward towards try trying two uh um under
    until up upon us use used using very want wanted wants was wasn't way we we'd we'll we're we've well went were
    weren't what what's whatever when where whether which while who who's whole whom whose why will with within
    without won't would wouldn't yeah yes yet you you'd you'll you're you've your yours yourself
    """
)
QUESTION_MARKS = ("?", "？", "؟")
QUESTION_WORDS = word_set("what why how who when where which whose whom")
_ASKING_VERBS = word_set(
    """
    do does did is are was were can could would will should have has had isn't aren't don't doesn't didn't can't
    won't
    """
)
_ASKED = word_set("you i we they he she it there this that the anyone anybody your my")
NUMBER_WORDS = word_set(
    """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion percent half
    twice double triple
    """
)
STRONG_WORDS = word_set(
    """
    best worst biggest greatest never always nobody everybody everyone secret mistake mistakes wrong
    truth surprising surprised incredible amazing crazy insane shocking terrible dangerous hardest easiest fastest
    cheapest impossible huge extremely absolutely
    """
)
FILLERS = word_set("um uh uhm erm er hmm mm mhm basically literally actually like")


def tokens(text: str) -> list[str]:
    """Lower-case words without punctuation; apostrophes inside a word stay, and accents are one with their letter."""
    composed = unicodedata.normalize("NFC", text.lower())
    return [token.replace("’", "'") for token in _TOKEN.findall(composed)]


@lru_cache(maxsize=65536)
def stem(token: str) -> str:
    """A crude English stem: the longest known suffix off, one form for doubled consonants and a final e or y.

    Stems only have to agree with each other, not to be words (compare M. F. Porter, "An algorithm for suffix
    stripping", Program 14, 1980).
    """
    word = token.split("'")[0]
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            word = word[: -len(suffix)]
            break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    return word[:-1] if len(word) > _SHORTEST_STEM and word[-1] in "eyi" else word


def is_content(token: str) -> bool:
    """Whether a token names something: no glue word, no scrap of one or two Latin letters."""
    return token not in STOP_WORDS and (len(token) > 2 or not token.isascii())


def content_stems(text: str) -> list[str]:
    """Stems of the content words of a text, in order, repeated as said."""
    return [stem(token) for token in tokens(text) if is_content(token)]


def is_number(token: str) -> bool:
    return token in NUMBER_WORDS or any(character.isdigit() for character in token)


def is_question(text: str) -> bool:
    """Whether a sentence asks: it ends with a question mark, or has no end mark and is built as a question."""
    ending = text.rstrip("\"'”’) ")[-1:]
    if ending in QUESTION_MARKS:
        return True
    return (ending == "…" or ending not in ENDING_MARKS) and is_built_as_question(tokens(text))


def is_built_as_question(words: list[str]) -> bool:
    """Whether words start as an English question does: "do you ...", "why is ...", "how many ..."."""
    if len(words) < 3:
        return False
    first, second = words[0], words[1]
    if first in _ASKING_VERBS:
        return second in _ASKED
    if first not in QUESTION_WORDS:
        return first in ("what's", "who's", "why's", "where's", "how's")
    return second in _ASKING_VERBS or (first == "how" and second in ("many", "much", "long", "often", "far"))
