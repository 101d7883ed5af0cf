"""A simulated past written as rows and objects: what `ml.simulate` invents, where the real path finds it.

Videos and clips of a stretch of days, shown by the models that serve in it, and the reports about them, each on the day
it comes in. Nothing here looks at the truth behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import numpy as np
import psycopg

from clip_platform.database import simulated
from clip_platform.database.simulated import PastClip, PastReport, PastVideo
from clip_platform.identifiers import served_name, ulid_of
from clip_platform.ml.baseline import HEURISTIC
from clip_platform.ml.cleaning import DECISIONS
from clip_platform.ml.examples import FEATURE_NAMES, NO_DECISION
from clip_platform.ml.gates import Arm, arm_of
from clip_platform.ml.model import EngagementModel, Scored
from clip_platform.ml.reasons import against_video, parts, reasons
from clip_platform.ml.simulate import DELAY_DAYS, Clips, Outcomes, World, show
from clip_platform.scoring.features import ClipFeatures, feature_digest
from clip_platform.storage import artifacts
from clip_platform.storage.objects import ObjectStore

REPORTED_AFTER_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28)
"""Viewers' counters come in so many days after a clip was made, each for the days since the one before."""
_VIDEO_S = 3600.0


class Served(Protocol):
    """Who serves: None is the heuristic, and no challenger."""

    @property
    def champion(self) -> EngagementModel | None: ...

    @property
    def challenger(self) -> EngagementModel | None: ...


