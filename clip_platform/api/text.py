"""Text that people type: names, titles, notes. What would confuse another reader, or a database, is refused by name."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

# They make text read otherwise than it is stored: `invoice\u202egpj.exe` shows as `invoiceexe.jpg`.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def plain_text(max_characters: int, *, min_characters: int = 1, lines: bool = False) -> Any:
    """A type for pydantic: text in NFC without control characters; with `lines`, line feeds and tabs may be in it."""

    def checked(text: str) -> str:
        return normalised(text, allowed="\n\t" if lines else "")

    limits = StringConstraints(min_length=min_characters, max_length=max_characters)
    return Annotated[str, limits, AfterValidator(checked)]


def normalised(text: str, *, allowed: str = "") -> str:
    """In NFC.

    Raises:
        ValueError: names the first character that may not be in it.
    """
    for position, character in enumerate(text):
        refused = character in _BIDI_CONTROLS or unicodedata.category(character) in _REFUSED_CATEGORIES
        if refused and character not in allowed:
            name = unicodedata.name(character, "a control character")
            raise ValueError(f"character {position + 1} is U+{ord(character):04X} ({name}); leave it out")
    return unicodedata.normalize("NFC", text)


PlainText = plain_text(200)
