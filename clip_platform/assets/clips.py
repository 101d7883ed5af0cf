"""Which stretches could be clips, how good they are, and which ones are chosen."""

from __future__ import annotations

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.stage import Check, Product, Work, build_stage
from clip_platform.delivery import tables
from clip_platform.media.audio import AudioReader
from clip_platform.media.information import AudioTrack, MediaInfo
from clip_platform.resources.stage_run import StageRun
from clip_platform.scoring.features import ClipFeatures, compute_features
from clip_platform.scoring.scorer import ClipScores
from clip_platform.scoring.verdicts import feature_problems, score_problems
from clip_platform.selection.candidates import ClipCandidates, propose
from clip_platform.selection.choice import ScoredCandidate, SelectedClips, choose
from clip_platform.selection.verdicts import (
    candidate_problems,
    cut_word_problems,
    selection_problems,
    shortfall_problems,
)
from clip_platform.speakers.active import find_turns, speech_stretches
from clip_platform.speakers.labels import labelled_by_face, labelled_by_voice
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.speakers.verdicts import turn_problems
from clip_platform.speakers.voices import find_voices
from clip_platform.speech.acoustics import AcousticFeatures, burst_spans
from clip_platform.speech.final_tones import finality
from clip_platform.speech.sentences import split_sentences
from clip_platform.speech.transcript import Transcript
from clip_platform.vision.tracks import FaceTracks, Shots


def _asked(run: StageRun, *names: str) -> dict[str, object]:
    """These preferences; a wish that nobody has is left out, so that checkpoints older than the wish are found."""
    asked = run.preferences.as_mapping()
    return {name: asked[name] for name in names if name in asked}


def _speaker_turns(
    run: StageRun,
    transcript: Transcript,
    acoustics: AcousticFeatures,
    faces: FaceTracks,
    shots: Shots,
    track: AudioTrack,
) -> SpeakerTurns:
    turns = find_turns(transcript, acoustics, faces, shots)
    embedder = run.speech_recognizer.voices()
    if embedder is None:
        return labelled_by_face(turns, faces)
    sound = AudioReader(run.workspace.fetch(track.wav))
    return labelled_by_voice(turns, find_voices(sound, speech_stretches(transcript), embedder, run.on_progress))


def _turns_metadata(turns: SpeakerTurns, _run: StageRun) -> dict[str, object]:
    speech_s = float(sum(turn.span.duration_s for turn in turns.turns))
    on_screen_s = float(sum(turn.span.duration_s for turn in turns.turns if turn.status == "on_screen"))
    speakers = {turn.speaker for turn in turns.turns if turn.speaker is not None}
    return {"turns": len(turns.turns), "speech_s": speech_s, "on_screen_s": on_screen_s, "speakers": len(speakers)}


def _clip_candidates(
    run: StageRun, transcript: Transcript, acoustics: AcousticFeatures, shots: Shots, info: MediaInfo
) -> ClipCandidates:
    melody = finality(transcript.words, acoustics)
    sentences = split_sentences(transcript.words, transcript.language, melody.tolist())
    return propose(
        transcript, sentences, shots, info, run.preferences, run.sentence_embedder.get(), burst_spans(acoustics)
    )


def _candidates_metadata(candidates: ClipCandidates, _run: StageRun) -> dict[str, object]:
    return {
        "candidates": len(candidates.candidates),
        "unfit": len(candidates.unfit),
        "topics": len(candidates.topics),
        "table": pictures.markdown(tables.candidates_table(candidates)),
    }


def _clip_features(
    run: StageRun,
    candidates: ClipCandidates,
    transcript: Transcript,
    acoustics: AcousticFeatures,
    shots: Shots,
    faces: FaceTracks,
    turns: SpeakerTurns,
    info: MediaInfo,
) -> ClipFeatures:
    return compute_features(candidates, transcript, acoustics, shots, faces, turns, info, run.preferences)


def _features_metadata(features: ClipFeatures, _run: StageRun) -> dict[str, object]:
    return {"digest": features.digest, "rows": len(features.candidate_ids), "features": len(features.columns)}


def _clip_scores(run: StageRun, features: ClipFeatures) -> ClipScores:
    if run.scoring.fallback is not None:
        run.warn("clip_scores", run.scoring.fallback)
    return run.scoring.scorer.score(features)


