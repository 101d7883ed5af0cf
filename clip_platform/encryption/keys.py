"""Keys: one master that wraps all others, a keyset for columns, and one keyset a tenant.

Wrapped keys live in a store of their own, outside Postgres, the object store and the backups of either: with a tenant's
key erased, every copy of what was sealed with it is unreadable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import tink
from obstore.exceptions import AlreadyExistsError
from tink import KeysetHandle, TinkError, aead, json_proto_keyset_format, prf, streaming_aead

from clip_platform.encryption.columns import ColumnCipher
from clip_platform.encryption.master import MasterKey
from clip_platform.encryption.store import KeyStore
from clip_platform.encryption.streams import StreamCipher
from clip_platform.errors import CorruptArtifact

OnUse = Callable[[str, str], None]
"""Called with tenant and purpose when a tenant's key is unwrapped; once a process and key."""


class Keys:
    """All keys of an installation. Errors of every method: `StorageUnavailable`, `CorruptArtifact` for a wrapped key
    that this master does not open."""

    def __init__(self, master: MasterKey, store: KeyStore, on_use: OnUse | None = None) -> None:
        self._wrapped = _WrappedKeysets(master, store)
        self.tenants = TenantKeys(self._wrapped, on_use)

    @property
    def columns(self) -> ColumnCipher:
        sealing = self._wrapped.ensure("platform/columns", aead.aead_key_templates.AES256_GCM)
        return ColumnCipher(sealing, self._wrapped.ensure("platform/indexes", prf.prf_key_templates.HKDF_SHA256))

    def secret(self, purpose: str) -> bytes:
        """32 bytes for signing, derived: the same for the same purpose in every process, and nowhere stored."""
        handle = self._wrapped.ensure("platform/indexes", prf.prf_key_templates.HKDF_SHA256)
        return handle.primitive(prf.PrfSet).primary().compute(f"secret:{purpose}".encode(), 32)


class TenantKeys:
    """One streaming keyset a tenant, made when first used."""

    def __init__(self, wrapped: _WrappedKeysets, on_use: OnUse | None) -> None:
        self._wrapped = wrapped
        self._on_use = on_use
        self._ciphers: dict[str, StreamCipher] = {}

    def stream_cipher(self, tenant_id: str) -> StreamCipher:
        known = self._ciphers.get(tenant_id)
        if known is not None:
            return known
        template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
        handle = self._wrapped.ensure(f"tenants/{tenant_id}", template)
        if self._on_use is not None:
            self._on_use(tenant_id, "objects")
        return self._ciphers.setdefault(tenant_id, StreamCipher(handle.primitive(streaming_aead.StreamingAead)))

    def holds(self, tenant_id: str) -> bool:
        """Whether there is a key of the tenant's; none is made."""
        return self._wrapped.holds(f"tenants/{tenant_id}")

    def erase(self, tenant_id: str) -> None:
        """Makes everything sealed for the tenant unreadable, in every copy. Cannot be undone."""
        self._wrapped.erase(f"tenants/{tenant_id}")
        self._ciphers.pop(tenant_id, None)


class _WrappedKeysets:
    def __init__(self, master: MasterKey, store: KeyStore) -> None:
        self._master = master
        self._store = store
        self._known: dict[str, KeysetHandle] = {}
        self._one_at_a_time = threading.Lock()

    def ensure(self, name: str, template: Any) -> KeysetHandle:
        """The keyset of this name; of all who make it at once, one wins and the others take the winner's."""
        with self._one_at_a_time:
            known = self._known.get(name)
            if known is None:
                known = self._known[name] = self._read(name) or self._make(name, template)
            return known

    def holds(self, name: str) -> bool:
        return self._store.get(name) is not None

    def erase(self, name: str) -> None:
        with self._one_at_a_time:
            self._store.delete(name)
            self._known.pop(name, None)

    def _read(self, name: str) -> KeysetHandle | None:
        wrapped = self._store.get(name)
        if wrapped is None:
            return None
        try:
            return json_proto_keyset_format.parse_encrypted(wrapped, self._master.aead(name), name.encode())
        except TinkError as error:
            raise CorruptArtifact(
                f"key {name} cannot be unwrapped with this master key; set CLIP_PLATFORM_MASTER_KEY to the one it was "
                "wrapped with",
                detail=str(error),
            ) from error

    def _make(self, name: str, template: Any) -> KeysetHandle:
        handle = tink.new_keyset_handle(template)
        wrapped = json_proto_keyset_format.serialize_encrypted(handle, self._master.aead(name), name.encode())
        try:
            self._store.create(name, wrapped)
        except AlreadyExistsError:
            found = self._read(name)
            if found is None:
                raise CorruptArtifact(f"key {name} was erased while it was being made; try again") from None
            return found
        return handle


def register() -> None:
    """Tells Tink which kinds of keys are used here; twice is once."""
    aead.register()
    prf.register()
    streaming_aead.register()
