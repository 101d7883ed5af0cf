"""Captions of one clip: which words stand together, on which lines, in which frames. Pure; writes no file.

Times are frame numbers of the clip, so captions change exactly where frames do. `subtitles` turns them into text files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.rendering.grid import FrameGrid
from clip_platform.speech.transcript import Word

MOST_WORDS = 4
_USUAL_WORDS = 3
_PAUSE_S = Fraction(2, 5)
_HELD_GAP_S = Fraction(1, 4)
"""A word stays highlighted over a gap up to this long, so that the highlight does not blink between words."""
_LINGER_S = Fraction(3, 10)
"""How long a block stays after its last word when nothing follows at once."""
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟")
_CLAUSE_ENDS = (",", ";", ":", "–", "—", "،", "、", "，")
_CLOSING = "\"'”’»)]}"

TextWidth = Callable[[str, float], float]
"""Width in pixels of a line of text at an em in pixels."""


@dataclass(frozen=True, slots=True)
class CaptionArea:
    """Where captions may be, in output pixels, and their em. No letter leaves it."""

    left_px: int
    right_px: int
    top_px: int
    bottom_px: int
    em_px: int

    @property
    def width_px(self) -> int:
        return self.right_px - self.left_px


@dataclass(frozen=True, slots=True)
class CaptionWord:
    """A word, spoken (and highlighted) in frames `first_frame..end_frame - 1`; `start_s` is when it really begins, in
    clip time, before it was put on a frame."""

    text: str
    first_frame: int
    end_frame: int
    start_s: Fraction


@dataclass(frozen=True, slots=True)
class CaptionBlock:
    """Words shown together in frames `first_frame..end_frame - 1`, in one or two lines: the second begins at word
    `second_line` (the number of words when there is none). `em_px` is the area's or, for a long word, less."""

    words: tuple[CaptionWord, ...]
    first_frame: int
    end_frame: int
    second_line: int
    em_px: int

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def lines(self) -> tuple[str, ...]:
        parts = (self.words[: self.second_line], self.words[self.second_line :])
        return tuple(" ".join(word.text for word in part) for part in parts if part)


def caption_area(width_px: int, height_px: int) -> CaptionArea:
    """The part of a clip that no platform covers.

    In tall clips: x 65..910 and y 270..1250 of 1080x1920 stay free on TikTok, Reels and Shorts alike; captions are
    centred in the picture, so the right bound holds on the left too. Other shapes are shown in feeds that cover
    nothing: there a margin of a twelfth of the width and of 8 % of the height is kept.
    """
    if height_px * 10 >= width_px * 16:
        scale = width_px / 1080
        return CaptionArea(
            round(170 * scale), round(910 * scale), round(270 * height_px / 1920), round(1250 * height_px / 1920),
            max(6, round(76 * scale)),
        )  # fmt: skip
    margin_px, em_px = round(width_px / 12), max(6, round(min(width_px, height_px) * 0.058))
    return CaptionArea(margin_px, width_px - margin_px, round(height_px * 0.08), round(height_px * 0.92), em_px)


def caption_blocks(
    words: Sequence[Word], grid: FrameGrid, area: CaptionArea, width_of: TextWidth
) -> tuple[CaptionBlock, ...]:
    """Words of a clip in blocks of up to four words and two lines that never overlap in time.

    Blocks end at sentence ends, at pauses, and at commas where that leaves no single word behind.

    Args:
        words: of the source, in order; those without letters or outside the grid's frames are left out.
    """
    timed = _on_frames(words, grid)
    groups = [group for phrase in _phrases(timed, grid.rate) for group in _groups(phrase, area, width_of)]
    return tuple(
        _block(group, following, grid, area, width_of)
        for group, following in zip(groups, [*groups, ()][1:], strict=True)
    )


def caption_error_s(blocks: Sequence[CaptionBlock], rate: Fraction) -> float:
    """The largest distance between the start of a word and the frame in which it lights up; 0 without words."""
    errors = (abs(word.first_frame / rate - word.start_s) for block in blocks for word in block.words)
    return float(max(errors, default=Fraction(0)))


def ends_sentence(text: str) -> bool:
    """Whether the text says so itself, also within quotes or brackets."""
    return text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def _spoken_in(words: Sequence[Word], grid: FrameGrid) -> tuple[Word, ...]:
    """Words of which at least half lies in the clip."""
    return tuple(word for word in words if grid.span.contains(word.span.middle))


