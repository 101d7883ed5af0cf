"""Receipts are good as long as nobody touches them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clip_platform.encryption import receipts
from clip_platform.encryption.receipts import ReceiptSigner
from clip_platform.errors import CorruptArtifact, InvalidInput

RECEIPT = {"version": 1, "request_id": "ers_1", "removed": [{"step": "rows", "counts": {"clips": 3}}], "who": "Zoë"}


@pytest.fixture
def signer() -> ReceiptSigner:
    return ReceiptSigner(b"k" * 32)


def test_what_was_signed_is_read_back(signer: ReceiptSigner):
    assert receipts.verify(signer.sign(RECEIPT), signer.public_key) == RECEIPT


def test_the_order_of_fields_and_spaces_do_not_matter(signer: ReceiptSigner):
    document = json.loads(signer.sign(RECEIPT))
    document["receipt"] = dict(reversed(document["receipt"].items()))

    assert receipts.verify(json.dumps(document, indent=7), signer.public_key) == RECEIPT


def test_anyone_can_check_it_with_nothing_but_the_standard(signer: ReceiptSigner):
    document = json.loads(signer.sign(RECEIPT))
    content = json.dumps(document["receipt"], sort_keys=True, separators=(",", ":")).encode()

    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signer.public_key))
    key.verify(base64.b64decode(document["signature"]["value"]), content)  # raises when it is not good


def changed(document: Any, where: str) -> str:
    match where:
        case "count":
            document["receipt"]["removed"][0]["counts"]["clips"] = 4
        case "field added":
            document["receipt"]["more"] = "x"
        case "field removed":
            del document["receipt"]["who"]
        case "signature":
            value = bytearray(base64.b64decode(document["signature"]["value"]))
            value[0] ^= 1
            document["signature"]["value"] = base64.b64encode(value).decode()
        case "no signature":
            del document["signature"]
        case "not base64":
            document["signature"]["value"] = "!"
        case "algorithm":
            document["signature"]["algorithm"] = "none"
        case "another key's":
            return ReceiptSigner(b"x" * 32).sign(RECEIPT)
        case "text":
            return "hello"
        case "list":
            return "[]"
    return json.dumps(document)


@pytest.mark.parametrize(
    "where",
    [
        *("count", "field added", "field removed", "signature", "no signature", "not base64", "algorithm"),
        *("another key's", "text", "list"),
    ],
)
def test_a_receipt_that_was_touched_is_refused(signer: ReceiptSigner, where: str):
    document = changed(json.loads(signer.sign(RECEIPT)), where)

    with pytest.raises(CorruptArtifact):
        receipts.verify(document, signer.public_key)


@pytest.mark.parametrize("key", ["", "abc", "AAAA", "x" * 500, "ÿ"])
def test_a_key_that_is_none_is_named(signer: ReceiptSigner, key: str):
    with pytest.raises(InvalidInput, match="32 bytes in base64"):
        receipts.verify(signer.sign(RECEIPT), key)


def test_a_receipt_says_whose_it_is_only_to_someone_who_knows():
    told = receipts.commitment("ers_1", "acme")

    assert told == receipts.commitment("ers_1", "acme")
    assert len({told, receipts.commitment("ers_2", "acme"), receipts.commitment("ers_1", "acm")}) == 3
