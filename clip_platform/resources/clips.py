"""Rendering with a checkpoint a clip: a run that died in the fifth clip does not render the first four again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clip_platform.identifiers import StoredObject
from clip_platform.progress import OnProgress, part_of
from clip_platform.rendering.clips import RenderedClip, RenderedClips
from clip_platform.rendering.plan import ClipPlan
from clip_platform.rendering.render import RenderedFiles, render_clip
from clip_platform.resources.stage_run import MadeFrom, StageRun
from clip_platform.storage import artifacts

RENDERING_VERSION = "3"
"""Changes whenever the same plan may give other pixels or sound."""


def render_all(run: StageRun, plans: Sequence[ClipPlan]) -> RenderedClips:
    """Every plan's clip, by rank: rendered, or taken from an earlier attempt that had the same plan and source."""
    whole_s = float(sum(plan.source_span.duration_s for plan in plans)) or 1.0
    rendered, done_s = [], 0.0
    for plan in plans:
        next_s = done_s + float(plan.source_span.duration_s)
        rendered.append(_one(run, plan, part_of(run.on_progress, done_s / whole_s, next_s / whole_s)))
        done_s = next_s
    return RenderedClips(tuple(rendered))


def _one(run: StageRun, plan: ClipPlan, on_progress: OnProgress) -> RenderedClip:
    asset = f"rendered_clip.{plan.clip_id}"
    # the rank is no pixel: a clip that only moved in the ranking is the same file
    unranked = hashlib.sha256(artifacts.encode(replace(plan, rank=0))).hexdigest()
    made_from = MadeFrom(RENDERING_VERSION, {"plan": unranked}, {"source": run.video.source.sha256})
    fingerprint = made_from.fingerprint(asset)
    known = None if run.recompute else run.attempt.find(asset, fingerprint)
    intact = None if known is None else run.attempt.restore(known, RenderedClip)
    if intact is not None:
        return replace(intact, rank=plan.rank)
    folder = run.workspace.folder(f"clip-{plan.clip_id}")
    clip = _kept(run, plan, render_clip(run.source(), plan, folder, on_progress))
    run.attempt.commit(asset, fingerprint, clip, made_from)
    return clip


def _kept(run: StageRun, plan: ClipPlan, files: RenderedFiles) -> RenderedClip:
    def keep(path: Path) -> StoredObject:
        return run.workspace.keep(path, "clips", f"{plan.clip_id}{path.suffix}")

    return RenderedClip(
        clip_id=plan.clip_id,
        rank=plan.rank,
        source_span=plan.source_span,
        width_px=plan.width_px,
        height_px=plan.height_px,
        video=keep(files.video),
        thumbnail=keep(files.thumbnail),
        srt=keep(files.srt),
        vtt=keep(files.vtt),
        ass=keep(files.ass),
        layout=plan.layout,
        quality=files.quality,
    )
