"""A whole video's results, from the made-up talk to rendered clips, through the real selection and scoring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from clip_platform.delivery.manifest import clips_manifest
from clip_platform.delivery.packages import ClipPackages, package_clips
from clip_platform.delivery.timeline import TimelineData, timeline_data
from clip_platform.rendering.clips import RenderedClips
from clip_platform.scoring.features import compute_features
from clip_platform.scoring.heuristic import HeuristicScorer
from clip_platform.scoring.scorer import ClipScores
from clip_platform.selection.candidates import ClipCandidates, propose
from clip_platform.selection.choice import ScoredCandidate, SelectedClips, choose
from clip_platform.selection.edits import ClipEdits, apply_edits
from clip_platform.speech.transcript import EngineIdentity
from clip_platform.upload.preferences import Preferences
from tests.fakes.talks import EVERYDAY, THREE_SUBJECTS, Talk, rendered, stored, talk

ROUGH = EngineIdentity(
    "pocketsphinx", "5.1.1", "en-us", "Recognised roughly; install the nemo extra with make demo VIDEO=…"
)


@dataclass(frozen=True)
class Results:
    talk: Talk
    candidates: ClipCandidates
    scores: ClipScores
    selected: SelectedClips
    rendered: RenderedClips
    packages: ClipPackages
    preferences: Preferences

    def manifest(self, name: str = "talk.mov") -> dict[str, Any]:
        return clips_manifest(
            name,
            stored("source"),
            self.talk.media,
            self.talk.transcript,
            self.scores,
            apply_edits(
                self.selected, ClipEdits(0, ()), self.talk.transcript, self.talk.media.duration_s, self.preferences
            ),
            self.rendered,
            self.preferences,
            self.packages.file_names,
            face_detector="fake",
        )

    def timeline(self) -> TimelineData:
        made = self.talk
        return timeline_data(
            made.media,
            made.transcript,
            made.acoustics,
            made.shots,
            made.faces,
            self.candidates,
            self.scores,
            self.selected,
        )


def results(
    texts: tuple[str, ...] = THREE_SUBJECTS,
    *,
    engine: EngineIdentity = EVERYDAY,
    title: str | None = None,
    problems: tuple[str, ...] = (),
    fallbacks: tuple[str, ...] = (),
) -> Results:
    made = talk(texts, cuts_s=(20.0, 50.0) if texts is THREE_SUBJECTS else (), engine=engine)
    preferences = Preferences(clips=3, min_s=10, max_s=30)
    candidates = propose(made.transcript, made.sentences, made.shots, made.media, preferences)
    features = compute_features(
        candidates, made.transcript, made.acoustics, made.shots, made.faces, made.turns, made.media, preferences
    )
    scores = HeuristicScorer().score(features)
    scored = [ScoredCandidate(score.candidate_id, score.value, score.reasons) for score in scores.scores]
    selected = choose(candidates, scored, preferences)
    if title is not None:
        selected = replace(selected, clips=tuple(replace(clip, title=title) for clip in selected.clips))
    files = rendered(selected, problems=problems, fallbacks=fallbacks)
    return Results(made, candidates, scores, selected, files, package_clips(selected, files), preferences)
