"""Objects are there whole or not at all, and what is read is what was written."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import obstore.store
import pytest

from clip_platform.errors import CorruptArtifact, InvalidSetting, StorageFull, UnreadableFile
from clip_platform.identifiers import StoredObject
from clip_platform.storage.objects import ObjectStore, open_store

KEY = "acme/videos/v1/uploads/source.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects with ünusual 'name' #1"


@pytest.fixture(params=["disk", "remote"])
def store(request: pytest.FixtureRequest, folder: Path) -> ObjectStore:
    """On disk, and one that is not (in memory, through the same library as S3 and Azure)."""
    return open_store(folder.as_uri()) if request.param == "disk" else ObjectStore(obstore.store.MemoryStore())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "-a talk: 100%.mp4"
    path.write_bytes(os.urandom(9_000_000))  # larger than a part
    return path


def test_a_file_comes_back_as_it_was(store: ObjectStore, source: Path, tmp_path: Path):
    stored = store.put_file(KEY, source)
    copy = store.fetch(stored, tmp_path / "copy.mp4")

    assert stored == StoredObject(KEY, hashlib.sha256(source.read_bytes()).hexdigest(), 9_000_000)
    assert copy.read_bytes() == source.read_bytes() == store.get_bytes(stored)


def test_bytes_come_back_also_none(store: ObjectStore):
    assert store.get_bytes(store.put_bytes(KEY, b"")) == b""
    assert store.get_bytes(store.put_bytes(KEY, b"abc")) == b"abc"


def test_keys_are_listed_by_folder_and_deleted_with_it(store: ObjectStore):
    for key in ("acme/videos/v1/a", "acme/videos/v1/b/c", "acme/videos/v10/a", "globex/videos/v1/a"):
        store.put_bytes(key, b"x")

    listed = store.list_keys("acme/videos/v1")
    deleted = store.delete_prefix("acme/videos/v1")

    assert listed == ["acme/videos/v1/a", "acme/videos/v1/b/c"]
    assert deleted == 2
    assert store.list_keys("acme") == ["acme/videos/v10/a"]
    assert (store.exists("acme/videos/v1/a"), store.exists("globex/videos/v1/a")) == (False, True)


@pytest.mark.parametrize(
    "key",
    ["", "acme", "../etc/passwd", "acme/../globex/x", "/acme/x", "acme//x", "acme/x/", "acme/.x", "a/b c", "a/b#1"],
)
def test_a_key_that_could_leave_its_tenant_or_mean_something_is_refused(store: ObjectStore, key: str):
    with pytest.raises(ValueError, match="object key"):
        store.put_bytes(key, b"x")
    with pytest.raises(ValueError, match="object key"):
        store.get_bytes(StoredObject(key, "", 0))


def test_a_missing_object_is_named(store: ObjectStore, tmp_path: Path):
    missing = StoredObject(KEY, "ab" * 32, 3)

    for read in (store.get_bytes, store.local_path, lambda stored: store.fetch(stored, tmp_path / "x")):
        if read == store.local_path and store.local_path.__self__._folder is None:
            continue
        with pytest.raises(CorruptArtifact, match="is gone"):
            read(missing)
    assert list(tmp_path.glob("*x*part")) == []


@pytest.mark.parametrize("damage", [b"xbc", b"ab", b"abcd"])
def test_damage_is_noticed_however_the_object_is_read(store: ObjectStore, tmp_path: Path, damage: bytes):
    stored = store.put_bytes(KEY, b"abc")
    store.put_bytes(KEY, damage)

    with pytest.raises(CorruptArtifact, match=KEY):
        store.get_bytes(stored)
    with pytest.raises(CorruptArtifact, match=KEY):
        store.fetch(stored, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not any("part" in path.name for path in tmp_path.iterdir())


def test_a_local_object_needs_no_copy_and_is_checked_again_when_it_changes(folder: Path):
    store = open_store(folder.as_uri())
    stored = store.put_bytes(KEY, b"abc")

    path = store.local_path(stored)
    time.sleep(0.01)
    path.write_bytes(b"xyz")

    assert path == folder / KEY
    with pytest.raises(CorruptArtifact):
        store.local_path(stored)


def test_a_file_that_cannot_be_read_is_the_callers_error(store: ObjectStore, tmp_path: Path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(UnreadableFile, match="cannot be read"):
            store.put_file(KEY, path)

    assert not store.exists(KEY)


WRITER = """
import sys, time
from pathlib import Path
from clip_platform.storage import objects
store = objects.open_store(sys.argv[1])
def slow(path):
    while True:
        yield b"x" * 1_000_000
        print("writing", flush=True)
        time.sleep(0.01)
objects._chunks_of = slow
store.put_file(sys.argv[2], Path("x"))
"""


def test_a_writer_killed_half_way_leaves_the_object_that_was_there(folder: Path):
    store = open_store(folder.as_uri())
    before = store.put_bytes(KEY, b"before")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, folder.as_uri(), KEY], stdout=subprocess.PIPE, text=True)
    for _ in range(30):
        assert writer.stdout.readline() == "writing\n"

    writer.kill()
    writer.communicate()

    assert store.get_bytes(before) == b"before"
    assert store.list_keys("acme") == [KEY]
    store.delete_prefix("acme/videos/v1")
    assert not (folder / "acme/videos/v1").exists()  # with what the writer left unfinished


FULL = """
import resource, signal, sys
from pathlib import Path
from clip_platform.errors import ClipPlatformError
from clip_platform.storage.objects import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    open_store(sys.argv[1]).put_file(sys.argv[2], Path(sys.argv[3]))
except ClipPlatformError as error:
    print(error.error_class)
"""


def test_a_store_without_room_says_so_and_keeps_nothing(folder: Path, source: Path):
    # a limit on the size of files is the nearest thing to a full disk that needs no rights
    done = subprocess.run(
        [sys.executable, "-c", FULL, folder.as_uri(), KEY, str(source)], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == f"{StorageFull.__name__}\n", done.stderr
    assert not open_store(folder.as_uri()).exists(KEY)


def test_memory_does_not_grow_with_the_file(folder: Path, tmp_path: Path):
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(300_000_000)
    store = open_store(folder.as_uri())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    store.put_file(KEY, big)
    store.delete_prefix("acme/videos/v1")  # temporary folders are kept for a while

    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 150


@pytest.mark.parametrize(
    "url", ["", "folder", "file://host/folder", "file:relative", "s3://", "az://container", "ftp://x/y"]
)
def test_an_address_that_cannot_work_is_a_setting_to_mend(url: str, monkeypatch: pytest.MonkeyPatch):
    for name in list(os.environ):
        if name.startswith(("AZURE_", "AWS_")):
            monkeypatch.delenv(name)

    with pytest.raises(InvalidSetting, match="object store"):
        open_store(url)


def test_s3_and_azure_addresses_are_understood(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")

    assert isinstance(open_store("s3://bucket/prefix")._backend, obstore.store.S3Store)
    assert isinstance(open_store("az://container/prefix")._backend, obstore.store.AzureStore)
