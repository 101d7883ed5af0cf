"""The one typeface of captions: where its file is, how wide text is in it, and which letters it lacks."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from clip_platform.errors import EngineUnavailable

FAMILY = "DejaVu Sans"
ASS_SIZE_PER_EM = 1.164
"""ASS sizes mean line height (ascender + descender of the OS/2 table), not the em: 2384 / 2048 for this face."""

_FILE = Path("mpl-data", "fonts", "ttf", "DejaVuSans-Bold.ttf")
_BASIC_LATIN_END = 0x24F


@functools.cache
def font_file() -> Path:
    """The bold face, as matplotlib ships it; found without importing matplotlib.

    Raises:
        EngineUnavailable: matplotlib is not installed, or came without its fonts.
    """
    found = importlib.util.find_spec("matplotlib")
    folders = found.submodule_search_locations if found else None
    for folder in folders or ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise EngineUnavailable(
        f"{_FILE.name}, the typeface of captions, is not there; reinstall matplotlib, which ships it"
    )


def text_width_px(text: str, em_px: float) -> float:
    """Advance width of one line of text."""
    return _measuring_font().getlength(text) * em_px / _MEASURING_EM_PX


def missing_letters(text: str) -> str:
    """Letters of the text that the typeface cannot draw, each once, in order of appearance."""
    beyond = dict.fromkeys(letter for letter in text if ord(letter) > _BASIC_LATIN_END and not letter.isspace())
    return "".join(letter for letter in beyond if ord(letter) not in _drawable()) if beyond else ""


_MEASURING_EM_PX = 200


@functools.cache
def _measuring_font():  # type: ignore[no-untyped-def]  # PIL's type would need PIL at import
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file()), _MEASURING_EM_PX, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def _drawable() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_file())).get_charmap())
