"""How good results are, against the truth: pure functions from truth and results to numbers.

Times are seconds of the source unless said otherwise; pictures are in display pixels.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import jiwer

from clip_platform.evaluation.truth import TrueFace, TrueWord, Truth
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.vision.tracks import Box, FaceTracks

LEAST_FACE_PX = 80.0
"""Smaller faces need not be found."""
_LEAST_OVERLAP = 0.3
"""Detectors draw boxes of different habits (with or without chin and hair); a true hit overlaps by more than this."""
_NOT_IN_WORDS = re.compile(r"[^\w\s']")
_OVERRIDE = re.compile(r"\{[^}]*\}")
_SPOKEN = re.compile(r"\{\\c&H[0-9A-Fa-f]+&\}([^{]+)\{\\c")


# Words


def normalised(text: str) -> str:
    """Lower case, no punctuation but apostrophes, single spaces."""
    return " ".join(_NOT_IN_WORDS.sub(" ", text.lower()).split())


def word_error_rate(truth: str, text: str) -> float:
    """Substituted, left out and invented words over true words (may exceed 1), after `normalised`."""
    return float(jiwer.wer(normalised(truth), normalised(text))) if normalised(text) else 1.0


def words_cut(words: Sequence[TrueWord], boundaries_s: Sequence[float]) -> list[tuple[str, float]]:
    """Every (word, boundary) where the boundary lies inside the word."""
    return [(word.text, at) for at in boundaries_s for word in words if word.start_s < at < word.end_s]


def paired_words(truth: Sequence[str], found: Sequence[str]) -> list[tuple[int, int]]:
    """Indices (true, found) of words that are the same in the best alignment of the two."""
    true_words, found_words = [normalised(word) for word in truth], [normalised(word) for word in found]
    if not all(true_words) or not all(found_words) or not true_words or not found_words:
        raise ValueError("every word needs a letter or a digit")
    chunks = jiwer.process_words(" ".join(true_words), " ".join(found_words)).alignments[0]
    equal = (chunk for chunk in chunks if chunk.type == "equal")
    return [
        pair
        for chunk in equal
        for pair in zip(
            range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx), strict=True
        )
    ]


def onset_errors_s(truth: Sequence[TrueWord], found: Sequence[tuple[str, float]]) -> list[float]:
    """Found start minus true start of every word understood as it was said.

    Args:
        found: text and start in seconds, in order.
    """
    said = [(word.text, word.start_s) for word in truth if normalised(word.text)]
    heard = [(text, start_s) for text, start_s in found if normalised(text)]
    if not said or not heard:
        return []
    pairs = paired_words([text for text, _ in said], [text for text, _ in heard])
    return [heard[j][1] - said[i][1] for i, j in pairs]


# Captions


@dataclass(frozen=True, slots=True)
class CaptionedWord:
    """A word as burned in: when it lights up, in clip time."""

    text: str
    start_s: float


def captioned_words(ass: str) -> list[CaptionedWord]:
    """The highlighted word of every event of an ASS file, in order.

    A word that an event repeats (the same word, lit on without a gap) is listed once per event.
    """
    found = []
    for line in ass.splitlines():
        if not line.startswith("Dialogue:"):
            continue
        fields = line.split(",", 9)
        lit = _SPOKEN.search(fields[9])
        if lit:
            found.append(CaptionedWord(_OVERRIDE.sub("", lit.group(1)).strip(), _ass_seconds(fields[1])))
    return found


def _ass_seconds(text: str) -> float:
    hours, minutes, seconds = text.strip().split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def caption_delays_s(
    truth: Sequence[TrueWord], captions: Sequence[CaptionedWord], clip_start_s: float, fps: float
) -> list[float]:
    """For every word captioned as it was said: when it lights up on the screen minus when it is said.

    Args:
        captions: of one clip; an event is seen from the first frame at or after its time.
        clip_start_s: source time of the clip's first frame.
    """
    if not truth or not captions:
        return []
    pairs = paired_words([word.text for word in truth], [word.text for word in captions])
    return [_seen_s(captions[j].start_s, fps) + clip_start_s - truth[i].start_s for i, j in pairs]


def _seen_s(event_s: float, fps: float) -> float:
    """ASS times are whole hundredths, so up to half of one early is still the frame that was meant."""
    return -(-(event_s - 0.0051) * fps // 1) / fps


# Shots


@dataclass(frozen=True, slots=True)
class CutScores:
    found: int
    missed: tuple[float, ...]
    false: tuple[float, ...]

    @property
    def f1(self) -> float:
        total = 2 * self.found + len(self.missed) + len(self.false)
        return 2 * self.found / total if total else 1.0


def score_cuts(truth_s: Sequence[float], found_s: Sequence[float], tolerance_s: float) -> CutScores:
    """Pairs each true cut with the nearest free found cut at most `tolerance_s` away."""
    free = sorted(found_s)
    missed = []
    for cut in sorted(truth_s):
        near = [at for at in free if abs(at - cut) <= tolerance_s + 1e-9]
        if near:
            free.remove(min(near, key=lambda at: abs(at - cut)))
        else:
            missed.append(cut)
    return CutScores(len(truth_s) - len(missed), tuple(missed), tuple(free))


# Faces


@dataclass(frozen=True, slots=True)
class FaceScores:
    """`faces`: true faces large enough, over all frames; `boxes`: found boxes, over all frames."""

    faces: int
    found: int
    boxes: int
    false: int

    @property
    def recall(self) -> float:
        return self.found / self.faces if self.faces else 1.0

    @property
    def false_share(self) -> float:
        return self.false / self.boxes if self.boxes else 0.0


def score_faces(truth: Truth, tracks: FaceTracks, least_px: float = LEAST_FACE_PX) -> FaceScores:
    """Faces found in every frame of the source.

    A box hits a face when its centre lies in the face and they overlap by 30 % (intersection over union). In a fade a
    face may be found or not, and a box is never false.
    """
    faces = found = boxes = false = 0
    for frame, true_faces in enumerate(truth.faces):
        moment_s = frame / truth.fps
        drawn = [box for _, box in tracks.boxes_at(Fraction(frame, truth.fps))]
        if any(fade.start_s <= moment_s < fade.end_s for fade in truth.fades):
            continue
        large = [face for face in true_faces if face.height >= least_px]
        faces += len(large)
        found += sum(any(hits(box, face) for box in drawn) for face in large)
        boxes += len(drawn)
        false += sum(not any(hits(box, face) for face in true_faces) for box in drawn)
    return FaceScores(faces, found, boxes, false)


def hits(box: Box, face: TrueFace) -> bool:
    x, y = box.centre
    inside = face.x <= x <= face.x + face.width and face.y <= y <= face.y + face.height
    return inside and box.overlap_ratio(Box(face.x, face.y, face.width, face.height)) >= _LEAST_OVERLAP


def speaker_share(truth: Truth, tracks: FaceTracks, turns: SpeakerTurns) -> float:
    """Of the speech frames with several people on display, the share in which the turn's face is the speaker's; 1
    without any such frame."""
    frames = right = 0
    for frame, faces in enumerate(truth.faces):
        speaker = truth.speaker_at(frame / truth.fps)
        speaking = next((face for face in faces if face.person == speaker), None)
        if speaking is None or len(faces) < 2:
            continue
        frames += 1
        moment = Fraction(frame, truth.fps)
        named = {turn.track_id for turn in turns.turns if turn.span.contains(moment)}
        right += any(track.track_id in named and hits(box, speaking) for track, box in tracks.boxes_at(moment))
    return right / frames if frames else 1.0


# Framing


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """One frame of a clip: its source time, and the window that is shown; None when the whole picture is fitted in."""

    time_s: float
    window: Box | None


@dataclass(frozen=True, slots=True)
class FramingScores:
    """Frames of clips in which the one person on display speaks: all, with the whole face in the crop, with the face's
    centre in the middle 40 % of the crop's width. Fitted frames count as neither."""

    frames: int
    inside: int
    centred: int

    @property
    def inside_share(self) -> float:
        return self.inside / self.frames if self.frames else 0.0

    @property
    def centred_share(self) -> float:
        return self.centred / self.frames if self.frames else 0.0


