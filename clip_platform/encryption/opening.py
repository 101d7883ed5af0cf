"""From settings to keys, the same in every process of an installation."""

from __future__ import annotations

from clip_platform.encryption.keys import Keys, OnUse, register
from clip_platform.encryption.master import open_master_key
from clip_platform.encryption.store import KeyStore
from clip_platform.settings import Settings


def open_keys(settings: Settings, on_use: OnUse | None = None) -> Keys:
    """The keys at the configured addresses.

    Raises:
        InvalidSetting: an address cannot be used.
    """
    return keys_at(settings.master_key_address, settings.key_store_url, on_use, make=settings.makes_master_key)


def ensure_master(settings: Settings) -> None:
    """Makes a missing master key where that is allowed, before processes are started that may not."""
    if settings.makes_master_key:
        open_master_key(settings.master_key_address, make=True)


def keys_at(master_key: str, key_store_url: str, on_use: OnUse | None = None, *, make: bool = False) -> Keys:
    """As `open_keys`, by address."""
    register()
    return Keys(open_master_key(master_key, make=make), KeyStore(key_store_url), on_use)
