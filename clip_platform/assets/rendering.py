"""The chosen clips as finished files."""

from __future__ import annotations

from dataclasses import asdict, replace

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.stage import Check, Product, Work, build_stage
from clip_platform.delivery import tables
from clip_platform.media.information import MediaInfo
from clip_platform.rendering.clips import RenderedClips
from clip_platform.rendering.plan import plan_clip
from clip_platform.rendering.verdicts import (
    caption_problems,
    fallback_problems,
    frame_problems,
    loudness_problems,
    no_clip_problems,
)
from clip_platform.resources.clips import RENDERING_VERSION, render_all
from clip_platform.resources.stage_run import StageRun
from clip_platform.selection.choice import SelectedClips
from clip_platform.selection.edits import EditedClips, apply_edits, edited_problems
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.speech.transcript import Transcript
from clip_platform.vision.tracks import FaceTracks, Shots


def _edited_clips(run: StageRun, selected: SelectedClips, info: MediaInfo, transcript: Transcript) -> EditedClips:
    return apply_edits(selected, run.edits, transcript, info.duration_s, run.preferences)


def _edited_metadata(edited: EditedClips, _run: StageRun) -> dict[str, object]:
    changed = sum(presentation.edit_revision > 0 for presentation in edited.presentations)
    return {"clips": len(edited.selected.clips), "edited": changed, "revision": edited.revision}


def _edited_reads(run: StageRun) -> dict[str, object]:
    preferences = run.preferences
    looks = {"aspect": preferences.aspect, "caption_style": preferences.caption_style}
    return {**looks, "platforms": list(preferences.platforms), "edits": asdict(run.edits)}


def _rendered_clips(
    run: StageRun,
    edited: EditedClips,
    info: MediaInfo,
    transcript: Transcript,
    shots: Shots,
    faces: FaceTracks,
    turns: SpeakerTurns,
) -> RenderedClips:
    shown_as = edited.presentation_of
    plans = []
    for clip in edited.selected.clips:
        look = shown_as[clip.clip_id]
        wanted = replace(run.preferences, aspect=look.aspect, caption_style=look.caption_style)
        plans.append(plan_clip(clip, info, transcript, shots, faces, turns, wanted))
    return render_all(run, plans)


def _rendered_metadata(rendered: RenderedClips, run: StageRun) -> dict[str, object]:
    return {
        "clips": len(rendered.clips),
        "seconds": float(sum(clip.source_span.duration_s for clip in rendered.clips)),
        "size_bytes": sum(clip.video.size_bytes for clip in rendered.clips),
        "table": pictures.markdown(tables.rendered_table(rendered)),
        "thumbnails": pictures.thumbnails(run, rendered),
    }


rendering = build_stage(
    "rendering",
    [
        Work(
            products=(
                Product(
                    name="edited_clips",
                    type=EditedClips,
                    description="The chosen clips with what their tenant wants otherwise: ends, titles, looks.",
                    code_version="1",
                    kinds=frozenset({"python"}),
                    metadata=_edited_metadata,
                    checks=(
                        Check(
                            "inside_the_source",
                            "Every clip lies inside the source.",
                            lambda edited, run: edited_problems(edited, run.value("media_info", MediaInfo).duration_s),
                        ),
                    ),
                ),
            ),
            needs=("selected_clips", "media_info", "transcript"),
            compute=_edited_clips,
            reads=_edited_reads,
        ),
        Work(
            products=(
                Product(
                    name="rendered_clips",
                    type=RenderedClips,
                    description="One MP4 a clip, framed and captioned, with SRT, VTT, ASS and a thumbnail.",
                    code_version=RENDERING_VERSION,
                    kinds=frozenset({"ffmpeg"}),
                    metadata=_rendered_metadata,
                    checks=(
                        Check(
                            "every_frame_present",
                            "No frame is missing.",
                            lambda made, _run: frame_problems(made),
                            False,
                        ),
                        Check(
                            "captions_in_sync",
                            "Captions are within 100 ms of their words.",
                            lambda made, _run: caption_problems(made),
                            blocking=False,
                        ),
                        Check(
                            "loudness_present",
                            "Every clip can be heard.",
                            lambda made, _run: loudness_problems(made),
                            blocking=False,
                        ),
                        Check(
                            "no_fallback",
                            "No clip was framed second best.",
                            lambda made, _run: fallback_problems(made),
                            blocking=False,
                        ),
                        Check(
                            "some_clip_publishable",
                            "At least one clip may be published.",
                            lambda made, _run: no_clip_problems(made),
                        ),
                    ),
                ),
            ),
            needs=(
                "edited_clips",
                "media_info",
                "transcript",
                "shots",
                "face_tracks",
                "speaker_turns",
            ),
            compute=_rendered_clips,
            reads=lambda run: {"source": run.video.source.sha256},
        ),
    ],
    pool=compute.ENCODE_POOL,
    shape=compute.ENCODE,
)
