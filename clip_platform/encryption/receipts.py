"""Signed receipts: JSON that anyone can check with the installation's public key (Ed25519, RFC 8032).

What is signed is the receipt with sorted keys, no spaces and ASCII only; it has texts, integers, lists and objects, for
which that is the form of RFC 8785.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from clip_platform.errors import CorruptArtifact, InvalidInput

PURPOSE = "erasure receipts"
"""Of the secret that the signing key is made from (`Keys.secret`)."""
_ALGORITHM = "Ed25519"


class ReceiptSigner:
    """`secret`: 32 bytes, the same in every process of an installation."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)

    @property
    def public_key(self) -> str:
        """32 bytes in base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, receipt: Mapping[str, Any]) -> str:
        """The receipt and its signature as one JSON document."""
        signature = base64.b64encode(self._key.sign(_canonical(receipt))).decode()
        about = {"algorithm": _ALGORITHM, "key_id": key_id(self.public_key), "public_key": self.public_key}
        return json.dumps({"receipt": receipt, "signature": {**about, "value": signature}}, indent=2)


def key_id(public_key: str) -> str:
    """16 hex digits of the public key's SHA-256.

    Raises:
        InvalidInput: it is no such key.
    """
    return hashlib.sha256(_raw(public_key)).hexdigest()[:16]


def verify(document: str, public_key: str) -> Mapping[str, Any]:
    """The receipt, when this key has signed it and nobody has changed it since.

    Args:
        public_key: one that the caller trusts, not the one in the document.

    Raises:
        InvalidInput: the key is none.
        CorruptArtifact: no receipt, another key's, or not what was signed.
    """
    try:
        found = json.loads(document)
        receipt, signature = found["receipt"], found["signature"]
        value = base64.b64decode(signature["value"], validate=True)
        named, algorithm = signature["key_id"], signature["algorithm"]
        content = _canonical(receipt)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifact("this is no signed receipt; give the document as it was received") from error
    if algorithm != _ALGORITHM or named != key_id(public_key):
        raise CorruptArtifact(
            f"the receipt names key {str(named)[:40]!r} ({str(algorithm)[:40]}), not {key_id(public_key)} "
            f"({_ALGORITHM}); take the key that signed it from the installation that gave the receipt"
        )
    try:
        Ed25519PublicKey.from_public_bytes(_raw(public_key)).verify(value, content)
    except InvalidSignature as error:
        raise CorruptArtifact("the receipt is not what was signed: it was changed, or the signature was") from error
    checked: Mapping[str, Any] = receipt
    return checked


def new_secret() -> tuple[str, bytes]:
    """What lets somebody read a receipt whose account is gone, and its hash, which is all that is stored."""
    secret = "rcp_" + secrets.token_urlsafe(32)
    return secret, hash_of(secret)


def hash_of(secret: str) -> bytes:
    """32 bytes. The secret has 256 random bits, so a plain hash will do."""
    return hashlib.sha256(secret.encode()).digest()


def commitment(request_id: str, tenant_id: str) -> str:
    """What a receipt says of the account: 64 hex digits that tell whose it was only to someone who knows."""
    return hashlib.sha256(json.dumps([request_id, tenant_id]).encode()).hexdigest()


def _canonical(receipt: Any) -> bytes:
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _raw(public_key: str) -> bytes:
    try:
        raw = base64.b64decode(public_key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise InvalidInput(f"{public_key[:60]!r} is no Ed25519 public key; give its 32 bytes in base64")
    return raw
