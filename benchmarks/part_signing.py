"""Addresses for 100 parts in one call over 100 calls, through the API: on S3, where boto3 signs, and on a local store.

The upload's row is there before, so that no store is asked for anything: signing needs none.
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from benchmarks.api_reads import TENANT, Served, serving_api, superuser_url, video_id
from benchmarks.measuring import Ratio
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.encryption.streams import PART_BYTES
from clip_platform.settings import Settings

PARTS, ROUNDS = 100, 7
S3_TIMES, LOCAL_TIMES = 4, 20
_S3 = {
    "CLIP_PLATFORM_OBJECT_STORE_URL": "s3://bench",
    "AWS_ACCESS_KEY_ID": "AKIABENCH",
    "AWS_SECRET_ACCESS_KEY": "nobody's",
    "AWS_REGION": "eu-central-1",
}
_UPLOAD = (
    """
insert into videos (id, tenant_id, name, preferences, state, content_type)
    values (%(v)s, %(t)s, 'talk.mp4', '{}', 'uploading', 'video/mp4') on conflict do nothing""",
    """
insert into upload_sessions (video_id, tenant_id, object_key, store_upload_id, part_size_bytes, part_count, size_bytes,
    expires_at)
    values (%(v)s, %(t)s, %(t)s || '/videos/' || %(v)s || '/source/upload', '0123456789abcdef0123456789abcdef',
        %(part)s, %(parts)s, %(part)s * %(parts)s, now() + interval '1 day') on conflict do nothing""",
)


def measure(folder: Path) -> list[Ratio]:
    home = folder / "signing-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with running_machine(Settings(home=home)) as machine:
        ratios = [
            _of_store(machine, home, "S3", _S3, S3_TIMES),
            _of_store(machine, home, "a local store", {}, LOCAL_TIMES),
        ]
    shutil.rmtree(home)
    return ratios


def _of_store(machine: Machine, home: Path, store: str, variables: Mapping[str, str], times: int) -> Ratio:
    with serving_api(machine, home, 0, variables) as api:
        _begin_upload(machine, home)
        rounds = [(_singly_s(api), _at_once_s(api)) for _ in range(ROUNDS + 1)][1:]
    ratio = statistics.median(at_once / singly for singly, at_once in rounds)
    singly_s, at_once_s = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    details = {
        "singly_ms": round(singly_s * 1000, 1),
        "at_once_ms": round(at_once_s * 1000, 1),
        "times": round(1 / ratio, 1),
    }
    return Ratio(f"addresses for {PARTS} parts of {store} in one call", f"{PARTS} calls", ratio, 1 / times, details)


def _singly_s(api: Served) -> float:
    return _asked_s(api, [[number] for number in range(1, PARTS + 1)])


def _at_once_s(api: Served) -> float:
    return _asked_s(api, [list(range(1, PARTS + 1))])


def _asked_s(api: Served, calls: Sequence[Sequence[int]]) -> float:
    """On one connection, which is kept."""
    client = http.client.HTTPConnection("127.0.0.1", api.port)
    started = time.perf_counter()
    for numbers in calls:
        _ask(client, {**api.headers, "Content-Type": "application/json"}, numbers)
    took_s = time.perf_counter() - started
    client.close()
    return took_s


def _ask(client: http.client.HTTPConnection, headers: Mapping[str, str], numbers: Sequence[int]) -> None:
    md5 = base64.b64encode(bytes(16)).decode()
    parts = [{"part_number": number, "size_bytes": PART_BYTES, "md5": md5} for number in numbers]
    client.request("POST", f"/v1/videos/{video_id(0)}/parts", json.dumps({"parts": parts}), dict(headers))
    answer = client.getresponse()
    said = answer.read()
    if answer.status != 200 or len(json.loads(said)["parts"]) != len(numbers):
        raise RuntimeError(f"{len(numbers)} parts were answered with {answer.status}: {said[:500]!r}")


def _begin_upload(machine: Machine, home: Path) -> None:
    row = {"v": video_id(0), "t": TENANT, "part": PART_BYTES, "parts": PARTS}
    with psycopg.connect(superuser_url(home, machine), autocommit=True) as connection:
        for statement in _UPLOAD:
            connection.execute(statement, row)
