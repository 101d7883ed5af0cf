"""What must hold of what is handed over. Problems in words; none means all is well."""

from __future__ import annotations

from clip_platform.delivery.packages import PublishedClips


def nothing_published_problems(published: PublishedClips) -> list[str]:
    if published.published or not published.left_out:
        return []
    return left_out_problems(published)


def left_out_problems(published: PublishedClips) -> list[str]:
    return [f"clip {clip.rank}: {clip.reason}" for clip in published.left_out]
