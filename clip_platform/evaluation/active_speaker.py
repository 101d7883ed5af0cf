"""How well the product tells who of two people in one picture speaks, and how soon it notices that it is the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median

from clip_platform.evaluation.conversations import Conversation, Said, Side
from clip_platform.evaluation.recordings import sound_of
from clip_platform.media.probe import probe
from clip_platform.progress import silent
from clip_platform.rendering.framing import Picture, frame_clip, picture_for
from clip_platform.rendering.grid import FrameGrid
from clip_platform.speakers.active import find_turns
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.backends.torch_acoustics import measure_acoustics
from clip_platform.speech.sound import HeldSound
from clip_platform.speech.transcript import EngineIdentity, Transcript
from clip_platform.timeline import seconds
from clip_platform.vision.analysis import watch
from clip_platform.vision.backends.opencv import HaarDetector
from clip_platform.vision.tracks import FaceTracks, Shots

_STEP = Fraction(1, 50)
_CLIP_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the product made of a conversation."""

    conversation: Conversation
    faces: FaceTracks
    turns: SpeakerTurns
    shots: Shots


@dataclass(frozen=True, slots=True)
class SpeakerScores:
    """`right`, `unknown`: shares of the speech time in which the turn names the speaker's face, or says that it does
    not know; the rest names another face, or none where one is. `delays_s`: how far each change of speaker was found
    from the pause in which it truly is, 0 inside the pause; the whole turn where it was never found."""

    speech_s: float
    right: float
    unknown: float
    delays_s: Sequence[float]

    @property
    def median_delay_s(self) -> float:
        return median(self.delays_s) if self.delays_s else 0.0

    @property
    def worst_delay_s(self) -> float:
        return max(self.delays_s, default=0.0)


def watched(conversation: Conversation) -> Watched:
    """Through the product's own path with its default engines: faces from one decode, acoustic features, voice
    activity. Words are left out: turns must not depend on whether they were understood."""
    info = probe(conversation.video)
    shots, faces = watch(conversation.video, info, HaarDetector(), silent)
    sound = HeldSound(sound_of(conversation.video))
    speech = SileroVoiceActivity()(sound, silent)
    transcript = Transcript((), speech, "en", EngineIdentity("none", "1", "voice activity alone"))
    turns = find_turns(transcript, measure_acoustics(sound, silent, device="cpu"), faces, shots)
    return Watched(conversation, faces, turns, shots)


def scores(all_watched: Iterable[Watched]) -> SpeakerScores:
    """Over all conversations together."""
    steps = right = unknown = 0
    delays: list[float] = []
    for one in all_watched:
        for said in one.conversation.said:
            for number in range(int((seconds(said.end_s) - seconds(said.start_s)) / _STEP)):
                turn = _turn_at(one.turns, seconds(said.start_s) + number * _STEP)
                steps += 1
                right += turn is not None and _names(turn, said, one.faces)
                unknown += turn is not None and turn.status == "unknown"
        delays += _delays_s(one)
    return SpeakerScores(float(steps * _STEP), right / steps, unknown / steps, delays)


def followed_share(all_watched: Iterable[Watched]) -> float:
    """Share of the speech time in which an upright crop (9:16) of the conversations, each framed as one clip, shows the
    middle of the speaker's face and not that of the other's."""
    steps = right = 0
    for one in all_watched:
        end_s = one.conversation.said[-1].end_s
        grid = FrameGrid(Fraction(0), _CLIP_RATE, int(end_s * _CLIP_RATE))
        picture = picture_for(one.faces.width_px, one.faces.height_px, Fraction(9, 16))
        framing = frame_clip(grid, picture, one.shots, one.faces, one.turns)
        corners = [corner for run in framing.runs for corner in run.corners or [None] * run.frames]
        for said in one.conversation.said:
            for frame in range(
                math.ceil(said.start_s * _CLIP_RATE), min(math.ceil(said.end_s * _CLIP_RATE), grid.frames)
            ):
                steps += 1
                corner = corners[frame]
                right += corner is not None and _shown(one, frame / _CLIP_RATE, corner[0], picture) == {said.side}
    return right / steps


def _shown(one: Watched, moment: Fraction, left_px: int, picture: Picture) -> set[Side]:
    """Whose faces have their middle in a window."""
    middles = (box.centre[0] for _, box in one.faces.boxes_at(moment))
    inside = (x for x in middles if left_px <= x <= left_px + picture.window_width_px)
    return {"left" if x < one.faces.width_px / 2 else "right" for x in inside}


def _turn_at(turns: SpeakerTurns, moment: Fraction) -> SpeakerTurn | None:
    return next((turn for turn in turns.turns if turn.span.contains(moment)), None)


def _names(turn: SpeakerTurn, said: Said, faces: FaceTracks) -> bool:
    track = next((track for track in faces.tracks if track.track_id == turn.track_id), None)
    if track is None:
        return False
    middle_x = float((track.boxes.array[:, 0] + track.boxes.array[:, 2] / 2).mean())
    return (middle_x < faces.width_px / 2) == (said.side == "left")


def _delays_s(one: Watched) -> list[float]:
    delays = []
    said = one.conversation.said
    for before, after in pairwise(said):
        if before.side == after.side:
            continue
        named = (turn for turn in one.turns.turns if _names(turn, after, one.faces))
        found = next((turn for turn in named if after.start_s < turn.span.end and turn.span.start < after.end_s), None)
        start_s = float(found.span.start) if found is not None else after.end_s
        delays.append(max(0.0, start_s - after.start_s, before.end_s - start_s))
    return delays
