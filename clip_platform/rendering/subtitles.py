"""Captions as text files: ASS for burning in, SRT and VTT as sidecars. Formats and escaping only; what is shown when
is decided in `captions`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.rendering import typeface
from clip_platform.rendering.captions import CaptionArea, CaptionBlock, ends_sentence

_WORD_JOINER = "\u2060"
_LINE_LETTERS = 42
_CUE_LINES = 2
_LONGEST_CUE_S = 6
_CUE_PAUSE_S = Fraction(3, 5)

_WHITE = "&HFFFFFF&"
_SPOKEN = "&H00D7FF&"
"""Golden yellow; ASS colours are blue, green, red."""

_HEADER = """[Script Info]
ScriptType: v4.00+
PlayResX: {width_px}
PlayResY: {height_px}
WrapStyle: 2
ScaledBorderAndShadow: yes
YCbCr Matrix: TV.709

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Words,{family},{size},&H00FFFFFF,&H00FFFFFF,&H00000000,&H90000000,-1,0,0,0,100,100,0,0,1,{outline},{shadow},2,\
{left},{right},{bottom},-1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption of a sidecar: a phrase in up to two lines, shown from `start_s` to `end_s` in clip time."""

    start_s: Fraction
    end_s: Fraction
    lines: tuple[str, ...]


def ass(
    blocks: Sequence[CaptionBlock], area: CaptionArea, width_px: int, height_px: int, rate: Fraction, *, highlight: bool
) -> str:
    """Advanced SubStation Alpha v4+ of a clip; with `highlight` each word changes colour while it is spoken."""
    header = _HEADER.format(
        width_px=width_px,
        height_px=height_px,
        family=typeface.FAMILY,
        size=_ass_size(area.em_px),
        outline=max(1, round(area.em_px * 0.085)),
        shadow=max(1, round(area.em_px * 0.03)),
        left=area.left_px,
        right=width_px - area.right_px,
        bottom=height_px - area.bottom_px,
    )
    events = [event for block in blocks for event in _events(block, area, rate, highlight)]
    return header + "".join(f"{event}\n" for event in events)


def phrases(blocks: Sequence[CaptionBlock], rate: Fraction) -> tuple[Cue, ...]:
    """Blocks joined to whole phrases for reading: two lines of 42 characters and 6 s at most, ending where sentences
    and pauses do."""
    joined: list[list[CaptionBlock]] = []
    for block in blocks:
        if not joined or not _goes_on(joined[-1], block, rate):
            joined.append([])
        joined[-1].append(block)
    return tuple(
        Cue(group[0].first_frame / rate, group[-1].end_frame / rate, tuple(_wrapped(_words(group)))) for group in joined
    )


def srt(cues: Sequence[Cue]) -> str:
    """SubRip. The format has no escapes: an invisible letter keeps `<`, `{` and `-->` from being read as markup."""
    parts = []
    for number, cue in enumerate(cues, 1):
        text = "\n".join(_srt_text(line) for line in cue.lines)
        parts.append(f"{number}\n{_srt_time(cue.start_s)} --> {_srt_time(cue.end_s)}\n{text}\n")
    return "\n".join(parts)


def vtt(cues: Sequence[Cue]) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/)."""
    parts = ["WEBVTT\n"]
    for cue in cues:
        text = "\n".join(_vtt_text(line) for line in cue.lines)
        start, end = (_srt_time(moment).replace(",", ".") for moment in (cue.start_s, cue.end_s))
        parts.append(f"{start} --> {end}\n{text}\n")
    return "\n".join(parts)


def _ass_size(em_px: int) -> int:
    return max(1, round(em_px * typeface.ASS_SIZE_PER_EM))


def _events(block: CaptionBlock, area: CaptionArea, rate: Fraction, highlight: bool) -> Iterator[str]:
    smaller = f"{{\\fs{_ass_size(block.em_px)}}}" if block.em_px < area.em_px else ""
    for first, end, spoken in _states(block) if highlight else [(block.first_frame, block.end_frame, None)]:
        text = _ass_line(block, spoken)
        yield f"Dialogue: 0,{_ass_time(first, rate)},{_ass_time(end, rate)},Words,,0,0,0,,{smaller}{text}"


def _states(block: CaptionBlock) -> Iterator[tuple[int, int, int | None]]:
    """Stretches of frames in which the block looks the same: first frame, end frame, number of the spoken word."""
    for number, word in enumerate(block.words):
        yield word.first_frame, word.end_frame, number
        following = block.words[number + 1].first_frame if number + 1 < len(block.words) else block.end_frame
        if following > word.end_frame:
            yield word.end_frame, following, None


def _ass_line(block: CaptionBlock, spoken: int | None) -> str:
    pieces = []
    for number, word in enumerate(block.words):
        if number:
            pieces.append("\\N" if number == block.second_line else " ")
        text = _ass_text(word.text)
        pieces.append(f"{{\\c{_SPOKEN}}}{text}{{\\c{_WHITE}}}" if number == spoken else text)
    return "".join(pieces)


def _ass_text(text: str) -> str:
    """Braces open overrides and a backslash begins a command; libass has escapes for the first, none for the second."""
    return text.replace("\\", f"\\{_WORD_JOINER}").replace("{", "\\{").replace("}", "\\}")


def _ass_time(frame: int, rate: Fraction) -> str:
    """`h:mm:ss.cc`, half a frame before the frame begins: hundredths then cannot round to a neighbouring frame."""
    hundredths = round(max(Fraction(0), (frame - Fraction(1, 2)) / rate) * 100)
    return f"{hundredths // 360000}:{hundredths // 6000 % 60:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _goes_on(group: Sequence[CaptionBlock], block: CaptionBlock, rate: Fraction) -> bool:
    last = group[-1]
    if ends_sentence(last.text) or (block.first_frame - last.end_frame) / rate >= _CUE_PAUSE_S:
        return False
    if (block.end_frame - group[0].first_frame) / rate > _LONGEST_CUE_S:
        return False
    return len(_wrapped(_words([*group, block]))) <= _CUE_LINES


def _words(group: Sequence[CaptionBlock]) -> list[str]:
    return [word.text for block in group for word in block.words]


def _wrapped(words: Sequence[str]) -> list[str]:
    """Lines of up to 42 characters; two of them are made as even as can be."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= _LINE_LETTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines if len(lines) != _CUE_LINES else _evened(words)


def _evened(words: Sequence[str]) -> list[str]:
    splits = [[" ".join(words[:i]), " ".join(words[i:])] for i in range(1, len(words))]
    return min(splits, key=lambda lines: max(len(line) for line in lines))


def _srt_time(moment: Fraction) -> str:
    thousandths = round(moment * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    return f"{hours:02d}:{rest // 60_000:02d}:{rest // 1000 % 60:02d},{rest % 1000:03d}"


def _srt_text(line: str) -> str:
    guarded = line.replace("<", f"<{_WORD_JOINER}").replace("{", f"{{{_WORD_JOINER}")
    return guarded.replace("-->", f"--{_WORD_JOINER}>")


def _vtt_text(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
