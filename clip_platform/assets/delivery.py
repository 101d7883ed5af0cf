"""What is handed over: packages with their report, and the rows a tenant sees."""

from __future__ import annotations

import json
from dataclasses import replace

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.stage import Check, Product, Work, build_stage
from clip_platform.delivery.manifest import clips_manifest
from clip_platform.delivery.packages import ClipPackages, PublishedClips, package_clips, publish
from clip_platform.delivery.report import report_html
from clip_platform.delivery.timeline import TimelineData, timeline_data
from clip_platform.delivery.verdicts import left_out_problems, nothing_published_problems
from clip_platform.media.information import MediaInfo
from clip_platform.rendering.clips import RenderedClips
from clip_platform.resources.stage_run import StageRun
from clip_platform.scoring.scorer import ClipScores
from clip_platform.selection.candidates import ClipCandidates
from clip_platform.selection.edits import EditedClips
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import Transcript
from clip_platform.vision.tracks import FaceTracks, Shots


def _clip_packages(
    run: StageRun,
    info: MediaInfo,
    transcript: Transcript,
    acoustics: AcousticFeatures,
    shots: Shots,
    faces: FaceTracks,
    candidates: ClipCandidates,
    scores: ClipScores,
    edited: EditedClips,
    rendered: RenderedClips,
) -> ClipPackages:
    packages = package_clips(edited.selected, rendered)
    manifest = clips_manifest(
        run.video.name,
        run.video.source,
        info,
        transcript,
        scores,
        edited,
        rendered,
        run.preferences,
        packages.file_names,
        face_detector=faces.detector,
    )
    timeline = timeline_data(info, transcript, acoustics, shots, faces, candidates, scores, edited.selected)
    page = report_html(manifest, timeline)
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    return replace(
        packages,
        manifest=run.workspace.keep_bytes(text.encode(), "packages", "clips.json"),
        report=run.workspace.keep_bytes(page.encode(), "packages", "report.html"),
    )


def _timeline(run: StageRun) -> TimelineData:
    return timeline_data(
        run.value("media_info", MediaInfo),
        run.value("transcript", Transcript),
        run.value("acoustic_features", AcousticFeatures),
        run.value("shots", Shots),
        run.value("face_tracks", FaceTracks),
        run.value("clip_candidates", ClipCandidates),
        run.value("clip_scores", ClipScores),
        run.value("edited_clips", EditedClips).selected,
    )


def _packages_metadata(packages: ClipPackages, run: StageRun) -> dict[str, object]:
    return {
        "packages": len(packages.packages),
        "files": len(packages.files),
        "timeline": pictures.timeline(_timeline(run)),
    }


def _published_clips(
    _run: StageRun,
    packages: ClipPackages,
    _edited: EditedClips,
    _scores: ClipScores,
    _rendered: RenderedClips,
    _transcript: Transcript,
) -> PublishedClips:
    return publish(packages)


def _record_published(
    run: StageRun,
    published: PublishedClips,
    packages: ClipPackages,
    edited: EditedClips,
    scores: ClipScores,
    rendered: RenderedClips,
    transcript: Transcript,
) -> None:
    from clip_platform.resources.publishing import publish_rows

    publish_rows(run.attempt, published, packages, edited, scores, rendered, transcript)


def _published_metadata(published: PublishedClips, _run: StageRun) -> dict[str, object]:
    return {"published": len(published.published), "left_out": len(published.left_out)}


delivery = build_stage(
    "delivery",
    [
        Work(
            products=(
                Product(
                    name="clip_packages",
                    type=ClipPackages,
                    description="Each clip's files under names fit for people, `clips.json` and the report page.",
                    code_version="1",
                    kinds=frozenset({"json", "html"}),
                    metadata=_packages_metadata,
                ),
            ),
            needs=(
                "media_info",
                "transcript",
                "acoustic_features",
                "shots",
                "face_tracks",
                "clip_candidates",
                "clip_scores",
                "edited_clips",
                "rendered_clips",
            ),
            compute=_clip_packages,
            reads=lambda run: {"name": run.video.name, "preferences": run.preferences.as_mapping()},
        ),
        Work(
            products=(
                Product(
                    name="published_clips",
                    type=PublishedClips,
                    description="The rows a tenant sees; clips with a problem are left out with their reason.",
                    code_version="1",
                    kinds=frozenset({"postgres"}),
                    metadata=_published_metadata,
                    checks=(
                        Check(
                            "something_published",
                            "At least one clip is published when any was made.",
                            lambda published, _run: nothing_published_problems(published),
                        ),
                        Check(
                            "nothing_left_out",
                            "Every clip is published.",
                            lambda published, _run: left_out_problems(published),
                            blocking=False,
                        ),
                    ),
                ),
            ),
            needs=("clip_packages", "edited_clips", "clip_scores", "rendered_clips", "transcript"),
            compute=_published_clips,
            record=_record_published,
        ),
    ],
    pool=compute.CPU_POOL,
    shape=compute.CPU,
    ends_video=True,
)
