"""Shots and faces, from one decode of the picture."""

from __future__ import annotations

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.stage import Check, Product, Work, build_stage
from clip_platform.media.information import MediaInfo
from clip_platform.resources.stage_run import StageRun
from clip_platform.vision.analysis import watch
from clip_platform.vision.tracks import FaceTracks, Shots
from clip_platform.vision.verdicts import face_problems, shot_problems


def _shots_and_faces(run: StageRun, info: MediaInfo) -> tuple[Shots, FaceTracks]:
    return watch(run.source(), info, run.face_detector.get(), run.on_progress)


def _shots_metadata(shots: Shots, _run: StageRun) -> dict[str, object]:
    return {
        "shots": len(shots.shots),
        "slides": sum(shot.kind == "slide" for shot in shots.shots),
        "screens": sum(shot.kind == "screen" for shot in shots.shots),
        "slide_changes": sum(shot.begins == "slide" for shot in shots.shots),
        "longest_s": float(max(shot.span.duration_s for shot in shots.shots)),
        "cuts_s": ", ".join(f"{float(cut):.3f}" for cut in shots.cuts_s[:40]) or "none",
    }


def _faces_metadata(faces: FaceTracks, run: StageRun) -> dict[str, object]:
    return {
        "tracks": len(faces.tracks),
        "still": sum(track.still for track in faces.tracks),
        "persons": len({track.person for track in faces.tracks} - {None}),
        "boxes": sum(len(track.boxes) for track in faces.tracks),
        "sample_rate_hz": float(faces.sample_rate),
        "detector": faces.detector,
        "faces": pictures.faces(run, faces),
    }


vision = build_stage(
    "vision",
    [
        Work(
            products=(
                Product(
                    name="shots",
                    type=Shots,
                    description="Stretches without a cut, by exact presentation time: slide, screen or camera.",
                    code_version="2",
                    kinds=frozenset({"opencv"}),
                    metadata=_shots_metadata,
                    checks=(
                        Check(
                            "shots_cover_the_video",
                            "Shots follow each other without gap or overlap, from zero.",
                            lambda shots, _run: shot_problems(shots),
                        ),
                    ),
                ),
                Product(
                    name="face_tracks",
                    type=FaceTracks,
                    description="Every face followed through its shot, with the motion of its mouth.",
                    code_version="2",
                    kinds=frozenset({"opencv"}),
                    metadata=_faces_metadata,
                    checks=(
                        Check(
                            "boxes_inside_the_picture",
                            "Boxes are finite and touch the picture.",
                            lambda faces, _run: face_problems(faces),
                        ),
                    ),
                ),
            ),
            needs=("media_info",),
            compute=_shots_and_faces,
            reads=lambda run: {"source": run.video.source.sha256, "detector": run.face_detector.key()},
        ),
    ],
    pool=compute.GPU_POOL,
    shape=compute.GPU,
)
