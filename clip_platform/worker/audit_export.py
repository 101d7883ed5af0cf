"""Copies of the audit trail where nobody can change them: JSON lines in a bucket with object lock.

A segment is one object; its lines carry the text that was hashed, so that a chain is checked from the file alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from clip_platform.database import audit
from clip_platform.database.audit import AuditEvent, Chain
from clip_platform.database.connection import Database
from clip_platform.errors import InvalidSetting, StorageUnavailable

_EVENTS_AT_ONCE = 5000


class LockedBucket:
    """`s3://bucket/prefix` whose objects cannot be changed or deleted for some days (S3 Object Lock, compliance mode).

    Region, endpoint and credentials come from their usual environment variables.

    Raises:
        InvalidSetting: not such an address.
    """

    def __init__(self, url: str, retention_days: int) -> None:
        import boto3
        from botocore.config import Config

        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise InvalidSetting(f"audit store {url!r} is no bucket with object lock; write s3://bucket/prefix")
        limits = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"max_attempts": 3, "mode": "standard"},
            request_checksum_calculation="when_required",
        )
        self._client: Any = boto3.client("s3", config=limits)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._retention = timedelta(days=retention_days)

    def put(self, name: str, data: bytes) -> str:
        """The object's key.

        Raises:
            InvalidSetting: the bucket does not lock objects, or refuses us.
            StorageUnavailable.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        key = f"{self._prefix}/{name}".lstrip("/")
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentMD5=base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
                ContentType="application/x-ndjson",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=datetime.now(UTC) + self._retention,
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) >= 500:
                raise StorageUnavailable("the audit store does not answer; try again", detail=str(error)) from error
            raise InvalidSetting(
                f"audit store s3://{self._bucket} refuses the trail: {error.response['Error'].get('Code')}; it needs "
                "object lock, which is set when a bucket is made, and the right to put objects with a retention"
            ) from error
        except BotoCoreError as error:
            raise StorageUnavailable("the audit store does not answer; try again", detail=str(error)) from error
        return key


def export(database: Database, bucket: LockedBucket, tenant_id: str) -> int:
    """Copies the tenant's events that are not there yet; how many. Killed in between, the next time writes the same
    segment again, as a new version beside the locked one.

    Raises:
        CorruptArtifact: the trail is broken; nothing after the break is exported.
        InvalidSetting, StorageUnavailable.
    """
    copied = 0
    while True:
        with database.tenant_transaction(tenant_id) as connection:
            events = audit.oldest(connection, _EVENTS_AT_ONCE, audit.exported_up_to(connection))
        if not events:
            return copied
        first, last = events[0].sequence, events[-1].sequence
        key = bucket.put(f"{tenant_id}/{first:012d}-{last:012d}.jsonl", _lines(events))
        with database.tenant_transaction(tenant_id) as connection:
            audit.remember_export(connection, first, last, key)
        copied += len(events)


def _lines(events: Sequence[AuditEvent]) -> bytes:
    chain = Chain(events[0].sequence - 1, events[0].previous_hash)
    for event in events:
        chain.follow(event.sequence, event.canonical, event.previous_hash, event.hash)
    return "".join(json.dumps(_plain(event), ensure_ascii=False) + "\n" for event in events).encode()


def _plain(event: AuditEvent) -> Mapping[str, Any]:
    return {
        "sequence": event.sequence,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "action": event.action,
        "resource": event.resource,
        "details": dict(event.details),
        "request_id": event.request_id,
        "previous_hash": event.previous_hash.hex(),
        "hash": event.hash.hex(),
        "canonical": event.canonical,
    }
