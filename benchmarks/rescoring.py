"""Scoring an archive anew against the same work done plainly: read Parquet, predict, the same COPY and insert.

A year of clips of four tenants, in an embedded Postgres. What is measured is `resources.rescoring` in one process, as
the asset runs it; the plain one reads unsealed files and keeps no account of days.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg

from benchmarks.api_reads import superuser_url
from benchmarks.measuring import Ratio
from clip_platform.database import roles
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.ml import tables
from clip_platform.ml.baseline import heuristic_values
from clip_platform.ml.model import EngagementModel, train
from clip_platform.ml.saved import load, save
from clip_platform.ml.simulate import START, examples_of, in_units, make_clips, make_world, show
from clip_platform.resources.connections import DatabaseResource, ObjectStoreResource
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.videos import VideosResource
from clip_platform.scoring.features import feature_digest
from clip_platform.settings import Settings, read_settings

MOST_TIMES, MOST_MIB, MOST_LOAD_S, MOST_VIDEO_MS = 2.0, 1024.0, 0.5, 50.0
MOST_TIMES_OF_MANY, MOST_GROWTH = 1.5, 2.1
CLIPS, DAYS, TENANTS, A_VIDEO = 1_000_000, 365, 4, 20
_VIDEOS = """
insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
select '0' || lpad(n::text, 25, '0'), 't' || n %% %(tenants)s, 'talk', 't' || n %% %(tenants)s || '/x', '', 1, '{}',
    'completed'
from generate_series(%(first)s::int, %(last)s::int) n"""
_CLIPS = """
insert into clips (video_id, tenant_id, clip_id, rank, start_s, end_s, score, title, reasons, files, fallbacks, model,
    created_at)
select '0' || lpad(n::text, 25, '0'), 't' || n %% %(tenants)s, 'c' || k, k, 10 * k, 10 * k + 8, 50, '', '[]', '{}',
    '[]', 'heuristic-1', cast(%(day)s as timestamp) at time zone 'UTC'
from generate_series(%(first)s::int, %(last)s::int) n, generate_series(1, %(each)s) k"""
FIRST_DAY = datetime.now(UTC).date() - timedelta(days=DAYS + 60)


def measure(folder: Path) -> list[Ratio]:
    return [*_against_plain(folder, CLIPS, MOST_TIMES), *_serving(folder / "rescoring-model")]


def measure_many(folder: Path) -> list[Ratio]:
    """Four million clips against the plain work, and two million against one."""
    many = _against_plain(folder, 4 * CLIPS, MOST_TIMES_OF_MANY)
    one_s, two_s = (_archive(folder, count * CLIPS, plain=False).ours_s for count in (1, 2))
    details = {"seconds": round(two_s, 1), "of_half_s": round(one_s, 1)}
    return [*many, Ratio("re-scoring 2,000,000 clips, wall", "1,000,000", two_s / one_s, MOST_GROWTH, details)]


def _against_plain(folder: Path, clips: int, most: float) -> list[Ratio]:
    spent = _archive(folder, clips, plain=True)
    details = {"clips": clips, "seconds": round(spent.ours_s, 1), "plain_s": round(spent.plain_s, 1)}
    times = spent.ours_s / spent.plain_s
    return [
        Ratio(f"re-scoring {clips:,} clips, wall", "read, predict, COPY, insert", times, most, details),
        Ratio("re-scoring, peak memory", "1 GiB", spent.mib / MOST_MIB, 1.0, {"mib": round(spent.mib)}),
    ]


@dataclass(frozen=True, slots=True)
class _Spent:
    ours_s: float
    mib: float
    plain_s: float


def _archive(folder: Path, clips: int, *, plain: bool) -> _Spent:
    home = folder / "rescoring-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    model = trained_model()
    save(model, folder / "rescoring-model")
    with (
        running_machine(Settings(home=home)) as machine,
        psycopg.connect(superuser_url(home, machine), autocommit=True) as connection,
    ):
        _fill(connection, machine, home, clips)
        plain_s = _plain_s(connection, home, model) if plain else 0.0
        halves = _ours(home, machine, folder, (0, DAYS // 2)), _ours(home, machine, folder, (DAYS // 2, DAYS))
    shutil.rmtree(home)
    return _Spent(sum(one[0] for one in halves), max(one[1] for one in halves), plain_s)


def trained_model() -> EngagementModel:
    world = make_world(1)
    clips = make_clips(world, 1500, 2, days=(0, 300))
    return train(examples_of(clips, show(world, clips, 3)), as_of=START + np.timedelta64(400, "D"), seed=1, version="1")


def _fill(connection: psycopg.Connection, machine: Machine, home: Path, clips: int) -> None:
    """Rows, sealed files where the asset finds them, and the same files unsealed for the plain work."""
    for tenant in range(TENANTS):
        connection.execute("insert into tenants (tenant_id, name) values (%s, 'x')", [f"t{tenant}"])
    videos = clips // DAYS // A_VIDEO
    store = _learning(Settings(home=home), machine.variables).store()
    random = np.random.default_rng(1)
    (home / "plain").mkdir()
    for number in range(DAYS):
        day, first = FIRST_DAY + timedelta(days=number), number * videos + 1
        values = {
            "tenants": TENANTS,
            "first": first,
            "last": first + videos - 1,
            "each": A_VIDEO,
            "day": day.isoformat(),
        }
        connection.execute(_VIDEOS, values)
        connection.execute(_CLIPS, values)
        for tenant in range(TENANTS):
            ids = [f"0{n:025}" for n in range(first, first + videos) if n % TENANTS == tenant]
            data = _features(f"t{tenant}", ids, day, random)
            store.put_bytes(f"t{tenant}/learning/features-{feature_digest()}/{day}.parquet", data)
            (home / "plain" / f"{day}-t{tenant}.parquet").write_bytes(data)
    connection.execute("vacuum analyze clips")


def _features(tenant: str, videos: list[str], day: date, random: np.random.Generator) -> bytes:
    count = len(videos) * A_VIDEO
    values = in_units(random.normal(size=(count, len(tables.FEATURE_NAMES))))
    columns = {
        "tenant_id": [tenant] * count,
        "video_id": [video for video in videos for _ in range(A_VIDEO)],
        "clip_id": [f"c{k}" for _ in videos for k in range(1, A_VIDEO + 1)],
        "made_on": [day] * count,
        "heuristic": heuristic_values(values),
        "explored": [False] * count,
        "model": ["heuristic-1"] * count,
    }
    named = {name: values[:, place] for place, name in enumerate(tables.FEATURE_NAMES)}
    return tables.encode("features", columns | named)


def _plain_s(connection: psycopg.Connection, home: Path, model: EngagementModel) -> float:
    """One process, no row-level security, a table of the same columns, key and foreign key."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    connection.execute("""
        create table plain_scores (like clip_scores including defaults including constraints,
            primary key (model_version, video_id, clip_id),
            foreign key (video_id, clip_id) references clips (video_id, clip_id) on delete cascade)""")
    connection.execute("create index on plain_scores (video_id, clip_id)")
    started = time.perf_counter()
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("create temporary table plain (t text, v text, c text, s double precision) on commit drop")
            with cursor.copy("copy plain from stdin with (format csv)") as copy:
                for path in sorted((home / "plain").glob(f"{day}-*.parquet")):
                    table = pq.read_table(path)
                    features = np.stack([table.column(name).to_numpy() for name in tables.FEATURE_NAMES], axis=1)
                    score = model.heads.label.predict(features, num_threads=1)
                    if model.heads.accept is not None:
                        score = score + model.heads.accept.predict(features, num_threads=1)
                    out = pa.BufferOutputStream()
                    ids = [table.column(name).combine_chunks() for name in ("tenant_id", "video_id", "clip_id")]
                    batch = pa.RecordBatch.from_arrays([*ids, pa.array(np.clip(score, 0, 100))], names=list("tvcs"))
                    csv.write_csv(batch, out, csv.WriteOptions(include_header=False, quoting_style="needed"))
                    copy.write(out.getvalue().to_pybytes())
            cursor.execute("""
                insert into plain_scores (tenant_id, video_id, clip_id, model_version, value, low, high, band,
                    top_chance)
                select t, v, c, '0', s, 0, 100, 'low', 0 from plain
                join clips on clips.video_id = v and clips.clip_id = c""")
    spent = time.perf_counter() - started
    connection.execute("drop table plain_scores")
    return spent


def _ours(home: Path, machine: Machine, folder: Path, days: tuple[int, int]) -> tuple[float, float]:
    """Wall seconds and peak MiB of a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.rescoring",
        str(home),
        str(folder / "rescoring-model"),
        *map(str, days),
    ]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **machine.variables}
    )
    seconds, mib = done.stdout.split()[-2:]
    return float(seconds), float(mib)