@dataclass
class SimulatedPast:
    """Writes into the embedded server as its superuser, `connection` in autocommit mode, and into `store`."""

    connection: psycopg.Connection
    store: ObjectStore
    world: World
    first_day: date
    exploration_share: float = 0.1
    made: list[tuple[Clips, Outcomes]] = field(default_factory=list)
    """What there is to know, for comparing; nothing here reads it."""
    _coming: list[PastReport] = field(default_factory=list)
    _reports: int = 0

    def tenants(self) -> list[str]:
        return [f"{simulated.PREFIX}{number:02}" for number in range(self.world.tenants)]

    def begin(self) -> None:
        simulated.ensure_tenants(self.connection, self.tenants())

    def make(self, clips: Clips, seed: int, served: Served) -> np.ndarray:
        """Adds these videos as the models that serve show them, and what reviewers decide; the scores they are shown
        by, (n,). What viewers do comes with `report`."""
        ids, arms = self._ids(clips), []
        for video in ids:
            version = None if served.challenger is None else served.challenger.version
            arms.append(arm_of(video, version, self.exploration_share))
        scores, shown = self._scores(clips, arms, served)
        explored = np.array([arm == "explore" for arm in arms])[clips.video]
        outcomes = show(self.world, clips, seed, policy=lambda *_: scores, explored=explored)
        videos = [self._video(clips, row, ids, arms, served) for row in self._first_rows(clips)]
        told = self._reasons(clips, np.array(arms)[clips.video], served)
        rows = self._clips(clips, ids, arms, scores, shown, outcomes, told)
        simulated.add_videos(self.connection, videos, list(rows))
        self.made.append((clips, outcomes))
        self._coming += self._reported(clips, ids, outcomes, seed)
        return scores

    def report(self, day: date) -> int:
        """Reports that come in on that day, in the order of their clips; how many."""
        end = datetime.combine(day + timedelta(days=1), time(), UTC)
        due = [report for report in self._coming if report.received_at < end]
        self._coming = [report for report in self._coming if report.received_at >= end]
        simulated.add_reports(self.connection, due)
        return len(due)

    def _at(self, day: float) -> datetime:
        return datetime.combine(self.first_day, time(), UTC) + timedelta(days=float(day))

    def _ids(self, clips: Clips) -> list[str]:
        """A ULID a video, of the moment it was made."""
        found = []
        for row in self._first_rows(clips):
            entropy = hashlib.sha256(f"{clips.names}{clips.video[row]}".encode()).digest()[:10]
            found.append(ulid_of(int(self._at(clips.day[row]).timestamp() * 1000), entropy))
        return found

    @staticmethod
    def _first_rows(clips: Clips) -> list[int]:
        rows: list[int] = np.unique(clips.video, return_index=True)[1].tolist()
        return rows

    def _scores(
        self, clips: Clips, arms: Sequence[Arm], served: Served
    ) -> tuple[np.ndarray, Mapping[str, tuple[str, Scored | None]]]:
        """By the model of each video's arm; and per arm the name of its model and all it says of these clips."""
        tenant = np.array(self.tenants())[clips.tenant]
        scores = clips.heuristic.copy()
        of_arm = np.array(arms)[clips.video]
        shown: dict[str, tuple[str, Scored | None]] = {}
        models = {"champion": served.champion, "explore": served.champion, "challenger": served.challenger}
        for arm, model in models.items():
            scored = None if model is None else model.score(clips.features, tenant)
            if scored is not None:
                scores = np.where(of_arm == arm, scored.value, scores)
            shown[arm] = (HEURISTIC if scored is None else served_name(scored.version), scored)
        return scores, shown

    def _reasons(self, clips: Clips, arms: np.ndarray, served: Served) -> list[tuple[str, ...]]:
        """(n,) in words, by the model that shows each clip; the heuristic's clips have none here."""
        told: list[tuple[str, ...]] = [()] * len(clips)
        tenant = np.array(self.tenants())[clips.tenant]
        for is_arm, model in ((arms == "challenger", served.challenger), (arms != "challenger", served.champion)):
            if model is not None and is_arm.any():
                features, video = clips.features[is_arm], clips.video[is_arm]
                found = reasons(against_video(parts(model, features, tenant[is_arm]), video), features, video)
                for row, one in zip(np.flatnonzero(is_arm), found, strict=True):
                    told[row] = tuple(reason.text for reason in one)
        return told

    def _video(self, clips: Clips, row: int, ids: Sequence[str], arms: Sequence[Arm], served: Served) -> PastVideo:
        number = int(clips.video[row])
        rows = np.flatnonzero(clips.video == number)
        columns = {name: tuple(map(float, clips.features[rows, place])) for place, name in enumerate(FEATURE_NAMES)}
        features = ClipFeatures(feature_digest(), tuple(_clip_id(k) for k in range(len(rows))), columns)
        tenant = self.tenants()[int(clips.tenant[row])]
        data = artifacts.encode(features)
        stored = self.store.put_bytes(f"{tenant}/videos/{ids[number]}/assets/clip_features.parquet", data)
        return PastVideo(
            video_id=ids[number],
            tenant_id=tenant,
            name=f"talk {number + 1} of {tenant}",
            made_at=self._at(clips.day[row]),
            duration_s=_VIDEO_S,
            features=stored,
            fingerprint=stored.sha256[:32],
            arm=arms[number],
            champion_version=None if served.champion is None else served.champion.version,
            challenger_version=None if served.challenger is None else served.challenger.version,
            exploration_share=self.exploration_share,
        )

    def _clips(
        self,
        clips: Clips,
        ids: Sequence[str],
        arms: Sequence[Arm],
        scores: np.ndarray,
        shown: Mapping[str, tuple[str, Scored | None]],
        outcomes: Outcomes,
        told: Sequence[tuple[str, ...]],
    ) -> Iterator[PastClip]:
        duration = clips.features[:, FEATURE_NAMES.index("duration_s")]
        within = _within_video(clips.video)
        tenants = self.tenants()
        for row in range(len(clips)):
            video = ids[int(clips.video[row])]
            model_name, scored = shown[arms[int(clips.video[row])]]
            start = float(within[row]) * 120.0
            yield PastClip(
                video_id=video,
                tenant_id=tenants[int(clips.tenant[row])],
                clip_id=_clip_id(int(within[row])),
                rank=int(outcomes.position[row]),
                start_s=start,
                end_s=round(start + float(duration[row]), 6),
                score=float(scores[row]),
                model=model_name,
                title=f"moment {int(within[row]) + 1}",
                made_at=self._at(clips.day[row]),
                reasons=told[row],
                outlook=None if scored is None else _outlook(scored, row),
            )

    def _reported(self, clips: Clips, ids: Sequence[str], outcomes: Outcomes, seed: int) -> list[PastReport]:
        random = np.random.default_rng([seed, 5])
        within, tenants = _within_video(clips.video), self.tenants()
        edges = np.array((0.0, *REPORTED_AFTER_DAYS))
        arriving = np.diff(1 - np.exp(-edges / DELAY_DAYS))
        shares = np.r_[arriving, 1 - arriving.sum()]
        found = []
        for row in range(len(clips)):
            about = (ids[int(clips.video[row])], tenants[int(clips.tenant[row])], _clip_id(int(within[row])))
            made_at = self._at(clips.day[row])
            if outcomes.decision[row] != NO_DECISION:
                at = made_at + timedelta(hours=float(random.uniform(1, 20)))
                decision = DECISIONS[int(outcomes.decision[row])]
                found.append(PastReport(self._next_id(at), *about, "decision", at, decision=decision))
            if outcomes.impressions[row] == 0:
                continue
            totals = [getattr(outcomes, name)[row] for name in _COUNTED]
            pieces = np.array([random.multinomial(int(total), shares) for total in totals])[:, :-1]
            pieces[1] = np.minimum(pieces[1], pieces[0])
            pieces[2] = np.minimum(pieces[2], pieces[1])
            for column, after in enumerate(REPORTED_AFTER_DAYS):
                at = made_at + timedelta(days=after)
                counters = tuple(pieces[:, column].tolist())
                found.append(
                    PastReport(self._next_id(at), *about, f"counters/{after}", at, day=at.date(), counters=counters)
                )
        return found

    def _next_id(self, at: datetime) -> str:
        self._reports += 1
        return f"fbk_{ulid_of(int(at.timestamp() * 1000), self._reports.to_bytes(10, 'big'))}"


_COUNTED = ("impressions", "views", "completions", "likes", "shares", "saves")


def _outlook(scored: Scored, row: int) -> tuple[float, float, str, float]:
    return float(scored.low[row]), float(scored.high[row]), scored.bands[row], float(scored.top_chance[row])


def _clip_id(number: int) -> str:
    return f"c{number:03}"


def _within_video(video: np.ndarray) -> np.ndarray:
    """(n,) 0, 1, ... within each video; all clips of a video lie together."""
    starts = np.r_[0, np.flatnonzero(np.diff(video)) + 1]
    return np.arange(len(video)) - np.repeat(starts, np.diff(np.r_[starts, len(video)]))
