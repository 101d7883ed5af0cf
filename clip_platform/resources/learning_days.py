"""A day of the learning loop: what was reported, what was made, and the examples that come of both.

Each function writes one file a tenant and says what it wrote; done again on the same rows it writes the same bytes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from clip_platform.errors import FeatureMismatch, PermanentError

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_platform.database.learning import MadeClip
    from clip_platform.ml.examples import Examples
    from clip_platform.ml.tables import Kind
    from clip_platform.resources.learning import LearningResource

REACH_DAYS = 35
"""What is reported about a clip later than so long after it was made changes its example no more."""


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """`digest`: of all the day's files; the same rows give the same. `left_out`: rows by why they were left out.
    `is_over`: nothing more can come in that is dated that day."""

    day: date
    rows: int
    tenants: int
    digest: str
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        from clip_platform.database.learning import is_over

        return is_over(self.day)


def take_feedback(learning: LearningResource, day: date) -> WrittenDay:
    """The reports that came in that UTC day."""
    from clip_platform.database import learning as rows
    from clip_platform.ml import tables

    by_tenant: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    tenant_at = rows.FEEDBACK_COLUMNS.index("tenant_id")
    for piece in rows.feedback_received(learning.rows(), day):
        for row in piece:
            by_tenant[row[tenant_at]].append(row)
    files = {
        tenant: tables.encode(
            "feedback", dict(zip(rows.FEEDBACK_COLUMNS, map(list, zip(*found, strict=True)), strict=True))
        )
        for tenant, found in by_tenant.items()
    }
    return _written(learning, "feedback", day, files, sum(map(len, by_tenant.values())))


def take_features(learning: LearningResource, day: date) -> WrittenDay:
    """Features of the clips that were made that UTC day and are still there."""
    from clip_platform.database import learning as rows
    from clip_platform.ml import tables

    left_out: dict[str, int] = defaultdict(int)
    files, count = {}, 0
    made = rows.clips_made(learning.rows(), day)
    for tenant, clips in itertools.groupby(made, key=lambda clip: clip.tenant_id):
        found = [row for _, group in itertools.groupby(clips, key=lambda clip: clip.video_id)
                 for row in _feature_rows(learning, day, list(group), left_out)]  # fmt: skip
        if found:
            files[tenant] = tables.encode("features", {name: [row[name] for row in found] for name in found[0]})
            count += len(found)
    return _written(learning, "features", day, files, count, left_out)


def _feature_rows(
    learning: LearningResource, day: date, clips: Sequence[MadeClip], left_out: dict[str, int]
) -> list[dict[str, Any]]:
    """Of one video's clips; a video whose features are gone or another code's is left out, and counted."""
    from clip_platform.scoring.features import FEATURES, feature_digest

    try:
        features = learning.features_of(clips[0])
        if features.digest != feature_digest():
            raise FeatureMismatch(f"features {features.digest} of video {clips[0].video_id}")
    except FeatureMismatch:
        left_out["features of another version"] += len(clips)
        return []
    except PermanentError:
        left_out["features gone"] += len(clips)
        return []
    places = {name: row for row, name in enumerate(features.candidate_ids)}
    known = [clip for clip in clips if clip.clip_id in places]
    left_out["no such candidate"] += len(clips) - len(known)
    return [
        {
            "tenant_id": clip.tenant_id,
            "video_id": clip.video_id,
            "clip_id": clip.clip_id,
            "made_on": day,
            "heuristic": _heuristic(features.columns, places[clip.clip_id]),
            "explored": clip.arm == "explore",
            "model": clip.model,
        }
        | {feature.name: features.columns[feature.name][places[clip.clip_id]] for feature in FEATURES}
        for clip in known
    ]


def _heuristic(columns: Mapping[str, Sequence[float]], row: int) -> float:
    import numpy as np

    from clip_platform.ml.baseline import heuristic_values
    from clip_platform.ml.examples import FEATURE_NAMES

    return float(heuristic_values(np.array([[columns[name][row] for name in FEATURE_NAMES]], np.float32))[0])


def build_days(learning: LearningResource, days: Sequence[date], now: datetime | None = None) -> list[WrittenDay]:
    """Examples of the clips made on each of these UTC days, with all that was reported about them until now.

    Args:
        days: in order; the reports of `REACH_DAYS` are in memory at once, of one tenant.
    """
    from clip_platform.ml import tables

    now = now or datetime.now(UTC)
    left_out: dict[date, dict[str, int]] = {day: defaultdict(int) for day in days}
    rows, files = dict.fromkeys(days, 0), {day: dict[str, str]() for day in days}
    for tenant in learning.tenants():
        window = _ReportWindow(learning, tenant, now.date())
        for day in days:
            made = learning.get("features", tenant, day)
            if made is None:
                learning.drop("examples", tenant, day)
                continue
            examples = _examples(window, day, made, now, left_out[day])
            data = tables.encode("examples", tables.columns_of_examples(examples))
            files[day][tenant] = learning.put("examples", tenant, day, data).sha256
            rows[day] += len(examples)
    return [WrittenDay(day, rows[day], len(files[day]), _digest(files[day]), dict(left_out[day])) for day in days]


def _examples(window: _ReportWindow, day: date, made: bytes, now: datetime, left_out: dict[str, int]) -> Examples:
    from clip_platform.ml import tables
    from clip_platform.ml.examples import build_examples
    from clip_platform.scoring.features import feature_digest

    features = tables.decode("features", made)
    reports = window.about(features.column("video_id"), day).to_pandas()
    examples, counts = build_examples(reports, features.to_pandas(), feature_digest(), now)
    for why, number in counts.cleaning.as_metadata().items():
        if number and why not in ("rows", "kept"):
            left_out[why] += number
    return examples


class _ReportWindow:
    """A tenant's reports of the days that matter to the clips of one day; what the next day needs too is kept."""

    def __init__(self, learning: LearningResource, tenant: str, today: date) -> None:
        self._learning, self._tenant, self._today = learning, tenant, today
        self._held: dict[date, pa.Table | None] = {}

    def about(self, videos: pa.ChunkedArray, made_on: date) -> pa.Table:
        """Reports about these videos that came in from the day they were made on, for `REACH_DAYS`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from clip_platform.ml import tables

        last = min(made_on + timedelta(days=REACH_DAYS), self._today)
        wanted = [made_on + timedelta(days=n) for n in range((last - made_on).days + 1)]
        self._held = {day: self._held[day] if day in self._held else self._read(day) for day in wanted}
        found = [table for table in self._held.values() if table is not None]
        reports = pa.concat_tables([tables.schema_of("feedback").empty_table(), *found])
        return reports.filter(pc.is_in(reports.column("video_id"), pc.unique(videos)))

    def _read(self, day: date) -> pa.Table | None:
        from clip_platform.ml import tables

        data = self._learning.get("feedback", self._tenant, day)
        return None if data is None else tables.decode("feedback", data)


def all_examples(learning: LearningResource, until: date | None = None) -> Examples:
    """Of every tenant and day, as far as materialised."""
    from clip_platform.ml import tables

    files = (
        learning.get("examples", tenant, day)
        for tenant in learning.tenants()
        for day in learning.days("examples", tenant)
        if until is None or day <= until
    )
    return tables.examples_of([tables.decode("examples", data) for data in files if data is not None])


def _written(
    learning: LearningResource,
    kind: Kind,
    day: date,
    files: Mapping[str, bytes],
    rows: int,
    left_out: Mapping[str, int] | None = None,
) -> WrittenDay:
    digests = {tenant: learning.put(kind, tenant, day, data).sha256 for tenant, data in files.items()}
    for tenant in _others(learning.tenants(), files):
        learning.drop(kind, tenant, day)
    kept = {why: count for why, count in (left_out or {}).items() if count}
    return WrittenDay(day, rows, len(files), _digest(digests), kept)


def _others(tenants: Iterable[str], files: Mapping[str, bytes]) -> list[str]:
    return [tenant for tenant in tenants if tenant not in files]


def _digest(digests: Mapping[str, str]) -> str:
    """Sixteen hex digits of the files' own digests, by tenant."""
    lines = "".join(f"{tenant}\n{digest}\n" for tenant, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
