"""What the file is, and its sound as the analysis hears it."""

from __future__ import annotations

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.stage import Check, Product, Work, build_stage
from clip_platform.identifiers import StoredObject
from clip_platform.media.audio import AudioReader, extract_audio
from clip_platform.media.choice import choose_sound
from clip_platform.media.information import AudioTrack, MediaInfo
from clip_platform.media.probe import probe
from clip_platform.media.streams import name_of_track
from clip_platform.media.verdicts import loudness_problems, sound_length_problems
from clip_platform.resources.stage_run import StageRun


def _uploaded_video(run: StageRun) -> StoredObject:
    if run.video.stored_source is not None:
        return run.video.stored_source
    return run.fetched()


def _source_metadata(source: StoredObject, _run: StageRun) -> dict[str, object]:
    return {"object": source.key, "sha256": source.sha256, "size_bytes": source.size_bytes}


def _source_reads(run: StageRun) -> dict[str, object]:
    """The same whether it was uploaded or is still to be fetched: a fetched one is found again by its bytes."""
    stored = run.video.stored_source
    return {"source": None if stored is None else stored.sha256}


def _media_info(run: StageRun, _source: StoredObject) -> MediaInfo:
    path = run.source()
    return choose_sound(path, probe(path, run.limits), run.speech_recognizer.speech_s)


def _record_duration(run: StageRun, info: MediaInfo, _source: StoredObject) -> None:
    run.attempt.probed(info.duration_s)


def _media_info_metadata(info: MediaInfo, run: StageRun) -> dict[str, object]:
    video = info.video
    return {
        "name": run.video.name,
        "duration_s": float(info.duration_s),
        "size_bytes": info.size_bytes,
        "picture": f"{video.width_px}x{video.height_px} {video.codec}, {float(video.frame_rate):.3f} frames/s",
        "sound": f"{info.audio.codec}, {info.audio.sample_rate_hz} Hz, {info.audio.channels} channels",
        "sound_track": f"{name_of_track(info.audio)}, 1 of {len(info.audio_streams)}",
        "warnings": "; ".join(info.warnings) or "none",
        "frame": pictures.frame(run, info, info.duration_s / 3),
    }


def _audio_track(run: StageRun, info: MediaInfo) -> AudioTrack:
    path = run.workspace.folder("audio") / "audio.wav"
    loudness = extract_audio(run.source(), info, path, run.on_progress)
    audio = AudioReader(path)
    return AudioTrack(
        wav=run.workspace.keep(path, "audio", path.name),
        sample_rate_hz=audio.sample_rate_hz,
        duration_s=audio.duration_s,
        loudness_lufs=loudness.integrated_lufs,
        true_peak_dbtp=loudness.true_peak_dbtp,
    )


def _audio_track_metadata(track: AudioTrack, _run: StageRun) -> dict[str, object]:
    return {
        "duration_s": float(track.duration_s),
        "loudness_lufs": track.loudness_lufs if track.loudness_lufs is not None else "silent",
        "true_peak_dbtp": track.true_peak_dbtp if track.true_peak_dbtp is not None else "silent",
        "size_bytes": track.wav.size_bytes,
    }


media = build_stage(
    "media",
    [
        Work(
            products=(
                Product(
                    name="uploaded_video",
                    type=StoredObject,
                    description="The original file in the object store; fetched first when a tenant gave its address.",
                    code_version="1",
                    kinds=frozenset({"file"}),
                    metadata=_source_metadata,
                ),
            ),
            needs=(),
            compute=_uploaded_video,
            reads=_source_reads,
        ),
        Work(
            products=(
                Product(
                    name="media_info",
                    type=MediaInfo,
                    description="Streams, sizes, rates and times of the uploaded file; the sound track with speech.",
                    code_version="3",
                    kinds=frozenset({"ffmpeg"}),
                    metadata=_media_info_metadata,
                ),
            ),
            needs=("uploaded_video",),
            compute=_media_info,
            record=_record_duration,
            reads=lambda run: {"source": run.video.source.sha256},
        ),
        Work(
            products=(
                Product(
                    name="audio_track",
                    type=AudioTrack,
                    description="The chosen sound track, 16 kHz mono from time zero, with its loudness (EBU R128).",
                    code_version="1",
                    kinds=frozenset({"ffmpeg"}),
                    metadata=_audio_track_metadata,
                    checks=(
                        Check(
                            "loudness_present",
                            "The track is not silent.",
                            lambda track, _run: loudness_problems(track),
                            blocking=False,
                        ),
                        Check(
                            "sound_not_empty",
                            "There is sound to analyse.",
                            lambda track, _run: sound_length_problems(track),
                        ),
                    ),
                ),
            ),
            needs=("media_info",),
            compute=_audio_track,
            reads=lambda run: {"source": run.video.source.sha256},
        ),
    ],
    pool=compute.CPU_POOL,
    shape=compute.CPU,
)
