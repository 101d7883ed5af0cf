"""What is true about a sample talk, as saved beside it; nothing here makes or measures anything.

`truth.json`, version 1. Times are seconds from the container's start; boxes are in display pixels.

    version              1
    fps, size            frames per second (constant), [width, height]
    duration_s, frames   frame `i` is on display in [i / fps, (i + 1) / fps)
    cuts_s               first frame of every shot but the first: hard cuts, changes of slide, fades from black
    fades                [{start_s, end_s}]: from black (at start_s) to full light (at end_s)
    speakers             {person: flite voice}
    shots                [{view, start_s, end_s, persons, slide}]: what is between two cuts
    segments             [{view, start_s, end_s, speaker, text, slide, topic}]: one person's words at a stretch
    words                [{text, start_s, end_s, speaker}]: by the synthesiser's own phone times
    faces                one list per frame: [[person, x, y, width, height], ...]; a face darker than 30 % of its
                         light (in a fade) is not listed
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clip_platform.errors import CorruptArtifact

VERSION = 1


@dataclass(frozen=True, slots=True)
class TrueWord:
    text: str
    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True, slots=True)
class TrueSegment:
    """One person's words at a stretch. `topic` counts from 0."""

    view: str
    start_s: float
    end_s: float
    speaker: str
    text: str
    slide: bool
    topic: int


@dataclass(frozen=True, slots=True)
class TrueShot:
    """What is between two cuts; `persons` are those in the picture."""

    view: str
    start_s: float
    end_s: float
    persons: tuple[str, ...]
    slide: bool

    @property
    def single_speaker(self) -> bool:
        return len(self.persons) == 1


@dataclass(frozen=True, slots=True)
class TrueFade:
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class TrueFace:
    """One face in one frame, from hairline to chin and cheek to cheek."""

    person: str
    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Truth:
    """See the module's head for every field."""

    fps: int
    width_px: int
    height_px: int
    frames: int
    speakers: dict[str, str]
    cuts_s: tuple[float, ...]
    fades: tuple[TrueFade, ...]
    shots: tuple[TrueShot, ...]
    segments: tuple[TrueSegment, ...]
    words: tuple[TrueWord, ...]
    faces: tuple[tuple[TrueFace, ...], ...]

    @property
    def duration_s(self) -> float:
        return self.frames / self.fps

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    def shot_at(self, moment_s: float) -> TrueShot:
        """The shot on display; the last one from its end on."""
        return next((shot for shot in self.shots if moment_s < shot.end_s), self.shots[-1])

    def speaker_at(self, moment_s: float) -> str | None:
        """Who is in the middle of a word, None between words."""
        return next((word.speaker for word in self.words if word.start_s <= moment_s < word.end_s), None)


def save_truth(truth: Truth, path: Path) -> None:
    """Writes `truth.json`; the same truth gives the same bytes."""
    fields = {
        "version": VERSION,
        "fps": truth.fps,
        "size": [truth.width_px, truth.height_px],
        "duration_s": truth.duration_s,
        "frames": truth.frames,
        "speakers": truth.speakers,
        "cuts_s": truth.cuts_s,
        "fades": [asdict(fade) for fade in truth.fades],
        "shots": [asdict(shot) for shot in truth.shots],
        "segments": [asdict(segment) for segment in truth.segments],
        "words": [asdict(word) for word in truth.words],
        "faces": [[[face.person, face.x, face.y, face.width, face.height] for face in frame] for frame in truth.faces],
    }
    path.write_text(json.dumps(fields, separators=(",", ":")) + "\n", encoding="utf-8")


def load_truth(path: Path) -> Truth:
    """Reads what `save_truth` wrote.

    Raises:
        CorruptArtifact: another version, or not a truth file.
    """
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if fields.get("version") != VERSION:
        raise CorruptArtifact(
            f"{path.name} is of version {fields.get('version')!r}, this code reads {VERSION}; make the sample again"
        )
    shots = [{**shot, "persons": tuple(shot["persons"])} for shot in fields["shots"]]
    return Truth(
        fps=fields["fps"],
        width_px=fields["size"][0],
        height_px=fields["size"][1],
        frames=fields["frames"],
        speakers=fields["speakers"],
        cuts_s=tuple(fields["cuts_s"]),
        fades=tuple(TrueFade(**fade) for fade in fields["fades"]),
        shots=tuple(TrueShot(**shot) for shot in shots),
        segments=tuple(TrueSegment(**segment) for segment in fields["segments"]),
        words=tuple(TrueWord(**word) for word in fields["words"]),
        faces=tuple(tuple(TrueFace(*face) for face in frame) for frame in fields["faces"]),
    )
