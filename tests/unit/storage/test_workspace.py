"""A step's files: found without copying where possible, kept once, gone afterwards."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import obstore.store
import pytest

from clip_platform.errors import CorruptArtifact, StorageUnavailable
from clip_platform.storage.objects import ObjectStore, open_store
from clip_platform.storage.workspace import Workspace


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def local(tmp_path: Path) -> ObjectStore:
    return open_store((tmp_path / "objects").as_uri())


@pytest.fixture
def remote() -> ObjectStore:
    return ObjectStore(obstore.store.MemoryStore())


def test_the_same_content_is_kept_once_under_its_digest(local: ObjectStore, scratch: Path):
    with Workspace(local, scratch, "acme", "v1") as workspace:
        file = workspace.folder("made") / "clip.mp4"
        file.write_bytes(b"abc")
        first = workspace.keep(file, "clips", "clip.mp4")
        again = workspace.keep(file, "clips", "clip.mp4")
        as_bytes = workspace.keep_bytes(b"abc", "clips", "clip.mp4")

    assert first == again == as_bytes
    assert first.key == f"acme/videos/v1/clips/{first.sha256[:16]}-clip.mp4"
    assert local.list_keys("acme") == [first.key]


def test_keeping_again_mends_an_object_that_was_damaged(local: ObjectStore, scratch: Path):
    with Workspace(local, scratch, "acme", "v1") as workspace:
        file = workspace.folder("made") / "a.json"
        file.write_bytes(b"abc")
        stored = workspace.keep(file, "assets", "a.json")
        local.put_bytes(stored.key, b"axc")

        workspace.keep(file, "assets", "a.json")

    assert local.get_bytes(stored) == b"abc"


def test_local_objects_are_used_where_they_lie(local: ObjectStore, scratch: Path):
    with Workspace(local, scratch, "acme", "v1") as workspace:
        stored = workspace.keep_bytes(b"abc", "uploads", "source.mp4")
        path = workspace.fetch(stored)

    assert path.read_bytes() == b"abc"
    assert not path.is_relative_to(scratch)


def test_remote_objects_are_fetched_once_and_checked(remote: ObjectStore, scratch: Path):
    with Workspace(remote, scratch, "acme", "v1") as workspace:
        stored = workspace.keep_bytes(b"abc", "uploads", "source.mp4")
        first = workspace.fetch(stored)
        remote.put_bytes(stored.key, b"xyz")
        second = workspace.fetch(stored)
        fresh = Workspace(remote, scratch, "acme", "v1")
        with fresh, pytest.raises(CorruptArtifact):
            fresh.fetch(stored)

        assert first == second
        assert first.name.endswith("source.mp4")
        assert first.read_bytes() == b"abc"


def test_scratch_is_gone_afterwards_also_after_an_error(local: ObjectStore, scratch: Path):
    with contextlib.suppress(RuntimeError), Workspace(local, scratch, "acme", "v1") as workspace:
        (workspace.folder("made") / "half").write_bytes(b"x")
        raise RuntimeError

    assert list(scratch.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from clip_platform.storage.objects import open_store
from clip_platform.storage.workspace import Workspace
root = Path(sys.argv[1])
workspace = Workspace(open_store((root / "objects").as_uri()), root / "scratch", "acme", "v1").__enter__()
(workspace.folder("made") / "half").write_bytes(b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(
    local: ObjectStore, tmp_path: Path, scratch: Path
):
    with Workspace(local, scratch, "acme", "v2") as in_use:
        (in_use.folder("made") / "file").write_bytes(b"x")
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60)
        left_behind = len(list(scratch.iterdir()))

        with Workspace(local, scratch, "acme", "v1"):
            during = len(list(scratch.iterdir()))
            assert (in_use.folder("made") / "file").exists()

    assert (left_behind, during) == (2, 2)
    assert list(scratch.iterdir()) == []


def test_two_workspaces_of_one_video_do_not_share_scratch(local: ObjectStore, scratch: Path):
    with Workspace(local, scratch, "acme", "v1") as one, Workspace(local, scratch, "acme", "v1") as two:
        assert one.folder("made") != two.folder("made")
        assert one.folder("made") == one.folder("made")


def test_scratch_that_cannot_be_made_is_one_clear_error(local: ObjectStore, tmp_path: Path):
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(StorageUnavailable, match="CLIP_PLATFORM_SCRATCH"),
        Workspace(local, tmp_path / "file", "a", "v"),
    ):
        pass
