"""The reference client against the real API and the local store, on a line that is not always good."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from clip_platform.client import Client
from clip_platform.client.calls import Pauses
from clip_platform.client.uploading import Progress
from clip_platform.errors import (
    ChecksumMismatch,
    EmptyFile,
    InvalidPreference,
    StorageUnavailable,
    Unauthenticated,
    UnsafeAddress,
)
from clip_platform.upload.parts import PART_SIZE_BYTES
from tests.client.conftest import Api

PARTS = 8


def film(folder: Path, parts: float = 2.5) -> Path:
    file = folder / "film.mp4"
    size_bytes = int(parts * PART_SIZE_BYTES)
    block = hashlib.sha512(b"film").digest() * 16384
    with file.open("wb") as out:
        for number in range(-(-size_bytes // len(block))):
            out.write(number.to_bytes(8, "big") + block[8:])
        out.truncate(size_bytes)
    return file


def stored(api: Api, video_id: str) -> str:
    digest = hashlib.sha256()
    for chunk in api.services.object_store.open_stream(f"acme/videos/{video_id}/source/upload"):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_arrives_whole_and_every_step_is_told(api: Api, client: Client, tmp_path: Path) -> None:
    file = film(tmp_path)
    told: list[Progress] = []

    video_id = client.upload(file, {"clips": 2}, told.append)

    assert stored(api, video_id) == sha256_of(file)
    assert sorted(api.line.parts) == [1, 2, 3]
    last = {progress.step: (progress.done_bytes, progress.total_bytes) for progress in told}
    assert last == {step: (file.stat().st_size,) * 2 for step in ("reading", "sending", "verifying")}
    assert client.video(video_id)["state"] == "submitted"


@pytest.mark.parametrize("api", ["s3", "azure"], indirect=True)
def test_the_same_works_on_a_store_that_takes_the_parts_itself(api: Api, client: Client, tmp_path: Path) -> None:
    file = film(tmp_path)

    video_id = client.upload(file)

    assert api.line.parts == [], "no part passed through the API"
    assert client.video(video_id)["state"] == "submitted"
    assert stored(api, video_id) == sha256_of(file)


@pytest.mark.parametrize("api", ["s3", "azure"], indirect=True)
def test_a_changed_file_is_refused_by_a_store_that_takes_the_parts_itself(
    api: Api,  # noqa: ARG001
    client: Client,
    tmp_path: Path,
) -> None:
    file = film(tmp_path, 0.1)

    def change(progress: Progress) -> None:
        if progress.step == "reading" and progress.done_bytes == progress.total_bytes:
            file.write_bytes(bytes(file.stat().st_size))

    with pytest.raises(ChecksumMismatch, match="part 1"):
        client.upload(file, None, change)


_KILLED_HALFWAY = """
import os, signal, sys
from pathlib import Path
from clip_platform.client import Client

def told(progress):
    if progress.step == "sending" and progress.done_bytes > 0.75 * progress.total_bytes:
        os.kill(os.getpid(), signal.SIGKILL)

