"""What is handed over per clip: which files under which names, and whether it may be published at all.

The verdict is data: a clip with a problem is left out with its reason, and the others go on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from clip_platform.identifiers import StoredObject
from clip_platform.rendering.clips import RenderedClip, RenderedClips
from clip_platform.selection.choice import SelectedClips

LONGEST_SLUG = 48
"""Characters; with rank and suffix a name stays far below every file system's 255 bytes."""

MANIFEST_NAME = "clips.json"
REPORT_NAME = "report.html"

MEDIA_TYPE_BY_KIND: Mapping[str, str] = {
    "video": "video/mp4",
    "thumbnail": "image/jpeg",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "ass": "text/x-ssa",
}
SUFFIX_BY_KIND: Mapping[str, str] = {"video": ".mp4", "thumbnail": ".jpg", "srt": ".srt", "vtt": ".vtt", "ass": ".ass"}


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of a package. `kind` is one of `SUFFIX_BY_KIND`; `name` is safe on every file system and in a link."""

    kind: str
    name: str
    stored: StoredObject


@dataclass(frozen=True, slots=True)
class ClipPackage:
    """`reasons` say why it is not publishable; empty when it is. `fallbacks`: what is second best about it."""

    clip_id: str
    rank: int
    files: tuple[PackageFile, ...]
    publishable: bool
    reasons: tuple[str, ...]
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClipPackages:
    """One package a rendered clip, by rank; and, once stored, `clips.json` and `report.html` over all of them."""

    packages: tuple[ClipPackage, ...]
    manifest: StoredObject | None = None
    report: StoredObject | None = None

    @property
    def files(self) -> dict[str, StoredObject]:
        """Everything there is to hand over, by file name."""
        whole = {MANIFEST_NAME: self.manifest, REPORT_NAME: self.report}
        clips = {file.name: file.stored for package in self.packages for file in package.files}
        return clips | {name: stored for name, stored in whole.items() if stored is not None}

    @property
    def file_names(self) -> dict[str, dict[str, str]]:
        """File name by kind, by clip id."""
        return {package.clip_id: {file.kind: file.name for file in package.files} for package in self.packages}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A clip that is not published, and why."""

    clip_id: str
    rank: int
    reason: str


@dataclass(frozen=True, slots=True)
class PublishedClips:
    """What the tenant sees: clip ids by rank, and the clips left out."""

    published: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def package_clips(selected: SelectedClips, rendered: RenderedClips) -> ClipPackages:
    """Names every file by rank and title and takes the verdict of each clip's quality report."""
    titles = {clip.clip_id: clip.title for clip in selected.clips}
    by_rank = sorted(rendered.clips, key=lambda clip: clip.rank)
    return ClipPackages(tuple(_package(clip, titles.get(clip.clip_id, "")) for clip in by_rank))


def _package(clip: RenderedClip, title: str) -> ClipPackage:
    stem = file_stem(clip.rank, title)
    files = tuple(
        PackageFile(kind, stem + suffix, stored)
        for kind, suffix in SUFFIX_BY_KIND.items()
        if (stored := getattr(clip, kind)) is not None
    )
    problems = clip.quality.problems
    return ClipPackage(clip.clip_id, clip.rank, files, not problems, tuple(problems), clip.quality.fallbacks)


def publish(packages: ClipPackages) -> PublishedClips:
    """The publishable clips; the others with their reasons."""
    return PublishedClips(
        published=tuple(package.clip_id for package in packages.packages if package.publishable),
        left_out=tuple(
            LeftOut(package.clip_id, package.rank, "; ".join(package.reasons))
            for package in packages.packages
            if not package.publishable
        ),
    )


def file_stem(rank: int, title: str) -> str:
    """`01-how-sleep-works`: two digits of rank, then the title's ASCII letters and digits in lower case, with hyphens.

    Whatever a title holds (slashes, quotes, emoji, right-to-left marks, nothing at all) the name is safe; the rank
    keeps names of one video apart.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("'", "")
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) > LONGEST_SLUG:
        slug = slug[: LONGEST_SLUG + 1].rsplit("-", 1)[0][:LONGEST_SLUG].strip("-")
    return f"{rank:02d}-{slug}" if slug else f"{rank:02d}-clip"
