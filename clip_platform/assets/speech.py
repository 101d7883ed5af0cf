"""Words with times, and how the talk sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.stage import Check, Product, Work, build_stage
from clip_platform.delivery import tables
from clip_platform.media.audio import AudioReader
from clip_platform.media.information import AudioTrack
from clip_platform.resources.stage_run import StageRun
from clip_platform.speech.acoustics import AcousticFeatures, burst_spans
from clip_platform.speech.languages import spoken_language
from clip_platform.speech.transcript import Transcript
from clip_platform.speech.transcription import transcribe
from clip_platform.speech.verdicts import acoustic_problems, rough_engine_problems, word_problems
from clip_platform.timeline import total_s


def _transcript(run: StageRun, track: AudioTrack) -> Transcript:
    audio = AudioReader(run.workspace.fetch(track.wav))
    with run.speech_recognizer.listening() as listener:
        language = spoken_language(run.preferences.language, listener.recognizer)
        transcript = transcribe(audio, listener.recognizer, listener.find_speech, run.on_progress)
    return replace(transcript, language=language)


def _transcript_reads(run: StageRun) -> Mapping[str, object]:
    asked = run.preferences.language
    return {**run.speech_recognizer.key(), **({} if asked is None else {"language": asked})}


def _transcript_metadata(transcript: Transcript, _run: StageRun) -> dict[str, object]:
    return {
        "words": len(transcript.words),
        "speech_s": float(sum(span.duration_s for span in transcript.speech)),
        "language": transcript.language,
        "engine": f"{transcript.engine.name} {transcript.engine.version}, {transcript.engine.model}",
        "rough": transcript.engine.rough or "no",
        "first_words": pictures.markdown(tables.words_table(transcript)),
    }


def _acoustic_features(run: StageRun, track: AudioTrack) -> AcousticFeatures:
    from clip_platform.speech.backends.torch_acoustics import measure_acoustics

    audio = AudioReader(run.workspace.fetch(track.wav))
    return measure_acoustics(audio, run.on_progress, device=run.speech_recognizer.device)


def _acoustic_metadata(features: AcousticFeatures, _run: StageRun) -> dict[str, object]:
    return {
        "windows": len(features.columns["energy_db"]),
        "window_s": float(features.window_s),
        "frames": len(features.frames["energy_db"]),
        "laughter_or_applause_s": float(total_s(burst_spans(features))),
        "plot": pictures.acoustics(features),
    }


speech = build_stage(
    "speech",
    [
        Work(
            products=(
                Product(
                    name="transcript",
                    type=Transcript,
                    description="Every word with its times, gated by voice activity, and the engine that heard it.",
                    code_version="2",
                    kinds=frozenset({"torch"}),
                    metadata=_transcript_metadata,
                    checks=(
                        Check(
                            "words_monotonic_and_timed",
                            "Words are in order, do not overlap, and every one has a duration.",
                            lambda transcript, _run: word_problems(transcript),
                        ),
                        Check(
                            "production_engine",
                            "The words come from a production engine, not from the rough embedded one.",
                            lambda transcript, _run: rough_engine_problems(transcript),
                            blocking=False,
                        ),
                    ),
                ),
            ),
            needs=("audio_track",),
            compute=_transcript,
            reads=_transcript_reads,
        ),
        Work(
            products=(
                Product(
                    name="acoustic_features",
                    type=AcousticFeatures,
                    description="Loudness, pitch and spectrum every 10 ms; rate, pauses, laughter and applause.",
                    code_version="2",
                    kinds=frozenset({"torch", "parquet"}),
                    metadata=_acoustic_metadata,
                    checks=(
                        Check(
                            "features_finite",
                            "Every column has one finite number a window or a frame.",
                            lambda features, _run: acoustic_problems(features),
                        ),
                    ),
                ),
            ),
            needs=("audio_track",),
            compute=_acoustic_features,
        ),
    ],
    pool=compute.GPU_POOL,
    shape=compute.GPU,
)
