"""Uploads in blocks and downloads by signed address (SAS) on Azure Blob Storage.

A SAS binds neither a block's number nor its MD5: the client sends `Content-MD5`, which the store checks, and nothing
counts before the worker has compared every part with what was announced.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from clip_platform.errors import InvalidSetting, LimitExceeded, StorageUnavailable, UploadExpired
from clip_platform.storage.objects import checked_key
from clip_platform.storage.parts.protocol import MAX_PARTS, Part, SignedPart, StoredPart
from clip_platform.storage.parts.s3 import disposition_of, expect_announced

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

_UPLOAD = "upload"
_CLOCKS_DIFFER = timedelta(minutes=5)


def open_azure_part_store(url: str, *, encryption_scope: str | None) -> AzurePartStore:
    """`az://container/prefix`; `AZURE_STORAGE_ACCOUNT_NAME` and `_KEY` sign, `AZURE_STORAGE_ENDPOINT` is for other
    clouds and emulators.

    Args:
        encryption_scope: of a tenant, `clips-{tenant}` say; None leaves it to the container.

    Raises:
        InvalidSetting: not such an address, or no account.
    """
    from azure.storage.blob import ContainerClient

    parts = urlsplit(url)
    account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    account_key = os.environ.get("AZURE_STORAGE_ACCOUNT_KEY", "")
    if not parts.netloc or not account or not account_key:
        raise InvalidSetting(
            f"object store {url!r} cannot be used; write az://container/prefix, and set AZURE_STORAGE_ACCOUNT_NAME and "
            "AZURE_STORAGE_ACCOUNT_KEY"
        )
    endpoint = os.environ.get("AZURE_STORAGE_ENDPOINT") or f"https://{account}.blob.core.windows.net"
    container = ContainerClient(
        endpoint, parts.netloc, credential=account_key, connection_timeout=5, read_timeout=30, retry_total=3
    )
    return AzurePartStore(container, account, account_key, parts.path.strip("/"), encryption_scope)


class AzurePartStore:
    """See `protocol.PartStore`. An upload's blocks carry its id, so that two uploads under one key stay apart."""

    def __init__(
        self, container: ContainerClient, account: str, account_key: str, prefix: str, encryption_scope: str | None
    ) -> None:
        self._container = container
        self._account = account
        self._account_key = account_key
        self._prefix = prefix
        self._encryption_scope = encryption_scope

    def begin(self, key: str, content_type: str, size_bytes: int, part_count: int) -> str:  # noqa: ARG002  parts tell
        if not 1 <= part_count <= MAX_PARTS:
            raise LimitExceeded(f"{part_count} parts are not 1 to {MAX_PARTS}; a larger file cannot be taken")
        checked_key(key)
        return secrets.token_hex(8)

    def sign_parts(self, key: str, upload_id: str, parts: Sequence[Part], expires_in_s: int) -> list[SignedPart]:
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        signature = self._sas(key, "cw", expires_at)
        address = self._blob(key).url
        return [
            SignedPart(
                number=part.number,
                url=f"{address}?comp=block&blockid={quote(_encoded(upload_id, part.number), safe='')}&{signature}",
                headers={"Content-MD5": part.md5, "Content-Length": str(part.size_bytes)},
                expires_at=expires_at,
            )
            for part in parts
        ]

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        from azure.core.exceptions import ResourceNotFoundError

        with _translated(key):
            try:
                _, blocks = self._blob(key).get_block_list("uncommitted")
            except ResourceNotFoundError:
                return []
        own = [block for block in blocks if block.id.startswith(f"{upload_id}-")]
        found = [StoredPart(int(block.id.rpartition("-")[2]), block.size, None) for block in own]
        return sorted(found, key=lambda part: part.number)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        from azure.storage.blob import BlobBlock

        if self._completed(key) == upload_id:
            return
        expect_announced(self.list_parts(key, upload_id), parts)
        scope = _scope_of(key, self._encryption_scope)
        options: dict[str, Any] = {} if scope is None else {"encryption_scope": scope}
        with _translated(key):
            blocks = [BlobBlock(_named(upload_id, part.number)) for part in sorted(parts, key=lambda part: part.number)]
            self._blob(key).commit_block_list(blocks, metadata={_UPLOAD: upload_id}, **options)

    def abort(self, key: str, upload_id: str) -> None:
        """An empty blob in their place makes the store forget uncommitted blocks."""
        if self._completed(key) is not None or not self.list_parts(key, upload_id):
            return
        with _translated(key):
            blob = self._blob(key)
            blob.upload_blob(b"", overwrite=True)
            blob.delete_blob()

    def abort_all(self, tenant_id: str) -> int:
        folder = f"{self._prefix}/{tenant_id}/".lstrip("/")
        with _translated(tenant_id):
            joined = {blob.name for blob in self._container.list_blobs(name_starts_with=folder)}
            every = self._container.list_blobs(name_starts_with=folder, include=["uncommittedblobs"])
            begun = [blob.name for blob in every if blob.name not in joined]
            for name in begun:
                blob = self._container.get_blob_client(name)
                blob.upload_blob(b"", overwrite=True)
                blob.delete_blob()
        return len(begun)

    def delete_versions(self, tenant_id: str) -> int:  # noqa: ARG002
        return 0

    def sign_download(self, key: str, file_name: str, content_type: str, expires_in_s: int) -> str:
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        signature = self._sas(
            key, "r", expires_at, content_disposition=disposition_of(file_name), content_type=content_type
        )
        return f"{self._blob(key).url}?{signature}"

    def _blob(self, key: str) -> BlobClient:
        return self._container.get_blob_client(f"{self._prefix}/{checked_key(key)}".lstrip("/"))

    def _completed(self, key: str) -> str | None:
        """Id of the upload that the blob was made by; None when there is no blob."""
        from azure.core.exceptions import ResourceNotFoundError

        with _translated(key):
            try:
                metadata = self._blob(key).get_blob_properties().metadata
            except ResourceNotFoundError:
                return None
        return str(metadata.get(_UPLOAD, ""))

    def _sas(self, key: str, permission: str, expires_at: datetime, **answer: str) -> str:
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        scope = _scope_of(key, self._encryption_scope) if "w" in permission else None
        options: dict[str, Any] = {**answer} if scope is None else {**answer, "encryption_scope": scope}
        signature: str = generate_blob_sas(
            self._account,
            self._container.container_name,
            f"{self._prefix}/{checked_key(key)}".lstrip("/"),
            account_key=self._account_key,
            permission=BlobSasPermissions.from_string(permission),
            start=datetime.now(UTC) - _CLOCKS_DIFFER,
            expiry=expires_at,
            **options,
        )
        return signature


def _named(upload_id: str, number: int) -> str:
    """All of one length, as Azure wants them."""
    return f"{upload_id}-{number:05d}"


def _encoded(upload_id: str, number: int) -> str:
    return base64.b64encode(_named(upload_id, number).encode()).decode()


def _scope_of(key: str, encryption_scope: str | None) -> str | None:
    return None if encryption_scope is None else encryption_scope.replace("{tenant}", key.split("/")[0])


@contextmanager
def _translated(key: str) -> Iterator[None]:
    from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

    try:
        yield
    except ResourceNotFoundError as error:
        raise UploadExpired("this upload is over: its blocks are gone; begin a new one") from error
    except HttpResponseError as error:
        said = getattr(error, "error_code", None) or error.status_code
        if said == "InvalidBlockList":
            raise UploadExpired("this upload is over: its blocks are gone; begin a new one") from error
        raise StorageUnavailable(f"Azure failed on {key}: {said}; try again", detail=str(error)) from error
    except AzureError as error:
        raise StorageUnavailable(
            "Azure does not answer; check network and endpoint, then try again", detail=str(error)
        ) from error
