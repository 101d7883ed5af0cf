"""What must hold of candidates and of the selection. Problems in words; none means all is well."""

from __future__ import annotations

from itertools import pairwise

from clip_platform.selection.candidates import ClipCandidates
from clip_platform.selection.choice import SelectedClips
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span, clock, seconds
from clip_platform.upload.preferences import Preferences


def candidate_problems(candidates: ClipCandidates, preferences: Preferences) -> list[str]:
    shortest, longest = seconds(preferences.min_s), seconds(preferences.max_s)
    problems = [
        f"candidate {candidate.candidate_id} starts at {float(candidate.span.start):.3f} s, before the video"
        for candidate in candidates.candidates
        if candidate.span.start < 0
    ]
    problems += [
        f"candidate {candidate.candidate_id} lasts {float(candidate.span.duration_s):.2f} s, outside "
        f"{preferences.min_s:g}-{preferences.max_s:g} s"
        for candidate in candidates.candidates
        if not shortest <= candidate.span.duration_s <= longest
    ]
    start, end = seconds(preferences.range_start_s or 0), preferences.range_end_s
    problems += [
        f"candidate {candidate.candidate_id} is not inside the part of the source that was asked for"
        for candidate in candidates.candidates
        if candidate.span.start < start or (end is not None and candidate.span.end > seconds(end))
    ]
    return problems


def selection_problems(selected: SelectedClips) -> list[str]:
    ranks = [clip.rank for clip in selected.clips]
    problems = [] if ranks == list(range(1, len(ranks) + 1)) else [f"ranks are {ranks}"]
    by_start = sorted(selected.clips, key=lambda clip: clip.span)
    problems += [
        f"clips {before.rank} and {after.rank} overlap"
        for before, after in pairwise(by_start)
        if before.span.overlaps(after.span)
    ]
    return problems


def cut_word_problems(selected: SelectedClips, transcript: Transcript) -> list[str]:
    return [
        f"clip {clip.rank} begins or ends inside {word.text!r} at {clock(word.span.start)}"
        for clip in selected.clips
        for word in transcript.words
        if _cuts(clip.span, word.span)
    ]


def _cuts(clip: Span, word: Span) -> bool:
    return word.start < clip.start < word.end or word.start < clip.end < word.end


def shortfall_problems(selected: SelectedClips) -> list[str]:
    return [selected.shortfall] if selected.shortfall else []
