"""A video's transcript as JSON, SRT, VTT or plain text; which of them a request wants."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from clip_platform.rendering import subtitles
from clip_platform.rendering.captions import CaptionArea, caption_blocks, ends_sentence
from clip_platform.rendering.grid import FrameGrid
from clip_platform.rendering.subtitles import Cue
from clip_platform.speech.transcript import Transcript

Format = Literal["json", "srt", "vtt", "text"]

MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "text": "text/plain",
}
PARAGRAPH_PAUSE_S = Fraction(3, 2)
_MILLISECONDS = Fraction(1000)
_ANYWHERE = CaptionArea(left_px=0, right_px=1, top_px=0, bottom_px=1, em_px=1)


def wanted(format_: Format | None, accept: str | None) -> Format:
    """What the query names, else the first of what `Accept` lists that there is, else JSON."""
    if format_ is not None:
        return format_
    for part in (accept or "").lower().split(","):
        media_type = part.partition(";")[0].strip()
        found = next((name for name, known in MEDIA_TYPES.items() if known == media_type), None)
        if found is not None:
            return found
    return "json"


def cues(transcript: Transcript) -> tuple[Cue, ...]:
    """Phrases of at most two lines and six seconds, to the millisecond."""
    if not transcript.words:
        return ()
    grid = FrameGrid(Fraction(0), _MILLISECONDS, int(transcript.words[-1].span.end * _MILLISECONDS) + 1)
    blocks = caption_blocks(transcript.words, grid, _ANYWHERE, lambda _text, _em_px: 0.0)
    return subtitles.phrases(blocks, _MILLISECONDS)


def written(transcript: Transcript, format_: Literal["srt", "vtt", "text"]) -> str:
    if format_ == "text":
        return paragraphs(transcript)
    return subtitles.srt(cues(transcript)) if format_ == "srt" else subtitles.vtt(cues(transcript))


def paragraphs(transcript: Transcript) -> str:
    """What is said, with an empty line where a sentence ends and somebody takes a breath."""
    pieces: list[str] = []
    before = None
    for word in transcript.words:
        if before is not None:
            pause_s = word.span.start - before.span.end
            pieces.append("\n\n" if ends_sentence(before.text) and pause_s >= PARAGRAPH_PAUSE_S else " ")
        pieces.append(word.text)
        before = word
    return "".join(pieces) + "\n" if pieces else ""


def document(transcript: Transcript) -> dict[str, Any]:
    """Times are the source's, in seconds."""
    engine = transcript.engine
    return {
        "language": transcript.language,
        "engine": {"name": engine.name, "version": engine.version, "model": engine.model, "rough": engine.rough},
        "words": [
            {
                "text": word.text,
                "start_s": round(float(word.span.start), 6),
                "end_s": round(float(word.span.end), 6),
                "confidence": word.confidence,
            }
            for word in transcript.words
        ],
        "speech": [
            {"start_s": round(float(span.start), 6), "end_s": round(float(span.end), 6)} for span in transcript.speech
        ],
    }