Client(sys.argv[1], sys.argv[2], notes_folder=Path(sys.argv[4])).upload(Path(sys.argv[3]), None, told)
"""


def test_after_a_kill_9_only_what_is_missing_is_sent(api: Api, client: Client, token: str, tmp_path: Path) -> None:
    file = film(tmp_path, PARTS)
    command = [sys.executable, "-c", _KILLED_HALFWAY, api.url, token, str(file), str(tmp_path / "notes")]
    killed = subprocess.run(command, check=False, timeout=60)
    api.line.parts.clear()
    told: list[Progress] = []

    video_id = client.upload(file, None, told.append)

    assert killed.returncode == -signal.SIGKILL
    assert 0 < len(api.line.parts) <= PARTS - 2, "at most four parts were on their way"
    assert "reading" not in {progress.step for progress in told}, "digests were noted before"
    assert stored(api, video_id) == sha256_of(file)
    assert list((tmp_path / "notes").iterdir()) == []


def test_a_client_killed_before_it_heard_of_the_end_goes_on_from_there(
    api: Api, client: Client, tmp_path: Path
) -> None:
    file = film(tmp_path, 0.1)

    def interrupt(progress: Progress) -> None:
        if progress.step == "verifying":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(file, None, interrupt)

    video_id = client.upload(file)

    assert api.line.parts == [1]
    assert stored(api, video_id) == sha256_of(file)


def test_a_file_that_has_changed_is_uploaded_anew(api: Api, client: Client, tmp_path: Path) -> None:
    file = film(tmp_path, 0.1)
    first = client.upload(file)
    file.write_bytes(b"another film")

    second = client.upload(file)

    assert first != second
    assert stored(api, second) == sha256_of(file)


def test_addresses_that_are_over_are_asked_for_again(
    api: Api, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = film(tmp_path)
    began = api.services.part_store._now  # type: ignore[attr-defined]
    ahead_s = [0.0]
    monkeypatch.setattr(api.services.part_store, "_now", lambda: began() + ahead_s[0])
    refused = []

    def an_hour_passes(method: str, _path: str) -> None:
        if method == "PUT" and not refused:
            refused.append(True)
            ahead_s[0] = 3600.0

    api.line.before = an_hour_passes

    video_id = client.upload(file)

    assert len(api.line.parts) > 3, "some were refused and sent again"
    assert stored(api, video_id) == sha256_of(file)


def test_a_line_on_which_every_request_fails_at_first_is_survived(api: Api, client: Client, tmp_path: Path) -> None:
    file = film(tmp_path)
    tries: Counter[tuple[str, str]] = Counter()

    def fail_at_first(method: str, path: str) -> int | None:
        tries[method, path] += 1
        return 503 if tries[method, path] % 2 else None

    api.line.before = fail_at_first

    video_id = client.upload(file)

    assert stored(api, video_id) == sha256_of(file)
    assert sorted(api.line.parts) == [1, 1, 2, 2, 3, 3]


def test_a_file_that_changes_while_it_is_sent_is_refused_by_its_part(client: Client, tmp_path: Path) -> None:
    file = film(tmp_path, 1.5)

    def change(progress: Progress) -> None:
        if progress.step == "reading" and progress.done_bytes == progress.total_bytes:
            with file.open("r+b") as stream:
                stream.seek(PART_SIZE_BYTES + 5)
                stream.write(b"!")

    with pytest.raises(ChecksumMismatch, match="part 2 is not what was announced"):
        client.upload(file, None, change)


def test_an_upload_whose_time_was_over_begins_anew(
    api: Api, client: Client, tmp_path: Path, migrated_server: object
) -> None:
    file = film(tmp_path, 0.1)

    def leave(progress: Progress) -> None:
        if progress.step == "sending":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(file, None, leave)
    with migrated_server.superuser() as connection:  # type: ignore[attr-defined]
        connection.execute("update upload_sessions set expires_at = now()")

    video_id = client.upload(file)

    assert stored(api, video_id) == sha256_of(file)


def test_what_the_api_refuses_has_the_platforms_own_error(client: Client, tmp_path: Path) -> None:
    file = film(tmp_path, 0.1)
    (tmp_path / "empty.mp4").touch()

    with pytest.raises(InvalidPreference, match="colour"):
        client.upload(file, {"colour": "red"})
    with pytest.raises(EmptyFile):
        client.upload(tmp_path / "empty.mp4")


def test_a_token_that_is_not_valid_and_an_api_that_is_not_there_are_told_apart(api: Api, tmp_path: Path) -> None:
    file = film(tmp_path, 0.1)
    pauses = Pauses(first_s=0.001)

    with pytest.raises(Unauthenticated):
        Client(api.url, "clp_wrong", notes_folder=tmp_path / "a", pauses=pauses).upload(file)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        Client("http://127.0.0.1:9", "clp_wrong", notes_folder=tmp_path / "b", pauses=pauses).upload(file)


@pytest.mark.parametrize("url", ["http://clips.example.com", "ftp://127.0.0.1", "clips.example.com", ""])
def test_a_token_is_sent_in_plain_text_to_this_machine_only(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        Client(url, "clp_token")


def test_the_command_prints_the_videos_id_and_nothing_else_on_stdout(api: Api, token: str, tmp_path: Path) -> None:
    file = film(tmp_path, 0.1)
    environment = {**os.environ, "CLIP_PLATFORM_TOKEN": token, "XDG_CACHE_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", "clip_platform", "upload", str(file), "--api", api.url, "--clips", "2"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert stored(api, done.stdout.strip()) == sha256_of(file)
