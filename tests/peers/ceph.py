"""An S3 that is nobody's imitation: Ceph's RGW over one monitor and one store in memory.

It refuses what S3 refuses (a body that is not its Content-MD5, a signature that does not fit), which moto does not.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.peers.processes import free_ports, listens, program, running, wait_until

ACCESS_KEY, SECRET_KEY, REGION = "PEERACCESSKEY", "peer-secret-key-of-the-tests", "us-east-1"
KMS_KEYS = {
    "alias/clips-acme": "YWNtZS1rZXktb2YtdGhlLXRlc3RzLTMyLWJ5dGVzISE=",
    "alias/clips-globex": "Z2xvYmV4LWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=",
}
"""SSE-KMS keys, one a tenant: 32 bytes in base64, as RGW's testing backend wants them."""


@dataclass(frozen=True)
class Rgw:
    """A running S3. `environment` is what boto3 and obstore read."""

    endpoint: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = REGION
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), compare=False, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> Any:
        """The tests' own way in, beside the code under test."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def bucket(self, *, locked: bool = False) -> str:
        """The name of a new, empty bucket; `locked`: with object lock."""
        name = f"bucket-{next(self._numbers)}"
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
        return name


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rgw]:
    """Ceph's S3, started when the first test asks for it: about 1.5 s."""
    with serving(tmp_path_factory.mktemp("ceph")) as started:
        yield started


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Rgw]:
    mon_port, s3_port = free_ports(2)
    conf = _configure(folder, s3_port)
    with contextlib.ExitStack() as servers:
        _start_monitor(servers, folder, conf, mon_port)
        _start_storage(servers, folder, conf)
        _start_gateway(servers, folder, conf, s3_port)
        yield Rgw(f"http://127.0.0.1:{s3_port}")


def _configure(folder: Path, s3_port: int) -> Path:
    for name in ("mon", "osd", "rgw", "run"):
        (folder / name).mkdir()
    keys = " ".join(f"{name}={key}" for name, key in KMS_KEYS.items())
    conf = folder / "ceph.conf"
    conf.write_text(_CONF.format(folder=folder, fsid=uuid.uuid4(), s3_port=s3_port, keys=keys))
    return conf


_CONF = """
[global]
fsid = {fsid}
mon_initial_members = a
monmap = {folder}/monmap
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = {folder}/run
admin_socket = {folder}/run/$name.$pid.asok
pid_file = {folder}/run/$name.pid
log_file = {folder}/run/$name.log
crash_dir = {folder}/run
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 1
mon_data_avail_crit = 1
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
[mon.a]
mon_data = {folder}/mon
[osd.0]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 6000000000
[client.rgw]
rgw_data = {folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{s3_port}
rgw_thread_pool_size = 32
rgw_run_sync_thread = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_enable_quota_threads = false
rgw_dynamic_resharding = false
rgw_override_bucket_index_max_shards = 1
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = {keys}
"""


def _start_monitor(servers: contextlib.ExitStack, folder: Path, conf: Path, port: int) -> None:
    monmap = folder / "monmap"
    fsid = next(line for line in conf.read_text().splitlines() if line.startswith("fsid")).split()[-1]
    address = ("--addv", "a", f"[v1:127.0.0.1:{port}]")
    _run("monmaptool", "--create", "--clobber", "--fsid", fsid, *address, str(monmap))
    _run("ceph-mon", "-c", str(conf), "--mkfs", "-i", "a", "--monmap", str(monmap))
    log = folder / "run" / "mon.out"
    servers.enter_context(running([program("ceph-mon"), "-c", str(conf), "-i", "a", "-f"], log, _of(conf)))
    wait_until(lambda: listens(port), "ceph-mon", log)


_OWN_CONFIG = "--no-mon-config"
"""Asking the monitor for it takes the place of the monmap file, and the first commands then lack the cluster's id."""


def _start_storage(servers: contextlib.ExitStack, folder: Path, conf: Path) -> None:
    number = str(uuid.uuid4())
    _run("ceph", "-c", str(conf), _OWN_CONFIG, "--connect-timeout", "30", "osd", "new", number, "0")
    _run("ceph-osd", "-c", str(conf), "-i", "0", "--mkfs", "--osd-uuid", number)
    log = folder / "run" / "osd.out"
    servers.enter_context(running([program("ceph-osd"), "-c", str(conf), _OWN_CONFIG, "-i", "0", "-f"], log, _of(conf)))


def _start_gateway(servers: contextlib.ExitStack, folder: Path, conf: Path, port: int) -> None:
    log = folder / "run" / "rgw.out"
    command = [program("radosgw"), "-c", str(conf), _OWN_CONFIG, "-n", "client.rgw", "-f"]
    servers.enter_context(running(command, log, _of(conf)))
    wait_until(lambda: listens(port), "radosgw", log)
    user = ("user", "create", "--uid=peer", "--display-name=peer")
    keys = (f"--access-key={ACCESS_KEY}", f"--secret={SECRET_KEY}")
    _run("radosgw-admin", "-c", str(conf), _OWN_CONFIG, "-n", "client.rgw", *user, *keys)


def _of(conf: Path) -> dict[str, str]:
    return {"CEPH_CONF": str(conf)}


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [program(name), *arguments], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        pytest.fail(f"{name} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}", pytrace=False)
