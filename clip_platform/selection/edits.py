"""Chosen clips as their tenant wants them: other ends, other titles, another look, or gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from clip_platform.errors import InvalidInput
from clip_platform.selection.choice import SelectedClip, SelectedClips
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences


@dataclass(frozen=True, slots=True)
class ClipEdit:
    """What is to be otherwise about a clip; None: as the machine chose. Times are the source's, in seconds."""

    clip_id: str
    revision: int
    start_s: Fraction | None = None
    end_s: Fraction | None = None
    title: str | None = None
    aspect: str | None = None
    caption_style: str | None = None
    platforms: tuple[str, ...] | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class ClipEdits:
    """All edits of a video's clips up to `revision`."""

    revision: int
    edits: tuple[ClipEdit, ...]


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a clip is shown, and where. `edit_revision` is the edit that says so, 0 for none."""

    clip_id: str
    aspect: str
    caption_style: str
    platforms: tuple[str, ...]
    edit_revision: int


@dataclass(frozen=True, slots=True)
class EditedClips:
    """The clips to be made, with edits up to `revision` in them; one presentation a clip, in the same order."""

    revision: int
    selected: SelectedClips
    presentations: tuple[Presentation, ...]

    @property
    def presentation_of(self) -> Mapping[str, Presentation]:
        return {presentation.clip_id: presentation for presentation in self.presentations}


def apply_edits(
    selected: SelectedClips, edits: ClipEdits, transcript: Transcript, duration_s: Fraction, preferences: Preferences
) -> EditedClips:
    """The chosen clips with every edit in place, ranked anew where one is gone. Ends are cut to the source's.

    An edit of a clip that is no longer chosen is left aside.

    Raises:
        InvalidInput: nothing is left between a clip's ends.
    """
    edit_of = {edit.clip_id: edit for edit in edits.edits}
    kept = [clip for clip in selected.clips if not (clip.clip_id in edit_of and edit_of[clip.clip_id].removed)]
    clips = tuple(
        replace(_edited(clip, edit_of.get(clip.clip_id), transcript, duration_s), rank=rank)
        for rank, clip in enumerate(kept, start=1)
    )
    presentations = tuple(_presentation(clip.clip_id, edit_of.get(clip.clip_id), preferences) for clip in clips)
    return EditedClips(edits.revision, replace(selected, clips=clips), presentations)


def _edited(clip: SelectedClip, edit: ClipEdit | None, transcript: Transcript, duration_s: Fraction) -> SelectedClip:
    if edit is None:
        return clip
    if edit.title is not None:
        clip = replace(clip, title=edit.title)
    if edit.start_s is None and edit.end_s is None:
        return clip
    span = _span(clip, edit, duration_s)
    first, last = words_within(transcript, span)
    return replace(clip, span=span, first_word=first, last_word=last)


def _span(clip: SelectedClip, edit: ClipEdit, duration_s: Fraction) -> Span:
    start = clip.span.start if edit.start_s is None else edit.start_s
    end = min(clip.span.end if edit.end_s is None else edit.end_s, duration_s)
    if not 0 <= start < end:
        raise InvalidInput(
            f"clip {clip.clip_id} was edited to run from {float(start):.3f} to {float(end):.3f} s of a source of "
            f"{float(duration_s):.3f} s; choose a start before its end"
        )
    return Span(start, end)


def words_within(transcript: Transcript, span: Span) -> tuple[int, int]:
    """First and last word with most of their sound in the span; the last one is before the first when none has."""
    inside = [number for number, word in enumerate(transcript.words) if span.contains(word.span.middle)]
    if inside:
        return inside[0], inside[-1]
    after = sum(word.span.middle < span.start for word in transcript.words)
    return after, after - 1


def _presentation(clip_id: str, edit: ClipEdit | None, preferences: Preferences) -> Presentation:
    chosen = edit or ClipEdit(clip_id, 0)
    return Presentation(
        clip_id=clip_id,
        aspect=chosen.aspect or preferences.aspect,
        caption_style=chosen.caption_style or preferences.caption_style,
        platforms=preferences.platforms if chosen.platforms is None else chosen.platforms,
        edit_revision=chosen.revision,
    )


def edited_problems(edited: EditedClips, duration_s: Fraction) -> Sequence[str]:
    """What must hold of edited clips; they may overlap and cut words where a tenant wants it so."""
    whole = Span(Fraction(0), duration_s)
    return [
        f"clip {clip.rank} runs outside the source, to {float(clip.span.end):.3f} s"
        for clip in edited.selected.clips
        if not whole.covers(clip.span)
    ]
