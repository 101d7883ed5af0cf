"""Uploads in parts and downloads by signed address on S3. boto3 signs; nothing else here is its business."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from clip_platform.errors import (
    ChecksumMismatch,
    Conflict,
    InvalidSetting,
    LimitExceeded,
    StorageUnavailable,
    UploadExpired,
)
from clip_platform.storage.objects import checked_key
from clip_platform.storage.parts.protocol import MAX_PARTS, Part, SignedPart, StoredPart

_MD5_TAG = re.compile(r'"?([0-9a-f]{32})"?')
_SKEWED = ("RequestTimeTooSkewed", "RequestExpired")


def open_s3_part_store(url: str, *, kms_key: str | None) -> S3PartStore:
    """`s3://bucket/prefix`; region, endpoint and credentials come from their usual environment variables.

    Args:
        kms_key: of a tenant, `alias/clips-{tenant}` say; None leaves encryption to the bucket.

    Raises:
        InvalidSetting: not such an address.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    parts = urlsplit(url)
    if not parts.netloc:
        raise InvalidSetting(f"object store {url!r} names no bucket; write s3://bucket/prefix")
    own_endpoint = bool(os.environ.get("AWS_ENDPOINT_URL"))
    settings = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path" if own_endpoint else "auto"},
        request_checksum_calculation="when_required",  # a part's checksum is its Content-MD5
        response_checksum_validation="when_required",
    )
    try:
        client = boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=settings)
    except (BotoCoreError, ValueError) as error:
        raise InvalidSetting(f"S3 cannot be used: {error}; set region and credentials") from error
    return S3PartStore(client, parts.netloc, parts.path.strip("/"), kms_key)


