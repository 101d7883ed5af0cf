"""The receiver in `examples/` believes what the reference library signs, and nothing else."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = '{"type": "clip.rendered", "data": {"clip_id": "c1"}}'


@pytest.fixture(scope="module")
def receiver() -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"
    spec = importlib.util.spec_from_file_location("webhook_receiver", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def signed(secret: str, at: datetime) -> dict[str, str]:
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", at, BODY),
    }


def test_a_genuine_message_is_believed_also_while_the_secret_is_rotated(receiver: ModuleType) -> None:
    now = datetime.now(UTC)
    headers = signed(SECRET, now)
    both = {**headers, "webhook-signature": f"{signed(OTHER, now)['webhook-signature']} {headers['webhook-signature']}"}

    assert receiver.is_genuine(SECRET, headers, BODY.encode(), now.timestamp())
    assert receiver.is_genuine(SECRET, both, BODY.encode(), now.timestamp())


def test_a_changed_an_old_and_a_strangers_message_are_not(receiver: ModuleType) -> None:
    now = datetime.now(UTC)
    headers = signed(SECRET, now)

    assert not receiver.is_genuine(SECRET, headers, BODY.replace("c1", "c2").encode(), now.timestamp())
    assert not receiver.is_genuine(SECRET, headers, BODY.encode(), (now + timedelta(hours=1)).timestamp())
    assert not receiver.is_genuine(OTHER, headers, BODY.encode(), now.timestamp())
    assert not receiver.is_genuine(SECRET, {}, BODY.encode(), now.timestamp())