def _scores_metadata(scores: ClipScores, _run: StageRun) -> dict[str, object]:
    values = [score.value for score in scores.scores]
    return {
        "model": scores.model,
        "feature_digest": scores.feature_digest,
        "best": max(values, default=0.0),
        "median": sorted(values)[len(values) // 2] if values else 0.0,
        "plot": pictures.scores(scores),
        "table": pictures.markdown(tables.scores_table(scores)),
    }


def _selected_clips(
    run: StageRun, candidates: ClipCandidates, scores: ClipScores, transcript: Transcript
) -> SelectedClips:
    scored = [ScoredCandidate(score.candidate_id, score.value, score.reasons) for score in scores.scores]
    return choose(
        candidates,
        scored,
        run.preferences,
        run.sentence_embedder.get(),
        run.earlier_clips,
        run.clip_writer.get(),
        transcript.language,
    )


def _selected_metadata(selected: SelectedClips, _run: StageRun) -> dict[str, object]:
    return {
        "clips": len(selected.clips),
        "rejected": len(selected.rejected),
        "shortfall": selected.shortfall or "none",
        "table": pictures.markdown(tables.selected_table(selected)),
        "why_not": pictures.markdown(tables.rejected_table(selected)),
    }


clips = build_stage(
    "clips",
    [
        Work(
            products=(
                Product(
                    name="speaker_turns",
                    type=SpeakerTurns,
                    description="Who speaks when: whose mouth moves, and whose voice is heard.",
                    code_version="2",
                    kinds=frozenset({"python"}),
                    metadata=_turns_metadata,
                    checks=(
                        Check("turns_in_order", "Turns do not overlap.", lambda turns, _run: turn_problems(turns)),
                    ),
                ),
            ),
            needs=("transcript", "acoustic_features", "face_tracks", "shots", "audio_track"),
            compute=_speaker_turns,
            reads=lambda run: run.speech_recognizer.voices_key(),
        ),
        Work(
            products=(
                Product(
                    name="clip_candidates",
                    type=ClipCandidates,
                    description="Complete talking points within the duration band, and stretches that cannot be clips.",
                    code_version="4",
                    kinds=frozenset({"python"}),
                    metadata=_candidates_metadata,
                    checks=(
                        Check(
                            "spans_inside_the_video",
                            "Every candidate lies inside the video and inside the duration band.",
                            lambda candidates, run: candidate_problems(candidates, run.preferences),
                        ),
                    ),
                ),
            ),
            needs=("transcript", "acoustic_features", "shots", "media_info"),
            compute=_clip_candidates,
            reads=lambda run: {
                **_asked(run, "min_s", "max_s", "range_start_s", "range_end_s"),
                **run.sentence_embedder.key(),
            },
        ),
        Work(
            products=(
                Product(
                    name="clip_features",
                    type=ClipFeatures,
                    description="One row of features a candidate, as `scoring/features.py` defines them.",
                    code_version="1",
                    kinds=frozenset({"parquet"}),
                    metadata=_features_metadata,
                    checks=(
                        Check(
                            "features_finite",
                            "Every feature of every candidate is a finite number.",
                            lambda features, _run: feature_problems(features),
                        ),
                    ),
                ),
            ),
            needs=(
                "clip_candidates",
                "transcript",
                "acoustic_features",
                "shots",
                "face_tracks",
                "speaker_turns",
                "media_info",
            ),
            compute=_clip_features,
            reads=lambda run: {
                "min_s": run.preferences.min_s,
                "max_s": run.preferences.max_s,
                "features": run.scorer.features_key(),
            },
        ),
        Work(
            products=(
                Product(
                    name="clip_scores",
                    type=ClipScores,
                    description="A score of 0-100 a candidate, with what every feature gave or took.",
                    code_version="1",
                    kinds=frozenset({"python"}),
                    metadata=_scores_metadata,
                    checks=(
                        Check(
                            "scores_finite",
                            "Scores are finite, within 0-100, and the sum of their contributions.",
                            lambda scores, _run: score_problems(scores),
                        ),
                    ),
                ),
            ),
            needs=("clip_features",),
            compute=_clip_scores,
            reads=lambda run: {"model": run.scoring.scorer.model, "features": run.scorer.features_key()},
            record=lambda run, _scores, _features: run.keep_arm(),
        ),
        Work(
            products=(
                Product(
                    name="selected_clips",
                    type=SelectedClips,
                    description="The best candidates that do not overlap, and why the others lost.",
                    code_version="3",
                    kinds=frozenset({"python"}),
                    metadata=_selected_metadata,
                    checks=(
                        Check(
                            "selection_consistent",
                            "Ranks are complete and chosen clips do not overlap.",
                            lambda selected, _run: selection_problems(selected),
                        ),
                        Check(
                            "no_word_cut",
                            "No chosen clip begins or ends inside a word.",
                            lambda selected, run: cut_word_problems(selected, run.value("transcript", Transcript)),
                        ),
                        Check(
                            "as_many_as_asked",
                            "As many clips as asked for, or the reason.",
                            lambda selected, _run: shortfall_problems(selected),
                            blocking=False,
                        ),
                    ),
                ),
            ),
            needs=("clip_candidates", "clip_scores", "transcript"),
            compute=_selected_clips,
            reads=lambda run: {
                **_asked(run, "clips", "keywords"),
                **run.sentence_embedder.key(),
                **run.clip_writer.key(),
            },
        ),
    ],
    pool=compute.CPU_POOL,
    shape=compute.CPU,
)
