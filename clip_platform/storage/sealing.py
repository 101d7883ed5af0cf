"""Which objects the platform seals itself, and which the store encrypts for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clip_platform.encryption.keys import TenantKeys
    from clip_platform.encryption.streams import StreamCipher

SERVED_FOLDERS = ("source", "clips", "packages")
"""Of a video. Clients send and fetch these by signed address, so in S3 and Azure the store itself encrypts them."""


class Sealing:
    """On a disk of ours everything is sealed; in a store that encrypts, everything but what clients fetch from it."""

    def __init__(self, keys: TenantKeys, *, store_encrypts: bool) -> None:
        self._keys = keys
        self._store_encrypts = store_encrypts

    def cipher_for(self, key: str) -> StreamCipher | None:
        """None where the object lies in the store as it is."""
        tenant_id, *rest = key.split("/")
        if self._store_encrypts and len(rest) >= 4 and rest[0] == "videos" and rest[2] in SERVED_FOLDERS:
            return None
        return self._keys.stream_cipher(tenant_id)