def score_framing(truth: Truth, shown: Sequence[ShownFrame]) -> FramingScores:
    """Over speech frames of single-speaker shots."""
    frames = inside = centred = 0
    for frame in shown:
        face = _speaking_face(truth, frame.time_s)
        if face is None:
            continue
        frames += 1
        if frame.window is not None:
            inside += _is_inside(face, frame.window)
            centred += abs((face.centre[0] - frame.window.x) / frame.window.width - 0.5) <= 0.2
    return FramingScores(frames, inside, centred)


def _speaking_face(truth: Truth, moment_s: float) -> TrueFace | None:
    speaker = truth.speaker_at(moment_s)
    frame = round(moment_s * truth.fps)
    if speaker is None or not truth.shot_at(moment_s).single_speaker or frame >= truth.frames:
        return None
    return next((face for face in truth.faces[frame] if face.person == speaker), None)


def _is_inside(face: TrueFace, window: Box) -> bool:
    return (
        window.x <= face.x
        and window.y <= face.y
        and face.x + face.width <= window.x + window.width
        and face.y + face.height <= window.y + window.height
    )


def crop_jumps(shown: Sequence[ShownFrame], cuts_s: Sequence[float], picture_width_px: float) -> list[float]:
    """Source times at which the window of a clip jumps without a cut.

    A jump is a change between crop and fit, a step between two frames of more than 2 % of the picture's width, or a
    change of step of more than 1 %; at 30 frames a second the first is faster than any head that stays in one place,
    the second is seen as a jerk. A cut within one frame excuses both.
    """
    frame_s = shown[1].time_s - shown[0].time_s if len(shown) > 1 else 0.0

    def excused(a: ShownFrame, b: ShownFrame) -> bool:
        return any(a.time_s - frame_s / 2 < cut <= b.time_s + frame_s / 2 for cut in cuts_s)

    jumps, last_step = [], (0.0, 0.0)
    fresh = True
    for before, after in itertools.pairwise(shown):
        if excused(before, after):
            fresh = True
            continue
        if (before.window is None) != (after.window is None):
            jumps.append(after.time_s)
            fresh = True
            continue
        step = _step(before, after)
        too_far = max(map(abs, step)) > 0.02 * picture_width_px
        jerk = not fresh and max(abs(a - b) for a, b in zip(step, last_step, strict=True)) > 0.01 * picture_width_px
        if too_far or jerk:
            jumps.append(after.time_s)
        last_step, fresh = step, False
    return jumps


def _step(before: ShownFrame, after: ShownFrame) -> tuple[float, float]:
    if before.window is None or after.window is None:
        return 0.0, 0.0
    return after.window.x - before.window.x, after.window.y - before.window.y


def fitted_share(truth: Truth, shown: Sequence[ShownFrame]) -> float:
    """Of the frames that show a slide (or nobody), the share in which the whole picture is fitted in; 1 without any.

    Frames within two of a cut may belong to the neighbour.
    """
    margin_s = 2 / truth.fps
    judged = [
        frame
        for frame in shown
        if not truth.shot_at(frame.time_s).persons and all(abs(frame.time_s - cut) > margin_s for cut in truth.cuts_s)
    ]
    return sum(frame.window is None for frame in judged) / len(judged) if judged else 1.0


# Numbers


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed; 0 without values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
