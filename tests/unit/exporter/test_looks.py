"""A source that is away is shown as down and takes no other with it; labels stay few."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from clip_platform.database.backlog_counts import WaitingVideos
from clip_platform.exporter.app import Looks
from clip_platform.exporter.backlog import MOST_TENANTS, OTHERS, merged


def test_a_source_that_is_away_is_down_and_the_others_go_on() -> None:
    registry, seen = CollectorRegistry(), []

    def away() -> None:
        raise OSError("nobody there")

    looks = Looks(registry, {"dagster": away, "database": lambda: seen.append(1)})
    looks.look()
    looks.look()

    said = generate_latest(registry).decode()
    assert 'clip_platform_source_up{source="dagster"} 0.0' in said
    assert 'clip_platform_source_up{source="database"} 1.0' in said
    assert 'clip_platform_source_seen_timestamp_seconds{source="dagster"}' not in said
    assert seen == [1, 1]


def test_tenants_that_wait_longest_have_names_and_the_others_are_one() -> None:
    videos = [WaitingVideos(f"t{number:03}", "submitted", 2, float(number)) for number in range(MOST_TENANTS + 30)]
    found = merged([*videos, WaitingVideos("t000", "processing", 1, 500.0)])

    assert WaitingVideos("t000", "processing", 1, 500.0) in found
    assert WaitingVideos("t000", "submitted", 2, 0.0) in found
    assert len({one.tenant_id for one in found}) == MOST_TENANTS + 1
    assert sum(one.videos for one in found) == 2 * len(videos) + 1
    assert [one for one in found if one.tenant_id == OTHERS] == [WaitingVideos(OTHERS, "submitted", 60, 30.0)]
