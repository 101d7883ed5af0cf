"""Pictures and tables as Dagster metadata; `delivery` draws them."""

from __future__ import annotations

import base64
from fractions import Fraction

import dagster as dg

from clip_platform.delivery import pictures
from clip_platform.delivery.timeline import TimelineData
from clip_platform.media.frames import frame_picture
from clip_platform.media.information import MediaInfo
from clip_platform.rendering.clips import RenderedClips
from clip_platform.resources.stage_run import StageRun
from clip_platform.scoring.scorer import ClipScores
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.vision.tracks import FaceTracks

_FRAME_WIDTH_PX = 480
_MOST_THUMBNAILS = 6


def markdown(text: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(text)


def frame(run: StageRun, info: MediaInfo, moment: Fraction) -> dg.MetadataValue:
    """One frame of the source."""
    return image(frame_picture(run.source(), info, moment, _FRAME_WIDTH_PX), "frame")


def faces(run: StageRun, tracks: FaceTracks) -> dg.MetadataValue:
    """The middle of the longest face track, with its box drawn."""
    if not tracks.tracks:
        return markdown("no face found")
    info = run.value("media_info", MediaInfo)
    longest = max(tracks.tracks, key=lambda track: len(track.boxes))
    middle = len(longest.boxes) // 2
    moment = tracks.time_of(longest.first_sample + middle)
    picture = frame_picture(run.source(), info, moment, _FRAME_WIDTH_PX)
    boxes = [box for _track, box in tracks.boxes_at(moment, longest.shot_index)]
    return image(pictures.boxes_on(picture, boxes, tracks.width_px), "faces")


def acoustics(features: AcousticFeatures) -> dg.MetadataValue:
    return image(pictures.acoustics_png(features), "loudness, pitch, laughter and applause")


def scores(values: ClipScores) -> dg.MetadataValue:
    return image(pictures.scores_png(values), "scores")


def thumbnails(run: StageRun, rendered: RenderedClips) -> dg.MetadataValue:
    """The clips' thumbnails, best first, as one strip."""
    paths = [run.workspace.fetch(clip.thumbnail) for clip in rendered.clips[:_MOST_THUMBNAILS]]
    return image(pictures.strip(paths), "thumbnails") if paths else markdown("no clip")


def timeline(data: TimelineData) -> dg.MetadataValue:
    return image(pictures.timeline_png(data), "timeline")


def image(data: bytes, title: str) -> dg.MetadataValue:
    """PNG or JPEG, shown in the UI without being stored anywhere else."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return markdown(f"![{title}](data:image/{kind};base64,{base64.b64encode(data).decode()})")
