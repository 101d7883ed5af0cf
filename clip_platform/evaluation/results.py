"""What the product made of the sample talk: runs it as a user does, then reads its results. Judges nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from clip_platform.database import results as asset_results
from clip_platform.database import videos
from clip_platform.database.connection import Database
from clip_platform.embedded.machine import running_machine
from clip_platform.encryption.opening import open_keys
from clip_platform.errors import ProgramFailed
from clip_platform.media.information import MediaInfo
from clip_platform.rendering.clips import RenderedClip, RenderedClips
from clip_platform.rendering.plan import ClipPlan, plan_clip
from clip_platform.selection.choice import SelectedClip, SelectedClips
from clip_platform.settings import Settings
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.speech.transcript import Transcript
from clip_platform.storage import artifacts
from clip_platform.storage.objects import ObjectStore, open_store
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import FaceTracks, Shots

OPTIONS = ("--clips", "3", "--min-s", "10", "--max-s", "30")
_TENANT = "local"
"""Of whoever sits at this machine, see the command line."""
_DEADLINE_S = 1800
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClipResult:
    """One clip: how it was planned, what was rendered, its captions as burned in, and the file."""

    plan: ClipPlan
    rendered: RenderedClip
    ass: str
    video: Path


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the measures need of one processed video. `whole` plans all of it as one clip: framing is to be judged
    on every shot, whichever stretches were chosen."""

    transcript: Transcript
    shots: Shots
    faces: FaceTracks
    turns: SpeakerTurns
    clips: tuple[ClipResult, ...]
    whole: ClipPlan


def process(video: Path, home: Path, out: Path, options: Sequence[str] = OPTIONS) -> None:
    """Runs `clip-platform process` in a fresh home; what it prints goes to this process's streams.

    Raises:
        ProgramFailed: it ended with an error.
    """
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "clip_platform", "process", str(video), *options, "--out", str(out)]
    # what is measured is the embedded engine, also where NeMo and its model are at hand
    environment = {**os.environ, "CLIP_PLATFORM_HOME": str(home), "CLIP_PLATFORM_SPEECH_ENGINE": "pocketsphinx"}
    done = subprocess.run(command, env=environment, stdout=sys.stderr, timeout=_DEADLINE_S, check=False)
    if done.returncode != 0:
        raise ProgramFailed(f"clip-platform process ended with status {done.returncode}; its own words are above")


def read_results(home: Path, folder: Path) -> Results:
    """The results of the latest video of a home; the clips' files are copied into `folder`."""
    settings = Settings(home=home)
    with running_machine(settings) as machine:
        database = Database(machine.database_url)
        store = open_store(machine.object_store_url, open_keys(settings).tenants)
        video = videos.list_videos(database, _TENANT, limit=1)[0]
        return _Reader(database, store, video.video_id).read(Preferences.from_mapping(video.preferences), folder)


@dataclass(frozen=True, slots=True)
class _Reader:
    database: Database
    store: ObjectStore
    video_id: str

    def read(self, preferences: Preferences, folder: Path) -> Results:
        transcript = self._asset("transcript", Transcript)
        shots, faces = self._asset("shots", Shots), self._asset("face_tracks", FaceTracks)
        media, turns = self._asset("media_info", MediaInfo), self._asset("speaker_turns", SpeakerTurns)
        rendered = {clip.clip_id: clip for clip in self._asset("rendered_clips", RenderedClips).clips}
        everything = SelectedClip("whole", 0, Span(Fraction(0), media.duration_s), 0, 0, 0.0, "", ())
        whole = plan_clip(everything, media, transcript, shots, faces, turns, preferences)
        clips = []
        for selected in self._asset("selected_clips", SelectedClips).clips:
            plan = plan_clip(selected, media, transcript, shots, faces, turns, preferences)
            clips.append(self._clip(plan, rendered[selected.clip_id], folder))
        return Results(transcript, shots, faces, turns, tuple(clips), whole)

    def _clip(self, plan: ClipPlan, rendered: RenderedClip, folder: Path) -> ClipResult:
        folder.mkdir(parents=True, exist_ok=True)
        video = self.store.fetch(rendered.video, folder / f"{plan.clip_id}.mp4")
        return ClipResult(plan, rendered, self.store.get_bytes(rendered.ass).decode(), video)

    def _asset(self, name: str, cls: type[T]) -> T:
        result = asset_results.current(self.database, _TENANT, self.video_id, name)
        if result is None:
            raise ProgramFailed(f"the product made no {name}; run it again")
        return artifacts.decode(cls, self.store.get_bytes(result.artifact))
