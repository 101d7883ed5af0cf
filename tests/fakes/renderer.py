"""A renderer that counts and writes no pixels: its files say what was planned."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from clip_platform.progress import OnProgress, silent
from clip_platform.rendering.clips import QualityReport
from clip_platform.rendering.plan import ClipPlan
from clip_platform.rendering.render import RenderedFiles
from clip_platform.storage import artifacts

_ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass
class CountingRenderer:
    """Takes the place of `render_clip`. `rendered` are the plans' clip ids in order; `meanwhile` is called in each."""

    rendered: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def __call__(
        self,
        _source: Path,
        plan: ClipPlan,
        folder: Path,
        on_progress: OnProgress = silent,
    ) -> RenderedFiles:
        self.meanwhile()
        self.rendered.append(plan.clip_id)
        on_progress(1.0)
        files = {suffix: folder / f"{plan.clip_id}.{suffix}" for suffix in ("mp4", "jpg", "srt", "vtt", "ass")}
        for suffix, path in files.items():
            path.write_bytes(_ONE_PIXEL if suffix == "jpg" else artifacts.encode(replace(plan, rank=0)))
        frames, duration_s = plan.expected_frames, float(plan.source_span.duration_s)
        quality = QualityReport(frames, frames, duration_s, -14.0, -1.5, 0.0, (), ())
        return RenderedFiles(files["mp4"], files["jpg"], files["srt"], files["vtt"], files["ass"], quality)
