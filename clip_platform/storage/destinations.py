"""A tenant's own bucket, in S3 or Azure, as something to write to. Which clips go there, and when, is not known here.

Nothing of this process's environment is used: neither our credentials nor our endpoint may meet a tenant's bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from clip_platform.errors import DestinationFailed, UnsafeAddress

_PART_BYTES = 8 * 1024**2
_CONNECT_S, _READ_S = 5, 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is.

    Attributes:
        kind: `s3` or `azure`.
        bucket: Azure calls it a container.
        region: of S3. account: of Azure.
        endpoint: one of those that the operator lists; None for the provider's own.
    """

    kind: str
    bucket: str
    prefix: str = ""
    region: str | None = None
    account: str | None = None
    endpoint: str | None = None

    def key_of(self, name: str) -> str:
        return f"{self.prefix.strip('/')}/{name}".lstrip("/")


@dataclass(frozen=True, slots=True)
class Credentials:
    """S3: key id and secret. Azure: the account's key or a SAS token."""

    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)

    @classmethod
    def from_json(cls, text: str) -> Credentials:
        return cls(**json.loads(text))


class Bucket(Protocol):
    def write(self, name: str, chunks: Iterable[bytes], size_bytes: int, content_type: str) -> None:
        """Writes an object under the place's prefix, over one of that name. In constant memory.

        Raises:
            DestinationFailed: it is not reached, or does not take it. What `chunks` raises is passed on, and nothing is
                written then.
        """
        ...


def endpoints_of(listed: str) -> frozenset[str]:
    """What the operator lists, comma-separated."""
    return frozenset(each.strip().rstrip("/") for each in listed.split(",") if each.strip())


def endpoint_of(place: Place, listed: frozenset[str]) -> str:
    """The provider's own, unless the place names one.

    Raises:
        UnsafeAddress: the operator does not list that one.
    """
    if place.endpoint is not None:
        wanted = place.endpoint.rstrip("/")
        if wanted not in listed:
            raise UnsafeAddress(
                f"endpoint {wanted} is not one that this installation writes to; leave it out for Amazon's or Azure's "
                "own, or ask the operator to list it in CLIP_PLATFORM_DESTINATION_ENDPOINTS"
            )
        return wanted
    if place.kind == "azure":
        return f"https://{place.account}.blob.core.windows.net"
    domain = "amazonaws.com.cn" if str(place.region).startswith("cn-") else "amazonaws.com"
    return f"https://s3.{place.region}.{domain}"


def open_bucket(place: Place, credentials: Credentials, listed: frozenset[str], *, tries: int = 3) -> Bucket:
    """No network.

    Args:
        listed: endpoints beside the providers' own that may be used.

    Raises:
        UnsafeAddress, DestinationFailed.
    """
    endpoint = endpoint_of(place, listed)
    opened = _AzureContainer if place.kind == "azure" else _S3Bucket
    with _translated(place):
        return opened(place, credentials, endpoint, tries)


class _S3Bucket:
    def __init__(self, place: Place, credentials: Credentials, endpoint: str, tries: int) -> None:
        import boto3
        from botocore.config import Config

        settings = Config(
            signature_version="s3v4",
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"total_max_attempts": tries, "mode": "standard"},
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        session = boto3.session.Session(
            aws_access_key_id=credentials.access_key_id, aws_secret_access_key=credentials.secret_access_key
        )
        self._client: Any = session.client(
            "s3", region_name=place.region or "us-east-1", endpoint_url=endpoint, config=settings
        )
        self._place = place

    def write(self, name: str, chunks: Iterable[bytes], size_bytes: int, content_type: str) -> None:  # noqa: ARG002
        from boto3.s3.transfer import TransferConfig

        in_order = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False, max_io_queue=1
        )
        with _translated(self._place):
            self._client.upload_fileobj(
                _Readable(chunks),
                self._place.bucket,
                self._place.key_of(name),
                ExtraArgs={"ContentType": content_type},
                Config=in_order,
            )


class _AzureContainer:
    def __init__(self, place: Place, credentials: Credentials, endpoint: str, tries: int) -> None:
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
        from azure.storage.blob import ContainerClient

        signer: AzureNamedKeyCredential | AzureSasCredential
        if credentials.sas_token is not None:
            signer = AzureSasCredential(credentials.sas_token.lstrip("?"))
        else:
            signer = AzureNamedKeyCredential(str(place.account), str(credentials.account_key))
        self._container = ContainerClient(
            endpoint,
            place.bucket,
            credential=signer,
            connection_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retry_total=tries - 1,
            permit_redirects=False,
            max_single_put_size=_PART_BYTES,
            max_block_size=_PART_BYTES,
        )
        self._place = place

    def write(self, name: str, chunks: Iterable[bytes], size_bytes: int, content_type: str) -> None:
        from azure.storage.blob import ContentSettings

        with _translated(self._place):
            self._container.upload_blob(
                self._place.key_of(name),
                _Readable(chunks),  # type: ignore[arg-type]  # what it calls on a file is read
                length=size_bytes,
                overwrite=True,
                max_concurrency=1,
                content_settings=ContentSettings(content_type=content_type),
            )


class _Readable:
    """Chunks as a file that is read once, from its beginning."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        taken, have = [self._rest], len(self._rest)
        while size < 0 or have < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            taken.append(chunk)
            have += len(chunk)
        whole = b"".join(taken)
        given = whole if size < 0 else whole[:size]
        self._rest = whole[len(given) :]
        return given


@contextmanager
def _translated(place: Place) -> Iterator[None]:
    """Their answers' codes are passed on, never their bodies."""
    from azure.core.exceptions import AzureError, HttpResponseError
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(place, error.response.get("Error", {}).get("Code") or "an error", error) from error
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or f"status {error.status_code}"
        raise _refused(place, str(code), error) from error
    except (BotoCoreError, Boto3Error, AzureError) as error:
        raise DestinationFailed(
            f"{place.kind} bucket {place.bucket} cannot be reached; check its region or account", detail=str(error)
        ) from error


def _refused(place: Place, code: str, error: Exception) -> DestinationFailed:
    return DestinationFailed(
        f"{place.kind} bucket {place.bucket} answers {code[:100]}; check that it exists, and that the credentials may "
        "write to it",
        detail=str(error),
    )


def place_of(kind: str, location: Mapping[str, Any]) -> Place:
    """From a row's columns."""
    return Place(**{**location, "kind": kind})
