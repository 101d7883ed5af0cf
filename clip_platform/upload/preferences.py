"""What a tenant asks of the clips of one video. Every other package reads its own part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from clip_platform.errors import InvalidPreference

ASPECTS: Mapping[str, Fraction] = {
    "9:16": Fraction(9, 16),
    "4:5": Fraction(4, 5),
    "1:1": Fraction(1),
    "16:9": Fraction(16, 9),
}
CAPTION_STYLES = ("highlight", "plain", "none")
PLATFORMS = ("tiktok", "instagram_reels", "youtube_shorts", "linkedin", "x")
MAX_CLIPS = 50
MAX_KEYWORDS = 20
MAX_KEYWORD_CHARACTERS = 60
SHORTEST_CLIP_S = 3.0
LONGEST_CLIP_S = 900.0
LATEST_S = 7 * 24 * 3600.0
"""No source is that long, whatever an installation takes."""

_LISTS = ("keywords", "platforms")
# RFC 5646, without the registry: language, then script, region, variants, extensions.
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,7}")


@dataclass(frozen=True, slots=True)
class Preferences:
    """Validated when made.

    Attributes:
        clips: how many clips at most, 1..50.
        min_s, max_s: duration band of a clip in seconds, 3..900, `min_s < max_s`.
        aspect: width to height, one of `ASPECTS`.
        caption_style: one of `CAPTION_STYLES`; `highlight` colours the spoken word.
        range_start_s, range_end_s: the part of the source that clips may come from; None: its beginning, its end.
        keywords: clips that speak of these are preferred; at most 20, each at most 60 characters.
        language: what is spoken, as a BCP 47 tag such as `en` or `pt-BR`; None: whatever the engine takes it for.
        platforms: where the clips will be shown, some of `PLATFORMS`.

    Raises:
        InvalidPreference: names the field, its value and what is allowed.
    """

    clips: int = 5
    min_s: float = 15.0
    max_s: float = 60.0
    aspect: str = "9:16"
    caption_style: str = "highlight"
    range_start_s: float | None = None
    range_end_s: float | None = None
    keywords: tuple[str, ...] = ()
    language: str | None = None
    platforms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.clips, bool) or not isinstance(self.clips, int) or not 1 <= self.clips <= MAX_CLIPS:
            raise InvalidPreference(f"clips is {self.clips!r}; ask for a whole number from 1 to {MAX_CLIPS}")
        _check_seconds("min_s", self.min_s, SHORTEST_CLIP_S, LONGEST_CLIP_S)
        _check_seconds("max_s", self.max_s, SHORTEST_CLIP_S, LONGEST_CLIP_S)
        if self.min_s >= self.max_s:
            raise InvalidPreference(
                f"min_s {self.min_s:g} is not below max_s {self.max_s:g}; leave room between the two"
            )
        _check_choice("aspect", self.aspect, tuple(ASPECTS))
        _check_choice("caption_style", self.caption_style, CAPTION_STYLES)
        _check_range(self.range_start_s, self.range_end_s, self.min_s)
        _check_keywords(self.keywords)
        _check_language(self.language)
        _check_distinct("platforms", self.platforms, len(PLATFORMS))
        for platform in self.platforms:
            _check_choice("platforms", platform, PLATFORMS)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Preferences:
        """Preferences from stored or submitted values; missing ones take their default.

        Raises:
            InvalidPreference: also for a name that is not a preference.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InvalidPreference(f"{_named(unknown)}: no such preference; there are {', '.join(known)}")
        plain = {
            name: tuple(value) if name in _LISTS and isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**plain)  # type: ignore[arg-type]  # __post_init__ checks types

    def as_mapping(self) -> dict[str, Any]:
        """As plain JSON. What came later than the first five and was not asked for is left out, so that the same wish
        has the same digest whenever it was written."""
        always = ("clips", "min_s", "max_s", "aspect", "caption_style")
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name in always or value not in (None, ())
        }


def _check_seconds(name: str, value: object, least: float, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # type: ignore[operator]  # a number by now
        raise InvalidPreference(f"{name} is {_shown(value)}; give seconds from {least:g} to {most:g}")


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidPreference(f"{name} is {_shown(value)}; choose one of {', '.join(choices)}")


def _check_range(start_s: float | None, end_s: float | None, min_s: float) -> None:
    for name, value in (("range_start_s", start_s), ("range_end_s", end_s)):
        if value is not None:
            _check_seconds(name, value, 0.0, LATEST_S)
    if end_s is not None and end_s - (start_s or 0.0) < min_s:
        raise InvalidPreference(
            f"the range from {start_s or 0.0:g} to range_end_s {end_s:g} is shorter than min_s {min_s:g}; "
            "widen it, or ask for shorter clips"
        )


def _check_keywords(keywords: object) -> None:
    _check_distinct("keywords", keywords, MAX_KEYWORDS)
    for keyword in keywords:  # type: ignore[attr-defined]  # a tuple of texts by now
        if not keyword.strip() or len(keyword) > MAX_KEYWORD_CHARACTERS or not keyword.isprintable():
            raise InvalidPreference(
                f"keywords has {_shown(keyword)}; give words of 1 to {MAX_KEYWORD_CHARACTERS} printable characters"
            )


def _check_language(language: object) -> None:
    if language is None:
        return
    if not isinstance(language, str) or _LANGUAGE_TAG.fullmatch(language) is None:
        raise InvalidPreference(f"language is {_shown(language)}; give a BCP 47 tag such as en or pt-BR")


def _check_distinct(name: str, values: object, most: int) -> None:
    if not isinstance(values, tuple) or not all(isinstance(value, str) for value in values):
        raise InvalidPreference(f"{name} is {_shown(values)}; give a list of texts")
    if len(values) > most:
        raise InvalidPreference(f"{name} has {len(values)} entries; give at most {most}")
    folded = [value.casefold() for value in values]
    twice = sorted({value for value in folded if folded.count(value) > 1})
    if twice:
        raise InvalidPreference(f"{name} has {_shown(twice[0])} twice; name each once")


def _named(unknown: Sequence[str]) -> str:
    """Names that anybody may have made up: plain ones as they are, the first few."""
    return ", ".join(name if name.isidentifier() and len(name) <= 40 else _shown(name) for name in unknown[:5])


def _shown(value: object) -> str:
    """A submitted value in a message, bounded: it may be a megabyte."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**18 else "a very large number"
    return text if len(text) <= 80 else f"{text[:80]}..."