def _learning(settings: Settings, variables: Mapping[str, str]) -> LearningResource:
    def door(role: str) -> DatabaseResource:
        return DatabaseResource(
            host=variables["CLIP_PLATFORM_DATABASE_HOST"],
            port=int(variables["CLIP_PLATFORM_DATABASE_PORT"]),
            name=roles.APPLICATION_DATABASE,
            role=f"clip_platform_{role}",
            password=variables[f"CLIP_PLATFORM_DATABASE_{role.upper()}_PASSWORD"],
        )

    store = ObjectStoreResource(
        url=settings.store_url, master_key=settings.master_key_address, keys_url=settings.key_store_url
    )
    videos = VideosResource(database=door("pipeline"), object_store=store, scratch=str(settings.scratch_folder))
    return LearningResource(videos=videos, learner=door("learner"), rescorer=door("rescorer"))


def _rescore(model_folder: Path, days: tuple[int, int]) -> None:
    """What the asset does, in this process."""
    from clip_platform.resources.rescoring import rescore

    model = load(model_folder)
    chosen = [FIRST_DAY + timedelta(days=number) for number in range(*days)]
    learning = _learning(read_settings(), os.environ)
    started = time.perf_counter()
    rescore(learning, model, chosen, lambda: model.version, lambda _done: None)
    print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _serving(folder: Path) -> Iterator[Ratio]:
    random = np.random.default_rng(2)
    features = in_units(random.normal(size=(A_VIDEO, len(tables.FEATURE_NAMES))))
    load(folder)  # LightGBM is imported
    started = time.perf_counter()
    model = load(folder)
    loaded_s = time.perf_counter() - started
    spent = []
    for _ in range(20):
        started = time.perf_counter()
        model.score(features, np.full(A_VIDEO, "t1"))
        spent.append(time.perf_counter() - started)
    yield Ratio(
        "loading the champion", f"{MOST_LOAD_S} s", loaded_s / MOST_LOAD_S, 1.0, {"seconds": round(loaded_s, 3)}
    )
    worst = 1000 * sorted(spent)[len(spent) // 2]
    yield Ratio(
        "scoring one video's clips", f"{MOST_VIDEO_MS:.0f} ms", worst / MOST_VIDEO_MS, 1.0, {"ms": round(worst, 1)}
    )


if __name__ == "__main__":
    _rescore(Path(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4])))
