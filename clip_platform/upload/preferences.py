"""What a tenant asks of the clips of one video. Every other package reads its own part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

from clip_platform.errors import InvalidPreference

ASPECTS: Mapping[str, Fraction] = {
    "9:16": Fraction(9, 16),
    "4:5": Fraction(4, 5),
    "1:1": Fraction(1),
    "16:9": Fraction(16, 9),
}
CAPTION_STYLES = ("highlight", "plain", "none")
MAX_CLIPS = 50
SHORTEST_CLIP_S = 3.0
LONGEST_CLIP_S = 900.0


@dataclass(frozen=True, slots=True)
class Preferences:
    """Validated when made.

    Attributes:
        clips: how many clips at most, 1..50.
        min_s, max_s: duration band of a clip in seconds, 3..900, `min_s < max_s`.
        aspect: width to height, one of `ASPECTS`.
        caption_style: one of `CAPTION_STYLES`; `highlight` colours the spoken word.

    Raises:
        InvalidPreference: names the field, its value and what is allowed.
    """

    clips: int = 5
    min_s: float = 15.0
    max_s: float = 60.0
    aspect: str = "9:16"
    caption_style: str = "highlight"

    def __post_init__(self) -> None:
        if isinstance(self.clips, bool) or not isinstance(self.clips, int) or not 1 <= self.clips <= MAX_CLIPS:
            raise InvalidPreference(f"clips is {self.clips!r}; ask for a whole number from 1 to {MAX_CLIPS}")
        for name, value in (("min_s", self.min_s), ("max_s", self.max_s)):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not SHORTEST_CLIP_S <= value <= LONGEST_CLIP_S:
                raise InvalidPreference(
                    f"{name} is {value!r}; give seconds from {SHORTEST_CLIP_S:g} to {LONGEST_CLIP_S:g}"
                )
        if self.min_s >= self.max_s:
            raise InvalidPreference(
                f"min_s {self.min_s:g} is not below max_s {self.max_s:g}; leave room between the two"
            )
        if self.aspect not in ASPECTS:
            raise InvalidPreference(f"aspect is {self.aspect!r}; choose one of {', '.join(ASPECTS)}")
        if self.caption_style not in CAPTION_STYLES:
            raise InvalidPreference(
                f"caption_style is {self.caption_style!r}; choose one of {', '.join(CAPTION_STYLES)}"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Preferences:
        """Preferences from stored or submitted values; missing ones take their default.

        Raises:
            InvalidPreference: also for a name that is not a preference.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InvalidPreference(f"{', '.join(unknown)}: no such preference; there are {', '.join(known)}")
        return cls(**values)  # type: ignore[arg-type]  # __post_init__ checks types
