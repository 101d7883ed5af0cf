"""What a webhook looks like on the wire: body and signed headers (https://www.standardwebhooks.com), and when to try it
again. No network, no rows."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from standardwebhooks import Webhook

from clip_platform.database.outbox import Letter

_FIRST_DELAY = timedelta(seconds=5)
_LONGEST_DELAY = timedelta(hours=4)
_JITTER = 0.2


def body_of(letter: Letter) -> str:
    """The same at every attempt, so that a receiver may compare."""
    content = {"type": letter.type, "timestamp": letter.happened_at.isoformat(), "data": letter.payload}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def headers_of(letter: Letter, body: str, now: datetime) -> Mapping[str, str]:
    """`webhook-id` is the event's, so that a receiver can tell a repetition; one signature for each valid secret."""
    signatures = (Webhook(secret).sign(letter.event_id, now, body) for secret in letter.secrets)
    return {
        "content-type": "application/json",
        "user-agent": "clip-platform-webhooks/1",
        "webhook-id": letter.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def next_attempt_at(began_at: datetime, now: datetime, chance: float | None = None) -> datetime:
    """Waiting doubles, since each wait is as long as all before it: 5 s, 5, 10, 20 and so on up to 4 h, each 20 % more
    or less, so that deliveries that failed together do not come together.

    Args:
        chance: from 0 to 1; random when None.
    """
    wait = min(max(now - began_at, _FIRST_DELAY), _LONGEST_DELAY)
    spread = 1 + _JITTER * (2 * (random.random() if chance is None else chance) - 1)  # noqa: S311
    return now + wait * spread
