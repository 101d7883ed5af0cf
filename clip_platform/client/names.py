"""Names of files as the API takes them, and as any folder does."""

from __future__ import annotations

import re

_LONGEST = 200


def plain(name: str) -> str:
    """Without control characters, path separators, or anything that a shell or a terminal would obey."""
    decoded = name.encode("utf-8", "replace").decode()
    return re.sub(r"[^\w .,()+@=&'!-]", "_", decoded)[:_LONGEST].strip(" .") or "video"