class S3PartStore:
    """See `protocol.PartStore`."""

    def __init__(self, client: Any, bucket: str, prefix: str, kms_key: str | None) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._kms_key = kms_key

    def begin(self, key: str, content_type: str, size_bytes: int, part_count: int) -> str:  # noqa: ARG002  parts tell
        if not 1 <= part_count <= MAX_PARTS:
            raise LimitExceeded(f"{part_count} parts are not 1 to {MAX_PARTS}; a larger file cannot be taken")
        with _translated(key):
            answer = self._client.create_multipart_upload(
                **self._object(key), ContentType=content_type, **encryption_of(key, self._kms_key)
            )
        upload_id: str = answer["UploadId"]
        return upload_id

    def sign_parts(self, key: str, upload_id: str, parts: Sequence[Part], expires_in_s: int) -> list[SignedPart]:
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
        return [
            SignedPart(
                number=part.number,
                url=self._client.generate_presigned_url(
                    "upload_part",
                    Params={
                        **self._object(key),
                        "UploadId": upload_id,
                        "PartNumber": part.number,
                        "ContentMD5": part.md5,
                        "ContentLength": part.size_bytes,
                    },
                    ExpiresIn=expires_in_s,
                ),
                headers={"Content-MD5": part.md5, "Content-Length": str(part.size_bytes)},
                expires_at=expires_at,
            )
            for part in parts
        ]

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        return [part for part, _ in self._parts(key, upload_id)]

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        try:
            lying = self._parts(key, upload_id)
            expect_announced([part for part, _ in lying], parts)
            joined = [{"PartNumber": part.number, "ETag": tag} for part, tag in lying]
            with _translated(key):
                self._client.complete_multipart_upload(
                    **self._object(key), UploadId=upload_id, MultipartUpload={"Parts": joined}
                )
        except UploadExpired:
            if not self._exists(key):
                raise

    def abort(self, key: str, upload_id: str) -> None:
        try:
            with _translated(key):
                self._client.abort_multipart_upload(**self._object(key), UploadId=upload_id)
        except UploadExpired:
            return

    def abort_all(self, tenant_id: str) -> int:
        place = {"Bucket": self._bucket, "Prefix": self._folder_of(tenant_id)}
        with _translated(tenant_id):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(**place)
            begun = [(one["Key"], one["UploadId"]) for page in pages for one in page.get("Uploads", ())]
        for key, upload_id in begun:
            with suppress(UploadExpired), _translated(key):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        return len(begun)

    def delete_versions(self, tenant_id: str) -> int:
        place = {"Bucket": self._bucket, "Prefix": self._folder_of(tenant_id)}
        deleted = 0
        with _translated(tenant_id):
            for page in self._client.get_paginator("list_object_versions").paginate(**place):
                found = [
                    {"Key": one["Key"], "VersionId": one["VersionId"]}
                    for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
                ]
                if found:
                    _expect_deleted(self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": found}))
                deleted += len(found)
        return deleted

    def sign_download(self, key: str, file_name: str, content_type: str, expires_in_s: int) -> str:
        url: str = self._client.generate_presigned_url(
            "get_object",
            Params={
                **self._object(key),
                "ResponseContentDisposition": disposition_of(file_name),
                "ResponseContentType": content_type,
            },
            ExpiresIn=expires_in_s,
        )
        return url

    def _folder_of(self, tenant_id: str) -> str:
        return f"{self._prefix}/{tenant_id}/".lstrip("/")

    def _object(self, key: str) -> Mapping[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{checked_key(key)}".lstrip("/")}

    def _parts(self, key: str, upload_id: str) -> list[tuple[StoredPart, str]]:
        """With the store's own tags."""
        with _translated(key):
            pages = self._client.get_paginator("list_parts").paginate(**self._object(key), UploadId=upload_id)
            return [
                (StoredPart(part["PartNumber"], part["Size"], self._md5_of(part["ETag"])), part["ETag"])
                for page in pages
                for part in page.get("Parts", ())
            ]

    def _md5_of(self, tag: str) -> str | None:
        """Under SSE-KMS a tag looks like an MD5 and is none."""
        found = None if self._kms_key else _MD5_TAG.fullmatch(tag)
        return None if found is None else base64.b64encode(bytes.fromhex(found[1])).decode()

    def _exists(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        with _translated(key):
            try:
                self._client.head_object(**self._object(key))
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return True


def _expect_deleted(answer: Mapping[str, Any]) -> None:
    """
    Raises:
        StorageUnavailable: some are still there.
    """
    if answer.get("Errors"):
        first = answer["Errors"][0]
        raise StorageUnavailable(
            f"S3 does not delete {len(answer['Errors'])} objects, the first for {first.get('Code')}; a lock or a "
            "missing right to delete versions (s3:DeleteObjectVersion) keeps them",
            detail=str(first),
        )


def encryption_of(key: str, kms_key: str | None) -> Mapping[str, str]:
    """How S3 is told to encrypt an object with its tenant's key."""
    if kms_key is None:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key.replace("{tenant}", key.split("/")[0])}


def expect_announced(lying: Sequence[StoredPart], parts: Sequence[Part]) -> None:
    """
    Raises:
        Conflict: parts are missing. ChecksumMismatch: one is not what was announced.
    """
    stored = {part.number: part for part in lying}
    missing = [part.number for part in parts if part.number not in stored]
    if missing:
        named = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise Conflict(f"parts {named} are missing; send them, then complete the upload")
    announced = {part.number: part for part in parts}
    for number, found in stored.items():
        part = announced.get(number)
        if part is None or found.size_bytes != part.size_bytes or found.md5 not in (None, part.md5):
            raise ChecksumMismatch(f"part {number} is not what was announced last; send it again")


def disposition_of(file_name: str) -> str:
    """A header that saves under any name (RFC 6266); everything but letters and digits is escaped."""
    return f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"


@contextmanager
def _translated(key: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("NoSuchUpload", "NoSuchKey", "404"):
            raise UploadExpired("this upload is over: it was completed, aborted or expired; begin a new one") from error
        if code in _SKEWED:
            raise StorageUnavailable("this machine's clock differs from S3's; set it (NTP), then try again") from error
        raise StorageUnavailable(f"S3 failed on {key}: {code or error}; try again", detail=str(error)) from error
    except BotoCoreError as error:
        raise StorageUnavailable(
            "S3 does not answer; check network and endpoint, then try again", detail=str(error)
        ) from error
