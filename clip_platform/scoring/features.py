"""The features of a clip: names, units, meaning, order and digest. Train and serve import this and nothing else.

Everything is measured from stored results; no engine runs here. Work is linear in the video plus, per candidate, its
own length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_platform.media.information import MediaInfo
from clip_platform.selection.candidates import ClipCandidates
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import Transcript
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import FaceTracks, Shots

if TYPE_CHECKING:
    import numpy as np

VERSION = 1
"""Changes when a feature is computed in another way under the same name, unit and meaning."""
HOOK_S = 3.0
"""A viewer decides about this fast; features named `hook_*` see only the first so many seconds of a clip."""
LONGEST_PAUSE_S = 3.0


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about a clip. `unit` is SI or a plain word (`words/s`, `share`, `count`, `dB`)."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """One row per candidate, one column per feature; `columns[name][row]` belongs to `candidate_ids[row]`.

    Stored as Parquet.
    """

    digest: str
    candidate_ids: tuple[str, ...]
    columns: Mapping[str, tuple[float, ...]]


FEATURES: tuple[Feature, ...] = (
    # structure
    Feature("duration_s", "s", "length of the clip"),
    Feature("duration_fit", "share", "1 at the geometric middle of the asked band, 0 at its ends (on a log scale)"),
    Feature("position_share", "share", "where in the video the clip starts, 0 first .. 1 last"),
    Feature("topic_share", "share", "share of the clip inside its longest topic segment"),
    Feature("starts_topic", "flag", "1 when the clip opens a topic segment"),
    Feature("ends_topic", "flag", "1 when the clip closes a topic segment"),
    Feature("pause_before_s", "s", "silence before the first word, at most 3"),
    Feature("pause_after_s", "s", "silence after the last word, at most 3"),
    Feature("start_leaning", "share", "how much the first sentence needs what came before, 0 alone .. 1"),
    Feature("end_open", "share", "how unfinished the last sentence leaves things, 0 closed .. 1"),
    Feature("sentence_count", "count", "sentences in the clip"),
    # text
    Feature("opens_with_question", "flag", "1 when the first sentence asks"),
    Feature("questions_per_min", "1/min", "sentences that ask"),
    Feature("hook_number", "flag", "1 when a number is said in the first 3 s"),
    Feature("hook_you", "flag", "1 when the viewer is addressed (you, your) in the first 3 s"),
    Feature("hook_strong", "flag", "1 when a superlative or strong word is said in the first 3 s"),
    Feature("number_share", "share", "words that are numbers"),
    Feature("you_share", "share", "words that address the viewer"),
    Feature("first_person_share", "share", "words such as I, my, we"),
    Feature("strong_share", "share", "superlatives and strong words"),
    Feature("filler_share", "share", "words such as um, basically, like"),
    Feature("content_share", "share", "words that name something, glue words excluded"),
    Feature("repeated_share", "share", "content words whose stem comes up again in the clip"),
    Feature("centrality", "share", "cosine between the content of the clip and of its topic"),
    Feature("word_confidence", "share", "mean confidence of the words, 1 where the engine has none"),
    # speech
    Feature("words_per_s", "words/s", "words over the length of the clip"),
    Feature("hook_words_per_s", "words/s", "words over the first 3 s"),
    Feature("speech_share", "share", "share of the clip in which somebody speaks"),
    Feature("longest_pause_s", "s", "longest silence between two words of the clip"),
    Feature("turns_per_min", "1/min", "changes of speaker or of who is on screen while speaking"),
    # acoustics
    Feature("energy_rel_db", "dB", "mean level of its speech against the speech of the whole video"),
    Feature("energy_spread_db", "dB", "standard deviation of the level of its speech"),
    Feature("hook_energy_rel_db", "dB", "level of the speech in the first 3 s against the whole video's"),
    Feature("pitch_spread_st", "semitones", "standard deviation of its pitch"),
    Feature("flux_rel", "ratio", "mean spectral change against the whole video's, 1 alike"),
    # vision
    Feature("face_share", "share", "share of the clip with a face on screen"),
    Feature("hook_face_share", "share", "share of the first 3 s with a face on screen"),
    Feature("face_height_share", "share", "mean height of the largest face against the picture's"),
    Feature("speaker_share", "share", "share of its speech whose speaker is on screen"),
    Feature("cuts_per_min", "1/min", "changes of shot"),
    Feature("slide_share", "share", "share of the clip that shows a slide"),
)


def feature_digest() -> str:
    """Twelve hex digits of the version and of every feature's name, unit and meaning, in order.

    A model remembers the digest it was trained on; scores across digests mean nothing.
    """
    described = "\n".join(f"{feature.name}|{feature.unit}|{feature.meaning}" for feature in FEATURES)
    return hashlib.sha256(f"{VERSION}\n{described}".encode()).hexdigest()[:12]


def compute_features(
    candidates: ClipCandidates,
    transcript: Transcript,
    acoustics: AcousticFeatures,
    shots: Shots,
    faces: FaceTracks,
    turns: SpeakerTurns,
    media: MediaInfo,
    preferences: Preferences,
) -> ClipFeatures:
    """All features of all candidates, every number finite; a missing modality (no face, no pitch) gives zeros."""
    from clip_platform.scoring import sight, sound, words
    from clip_platform.scoring.spans import CandidateSpans

    spans = CandidateSpans.of(candidates)
    columns = {
        **words.structure(spans, candidates, transcript, media, preferences),
        **words.text(spans, candidates, transcript),
        **words.speech(spans, candidates, transcript, turns),
        **sound.acoustics(spans, transcript, acoustics),
        **sight.vision(spans, shots, faces, turns),
    }
    return ClipFeatures(
        digest=feature_digest(),
        candidate_ids=tuple(candidate.candidate_id for candidate in candidates.candidates),
        columns={feature.name: _plain(columns[feature.name]) for feature in FEATURES},
    )


def _plain(column: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in column)