def _on_frames(words: Sequence[Word], grid: FrameGrid) -> list[CaptionWord]:
    """Each word on its nearest frames, in order, at least one frame each."""
    kept = [(text, word) for word in _spoken_in(words, grid) if (text := _clean(word.text))]
    firsts: list[int] = []
    for _, word in kept:
        earliest = firsts[-1] + 1 if firsts else 0
        firsts.append(max(grid.nearest_frame(word.span.start), earliest))
    timed = []
    for (text, word), first, following in zip(kept, firsts, [*firsts, grid.frames][1:], strict=True):
        end = min(max(grid.nearest_frame(word.span.end), first + 1), max(following, first + 1))
        if first < grid.frames:
            start_s = max(word.span.start - grid.start_s, Fraction(0))
            timed.append(CaptionWord(text, first, min(end, grid.frames), start_s))
    return timed


def _clean(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _phrases(words: Sequence[CaptionWord], rate: Fraction) -> list[list[CaptionWord]]:
    phrases: list[list[CaptionWord]] = []
    for word in words:
        if not phrases or _ends_phrase(phrases[-1], word, rate):
            phrases.append([])
        phrases[-1].append(word)
    return phrases


def _ends_phrase(phrase: Sequence[CaptionWord], following: CaptionWord, rate: Fraction) -> bool:
    last = phrase[-1]
    if ends_sentence(last.text) or (following.first_frame - last.end_frame) / rate >= _PAUSE_S:
        return True
    return last.text.rstrip(_CLOSING).endswith(_CLAUSE_ENDS) and len(phrase) > 1


def _groups(phrase: Sequence[CaptionWord], area: CaptionArea, width_of: TextWidth) -> list[tuple[CaptionWord, ...]]:
    """Even groups of about three words, smaller where two lines do not hold them."""
    for count in range(max(1, round(len(phrase) / _USUAL_WORDS)), len(phrase)):
        groups = _evenly(phrase, count)
        if all(len(group) <= MOST_WORDS and _widest(group, area.em_px, width_of) <= area.width_px for group in groups):
            return groups
    return [(word,) for word in phrase]


def _evenly(phrase: Sequence[CaptionWord], count: int) -> list[tuple[CaptionWord, ...]]:
    bounds = [round(i * len(phrase) / count) for i in range(count + 1)]
    return [tuple(phrase[first:end]) for first, end in itertools.pairwise(bounds)]


def _widest(words: Sequence[CaptionWord], em_px: float, width_of: TextWidth) -> float:
    return max(_line_widths(words, _second_line(words, em_px, width_of, 0.0), em_px, width_of))


def _line_widths(words: Sequence[CaptionWord], second_line: int, em_px: float, width_of: TextWidth) -> list[float]:
    lines = (words[:second_line], words[second_line:])
    return [width_of(" ".join(word.text for word in line), em_px) for line in lines]


def _second_line(words: Sequence[CaptionWord], em_px: float, width_of: TextWidth, one_line_px: float) -> int:
    """Where the second line begins so that the lines are as even as can be; one line when `one_line_px` holds it."""
    if len(words) == 1 or width_of(" ".join(word.text for word in words), em_px) <= one_line_px:
        return len(words)
    return min(range(1, len(words)), key=lambda split: max(_line_widths(words, split, em_px, width_of)))


def _block(
    group: tuple[CaptionWord, ...],
    following: tuple[CaptionWord, ...],
    grid: FrameGrid,
    area: CaptionArea,
    width_of: TextWidth,
) -> CaptionBlock:
    limit = following[0].first_frame if following else grid.frames
    end = min(group[-1].end_frame + round(_LINGER_S * grid.rate), limit)
    if limit - group[-1].end_frame <= _PAUSE_S * grid.rate:
        end = limit
    widest = _widest(group, area.em_px, width_of)
    em_px = area.em_px if widest <= area.width_px else max(1, int(area.em_px * area.width_px / widest))
    second_line = _second_line(group, em_px, width_of, area.width_px)
    return CaptionBlock(_held(group, end, grid.rate), group[0].first_frame, end, second_line, em_px)


def _held(group: tuple[CaptionWord, ...], block_end: int, rate: Fraction) -> tuple[CaptionWord, ...]:
    """Words of a block with short gaps between them closed."""
    ends = [word.first_frame for word in group[1:]] + [block_end]
    held = []
    for word, following in zip(group, ends, strict=True):
        is_short = following - word.end_frame <= _HELD_GAP_S * rate
        held.append(CaptionWord(word.text, word.first_frame, following if is_short else word.end_frame, word.start_s))
    return tuple(held)
