"""What an upload needs to go on after its process was killed. In the user's cache folder, beside nothing of theirs."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from clip_platform.client.files import Digests


@dataclass(frozen=True, slots=True)
class Note:
    """`key` makes beginning the upload safe to repeat; `video_id` is None until the API has answered."""

    key: str
    digests: Digests
    video_id: str | None = None


class Notes:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, identity: str, terms: str) -> Note | None:
        """`terms`: all else the upload depends on, the API and the preferences. None when there is no usable note."""
        try:
            content = json.loads(self._path(identity, terms).read_text())
            digests = Digests(content["digests"]["sha256"], tuple(content["digests"]["md5s"]))
            return Note(content["key"], digests, content["video_id"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # unreadable or of another version: the upload begins anew

    def write(self, identity: str, terms: str, note: Note) -> None:
        """Whole or not at all."""
        path = self._path(identity, terms)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(note)))
        part.replace(path)

    def forget(self, identity: str, terms: str) -> None:
        self._path(identity, terms).unlink(missing_ok=True)

    def _path(self, identity: str, terms: str) -> Path:
        name = hashlib.sha256(f"{identity}\0{terms}".encode()).hexdigest()
        return self._folder / f"{name[:32]}.json"


def default_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "clip-platform" / "uploads"
