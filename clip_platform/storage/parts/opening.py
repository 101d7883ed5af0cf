"""From settings to a part store, of the same kind as the object store."""

from __future__ import annotations

from clip_platform.encryption.keys import Keys
from clip_platform.settings import Settings
from clip_platform.storage.objects import folder_of
from clip_platform.storage.parts.local import LocalPartStore
from clip_platform.storage.parts.protocol import PartStore

LOCAL_FILES_PATH = "/objects"
"""Where the API serves a local store's signed addresses."""


def open_part_store(settings: Settings, keys: Keys) -> PartStore:
    """
    Raises:
        InvalidSetting: the object store's address cannot be used.
    """
    url = settings.store_url
    if url.startswith("s3:"):
        from clip_platform.storage.parts.s3 import open_s3_part_store

        return open_s3_part_store(url, kms_key=settings.s3_kms_key)
    if url.startswith("az:"):
        from clip_platform.storage.parts.azure import open_azure_part_store

        return open_azure_part_store(url, encryption_scope=settings.azure_encryption_scope)
    address = settings.public_api_url + LOCAL_FILES_PATH
    return LocalPartStore(folder_of(url), keys.tenants, address, keys.secret("signed addresses"))
