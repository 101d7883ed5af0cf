"""Which score of a clip its tenant is shown, and where the clip stands among its video's; or that none is shown.

The score is that of the model version that the tenant sees, and where there is none, the one that the clip was made
with. Clips stand by it, best first, in the ranks that their video has. Of a video that explores no score is shown and
its clips stand in an order that means nothing, since whoever sees a score judges by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from clip_platform.identifiers import served_name

WITHHELD_DAYS = 28
Withheld = Literal["exploration"]
Band = Literal["low", "middle", "high"]


@dataclass(frozen=True, slots=True)
class ShownScore:
    """`value` is 0..100, `contributions` sum to `value - baseline`; where the archive was scored again later there is
    neither. `low`, `high`, `band`, `top_chance` as in `ClipRow`."""

    value: float
    model: str
    reasons: tuple[str, ...]
    baseline: float | None = None
    contributions: tuple[Mapping[str, Any], ...] = ()
    low: float | None = None
    high: float | None = None
    band: Band | None = None
    top_chance: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A clip's rank as it is shown, and its score; None: withheld."""

    rank: int
    score: float | None


_EXPLORES = f"""exists(select from video_arms a where a.video_id = :video_id and a.arm = 'explore')
        and exists(select from clips n
            where n.video_id = :video_id and n.created_at > now() - make_interval(days => {WITHHELD_DAYS}))"""  # noqa: S608
_UNDECIDED = """exists(select from clips n where n.video_id = :video_id and not exists(
            select from clip_feedback f where f.tenant_id = n.tenant_id and f.video_id = n.video_id
                and f.clip_id = n.clip_id and f.kind = 'decision'))"""
_SHOWN = """
    with withholding as materialized (select {withheld} as withheld),
    shown as (
        select c.*, w.withheld, s.model_version as shown_version, s.value as shown_value, s.low as shown_low,
            s.high as shown_high, s.band as shown_band, s.top_chance as shown_top_chance, s.reasons as shown_reasons,
            (array_agg(c.rank) over (order by c.rank, c.clip_id
                rows between unbounded preceding and unbounded following)
            )[row_number() over (order by
                case when w.withheld then sha256(convert_to(c.video_id || '.' || c.clip_id, 'UTF8')) end,
                coalesce(s.value, c.score) desc, c.rank, c.clip_id)] as shown_rank
        from clips c cross join withholding w
        left join score_versions v on v.tenant_id = c.tenant_id
        left join clip_scores s on s.model_version = v.model_version and s.video_id = c.video_id
            and s.clip_id = c.clip_id
        where c.video_id = :video_id)"""

COLUMNS = """withheld, shown_version, shown_value, shown_low, shown_high, shown_band, shown_top_chance, shown_reasons,
    shown_rank"""
"""Of `SHOWN`, beside those of `clips`."""
_UNTIL_DECIDED = f"{_EXPLORES} and {_UNDECIDED}"
SHOWN = _SHOWN.format(withheld=_UNTIL_DECIDED)
"""A `with` clause that makes `shown`, the clips of `:video_id`: scores are withheld until all of them are decided on,
or `WITHHELD_DAYS` old."""

_WITHHELD = text(f"select {_UNTIL_DECIDED}")
# The pipeline reads no decisions.
_PLACES = text(f"""{_SHOWN.format(withheld=_EXPLORES)}
    select clip_id, shown_rank as rank, case when not withheld then coalesce(shown_value, score) end as score
    from shown""")  # noqa: S608


def shown_score(row: Row[Any]) -> ShownScore | None:
    """Of a row with the clip's columns and `COLUMNS`; None: withheld."""
    if row.withheld:
        return None
    if row.shown_version is None:
        return ShownScore(
            value=row.score,
            model=row.model,
            reasons=tuple(row.reasons),
            baseline=row.baseline,
            contributions=tuple(row.contributions),
            low=row.low,
            high=row.high,
            band=row.band,
            top_chance=row.top_chance,
        )
    return ShownScore(
        value=row.shown_value,
        model=served_name(row.shown_version),
        reasons=tuple(row.shown_reasons or ()),
        low=row.shown_low,
        high=row.shown_high,
        band=row.shown_band,
        top_chance=row.shown_top_chance,
    )


def places(connection: Connection, video_id: str) -> dict[str, Place]:
    """Of a video's clips, by clip id, for whoever is told of them: of one that explores, no score while it is young."""
    rows = connection.execute(_PLACES, {"video_id": video_id})
    return {row.clip_id: Place(row.rank, row.score) for row in rows}


def withheld(connection: Connection, video_id: str) -> bool:
    """Whether no score of this video's clips is shown for now."""
    return bool(connection.execute(_WITHHELD, {"video_id": video_id}).scalar_one())
