"""2 GiB in parts through the API's own route into the local store, sealed, over copying the file and taking its MD5.

The client is another process, as it would be. It takes the MD5 of each part, as Content-MD5 wants. Addresses are signed
and parts joined here, with the same keys: neither goes through the route that is measured.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measuring import Ratio, cost_of
from clip_platform.embedded.machine import Machine, running_machine
from clip_platform.embedded.supervisor import port_answers
from clip_platform.encryption.opening import open_keys
from clip_platform.encryption.streams import PART_BYTES, part_count
from clip_platform.settings import Settings
from clip_platform.storage.objects import open_store
from clip_platform.storage.parts.opening import open_part_store
from clip_platform.storage.parts.protocol import Part, PartStore, SignedPart

LEAST_SHARE = 0.25
SIZE_BYTES = 2 * 1024**3
ROUNDS = 3
_CONNECTIONS = 4
_EXPIRES_S = 3600
_local = threading.local()


def measure(folder: Path, size_bytes: int = SIZE_BYTES) -> list[Ratio]:
    home = folder / "upload-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    source = _random_file(folder / "upload.bin", size_bytes)
    try:
        with running_machine(Settings(home=home)) as machine, _api(machine) as port:
            settings = Settings(home=home, api_port=port)
            rounds = [(_peer_s(source, folder), _upload_s(settings, source, number)) for number in range(ROUNDS)]
            problem = _difference(settings, source)
    finally:
        shutil.rmtree(home)
        source.unlink()
    return [_ratio(rounds, size_bytes, problem)]


def _ratio(rounds: Sequence[tuple[float, float]], size_bytes: int, problem: str | None) -> Ratio:
    peer_s, ours_s = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    ratio = statistics.median(ours / peer for peer, ours in rounds)
    details = {
        "ours_mib_per_s": round(size_bytes / 2**20 / ours_s),
        "cp_md5_mib_per_s": round(size_bytes / 2**20 / peer_s),
        "share": round(1 / ratio, 3),
    }
    return Ratio("upload into the local store, sealed", "cp + MD5", ratio, 1 / LEAST_SHARE, details, problem)


def _peer_s(source: Path, folder: Path) -> float:
    copy = folder / "upload.copy"
    try:
        return cost_of(["cp", source, copy]).wall_s + cost_of(["md5sum", source]).wall_s
    finally:
        copy.unlink()


def _upload_s(settings: Settings, source: Path, number: int) -> float:
    store, key = open_part_store(settings, open_keys(settings)), _key(number)
    size_bytes = source.stat().st_size
    started = time.perf_counter()
    upload_id = store.begin(key, "video/mp4", size_bytes, part_count(size_bytes))
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        numbers = range(1, part_count(size_bytes) + 1)
        parts = list(pool.map(lambda part: _sent(store, key, upload_id, source, part), numbers))
    store.complete(key, upload_id, parts)
    return time.perf_counter() - started


def _sent(store: PartStore, key: str, upload_id: str, source: Path, number: int) -> Part:
    with source.open("rb") as file:
        file.seek((number - 1) * PART_BYTES)
        data = file.read(PART_BYTES)
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    part = Part(number, len(data), md5)
    (signed,) = store.sign_parts(key, upload_id, [part], _EXPIRES_S)
    _put(signed, data)
    return part


def _put(signed: SignedPart, data: bytes) -> None:
    """On the thread's own connection, which is kept."""
    address = urlsplit(signed.url)
    if not hasattr(_local, "connection"):
        _local.connection = http.client.HTTPConnection(address.hostname or "", address.port)
    _local.connection.request("PUT", f"{address.path}?{address.query}", data, dict(signed.headers))
    answer = _local.connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"part {signed.number} was answered with {answer.status}: {said[:500]!r}")


def _difference(settings: Settings, source: Path) -> str | None:
    """What was uploaded last, opened, against the file."""
    digest = hashlib.sha256()
    for chunk in open_store(settings.store_url, open_keys(settings).tenants).open_stream(_key(ROUNDS - 1)):
        digest.update(chunk)
    with source.open("rb") as file:
        same = digest.digest() == hashlib.file_digest(file, "sha256").digest()
    return None if same else "what was stored is not what was sent"


def _key(number: int) -> str:
    return f"bench/videos/v{number}/source/upload"


def _random_file(path: Path, size_bytes: int) -> Path:
    with path.open("wb") as file:
        for start in range(0, size_bytes, PART_BYTES):
            file.write(os.urandom(min(PART_BYTES, size_bytes - start)))
    return path


@contextmanager
def _api(machine: Machine) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        **machine.api_variables,
        "CLIP_PLATFORM_API_PORT": str(port),
        "CLIP_PLATFORM_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", "clip_platform", "api"], env=environment, stdout=sys.stderr)
    try:
        until = time.monotonic() + 60
        while not port_answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the API does not answer on port {port}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)
