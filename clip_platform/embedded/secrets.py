"""Passwords of the embedded server, made once and kept in a file that only this user may read."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def ensure_passwords(path: Path, roles: Iterable[str]) -> dict[str, str]:
    """The passwords by role; makes those that are missing. Callers hold the start lock."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [role for role in roles if role not in known]
    if missing:
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        _write_private(path, json.dumps(known, indent=1))
    return known


def _write_private(path: Path, content: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
