"""An archive of clips by day, made as a superuser, so that tests of learning need no pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from tests.conftest import MigratedServer

_VIDEOS = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
select %(prefix)s || lpad(n::text, 10, '0'), %(tenant)s, 'talk', %(tenant)s || '/x', '', 1, '{}', 'completed'
from generate_series(1, %(videos)s) n"""
_CLIPS = """
insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model,
    created_at)
select %(prefix)s || lpad(n::text, 10, '0'), %(tenant)s, 'c' || k, k, 10 * k, 10 * k + 8, 50, '', '[]', '{}', '[]',
    'heuristic-1', cast(%(day)s as timestamp) at time zone 'UTC' + interval '1 hour'
from generate_series(1, %(videos)s) n, generate_series(1, %(each)s) k"""


def make_clips(server: MigratedServer, tenant: str, day: date, videos: int = 1, each: int = 2) -> list[tuple[str, str]]:
    """Videos and clips of one day; their keys."""
    of_tenant = sum(tenant.encode())
    values = {
        "prefix": f"0{of_tenant:07}{day:%Y%m%d}",
        "tenant": tenant,
        "videos": videos,
        "each": each,
        "day": day.isoformat(),
    }
    with server.superuser() as connection:
        connection.execute(
            "insert into tenants (tenant_id, name) values (%(tenant)s, 'x') on conflict do nothing", values
        )
        connection.execute(_VIDEOS, values)
        connection.execute(_CLIPS, values)
    return [(f"{values['prefix']}{n:010}", f"c{k}") for n in range(1, videos + 1) for k in range(1, each + 1)]


def scores_csv(tenant: str, keys: Sequence[tuple[str, str]], value: float, reasons: str = "") -> Iterator[bytes]:
    """The same score for all, within 10 either way."""
    for video_id, clip_id in keys:
        low, high = max(value - 10, 0), min(value + 10, 100)
        yield f"{tenant},{video_id},{clip_id},{value},{low},{high},middle,0.4,{reasons}\n".encode()
