"""`receipt verify`: whether a receipt is what this installation, or a known key, has signed."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from clip_platform.encryption import receipts
from clip_platform.encryption.opening import open_keys
from clip_platform.encryption.receipts import PURPOSE, ReceiptSigner
from clip_platform.errors import CorruptArtifact, UnreadableFile
from clip_platform.settings import read_settings


def verify_receipt(path: Path, public_key: str | None, account: str | None) -> int:
    """
    Args:
        path: a signed receipt, or the answer of `GET /v1/erasure-receipts/ID` that has it as `document`.
        public_key: 32 bytes in base64; this installation's when None.
        account: the tenant's id that it has to be the receipt of.

    Raises:
        UnreadableFile, CorruptArtifact: no receipt, changed, another key's or another account's.
    """
    receipt = receipts.verify(_signed(path), public_key or _own_key())
    request_id = str(receipt["request_id"])
    if account is not None and receipt["account"] != receipts.commitment(request_id, account):
        raise CorruptArtifact(f"{path.name} is no receipt of account {account!r}, but of another one's erasure")
    whose = f" of account {account}" if account is not None else ""
    Console().print(f"{request_id}{whose}: erased {receipt['completed_at']}, signature good", highlight=False)
    return 0


def _signed(path: Path) -> str:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{path} cannot be read: {error}; check its name and permissions") from error
    try:
        found = json.loads(content)
    except ValueError:
        return content  # `verify` says what is wrong with it
    return json.dumps(found["document"]) if isinstance(found, dict) and "document" in found else content


def _own_key() -> str:
    return ReceiptSigner(open_keys(read_settings()).secret(PURPOSE)).public_key
