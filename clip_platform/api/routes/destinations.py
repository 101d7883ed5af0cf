"""`/v1/destinations`: the tenant's own buckets, to which finished clips are copied."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from clip_platform.api import destinations as trying
from clip_platform.api.access import Caller, TenantSession, caller, owner, viewer
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.principals import Role
from clip_platform.api.text import PlainText
from clip_platform.api.transactions import Transacted
from clip_platform.database import destination_copies, destinations
from clip_platform.database.destinations import DestinationRow
from clip_platform.errors import InvalidInput
from clip_platform.storage.destinations import endpoint_of, endpoints_of, place_of

router = APIRouter(prefix="/v1/destinations", route_class=Transacted, tags=["destinations"])

Owning = Annotated[TenantSession, owner("destinations")]
DestinationId = Annotated[str, Path(pattern=r"^dst_[0-9A-HJKMNP-TV-Z]{26}$")]
Prefix = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9._=-]*(/[A-Za-z0-9][A-Za-z0-9._=-]*)*)?$", max_length=400),
    Field(description="Folder in the bucket, without slashes at its ends."),
]
Endpoint = Annotated[
    str | None,
    Field(max_length=300, description="Only one that the operator lists; null for the provider's own."),
]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=2000)]
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class S3Location(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["s3"]
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$", examples=["eu-central-1"])
    prefix: Prefix = ""
    endpoint: Endpoint = None


class AzureLocation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["azure"]
    account: str = Field(pattern=r"^[a-z0-9]{3,24}$")
    bucket: str = Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$", description="The container.")
    prefix: Prefix = ""
    endpoint: Endpoint = None


Location = Annotated[S3Location | AzureLocation, Field(discriminator="kind")]


class BucketCredentials(BaseModel):
    """For S3 `access_key_id` and `secret_access_key`; for Azure `account_key` or `sas_token`. They need the right to
    write objects, and no other. They are never shown again."""

    model_config = ConfigDict(extra="forbid")

    access_key_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{3,128}$")
    secret_access_key: Secret | None = None
    account_key: Secret | None = None
    sas_token: Secret | None = None

    @field_validator("secret_access_key", "account_key", "sas_token")
    @classmethod
    def _printable(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and _PRINTABLE.fullmatch(secret.get_secret_value()) is None:
            raise ValueError("it has blanks or characters that no such secret has; copy it again")
        return secret

    @field_validator("account_key")
    @classmethod
    def _base64(cls, key: SecretStr | None) -> SecretStr | None:
        try:
            base64.b64decode(key.get_secret_value() if key else "", validate=True)
        except binascii.Error as error:
            raise ValueError("it is not base64, as keys of an account are; copy it again") from error
        return key

    def given(self) -> dict[str, str]:
        """By name, in the clear."""
        named = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in named if value
        }

    def expect_for(self, kind: str) -> None:
        """
        Raises:
            ValueError: they are not what a bucket of this kind takes.
        """
        if frozenset(self.given()) not in _WANTED[kind]:
            ways = " or ".join(" and ".join(sorted(names)) for names in _WANTED[kind])
            raise ValueError(f"credentials for {kind} are {ways}, and nothing else")


_WANTED: Mapping[str, tuple[frozenset[str], ...]] = {
    "s3": (frozenset({"access_key_id", "secret_access_key"}),),
    "azure": (frozenset({"account_key"}), frozenset({"sas_token"})),
}


class NewDestination(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: PlainText
    location: Location
    credentials: BucketCredentials

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        self.credentials.expect_for(self.location.kind)
        return self


class DestinationChange(BaseModel):
    """What is left out stays. Another place is another destination."""

    model_config = ConfigDict(extra="forbid")

    name: PlainText | None = None
    enabled: bool | None = None
    credentials: BucketCredentials | None = None


class Destination(BaseModel):
    id: str
    name: str
    location: Location
    enabled: bool = Field(description="Clips rendered while it is not are not copied to it.")
    created_at: datetime
    last_written_at: datetime | None
    last_error: str | None = Field(description="Why the last attempt failed; null when it did not. It is tried again.")


class DestinationCheck(BaseModel):
    written: bool
    key: str = Field(description="Of the small file that was written, or was to be.")
    error: str | None


@router.get("", summary="Buckets that finished clips are copied to")
def list_destinations(
    session: Annotated[TenantSession, viewer("destinations")], limit: Limit = 50, cursor: Cursor = None
) -> Page[Destination]:
    position = read_cursor(cursor, {"id": str})
    rows = destinations.page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, _shown, lambda row: {"id": row.destination_id})


@router.post("", status_code=201, response_model=Destination, summary="Have finished clips copied to a bucket")
def add_destination(session: Owning, new: NewDestination, once: Once) -> Response:
    """Clips go to `PREFIX/VIDEO/CLIP/clip.mp4`, beside `clip.jpg` and captions, as they are rendered from now on."""
    return once.answer(201, lambda: _add(session, new, once.response))


@router.get("/{destination_id}", summary="One destination")
def get_destination(
    session: Annotated[TenantSession, viewer("destinations")], destination_id: DestinationId, response: Response
) -> Destination:
    row = destinations.get(session.connection, destination_id)
    set_etag(response, row.revision)
    return _shown(row)


@router.patch("/{destination_id}", summary="Rename, pause or resume a destination, or give it new credentials")
def change_destination(
    session: Owning, destination_id: DestinationId, wanted: DestinationChange, precondition: IfMatch, response: Response
) -> Destination:
    row = destinations.locked(session.connection, destination_id)
    precondition.check(row.revision)
    changed = destinations.change(
        session.connection,
        session.services.columns,
        row,
        name=wanted.name,
        enabled=wanted.enabled,
        credentials=_fitting(wanted.credentials, row.kind),
    )
    destination_copies.try_now(session.connection, destination_id)
    session.audit("destination.changed", f"destination:{destination_id}", fields=sorted(wanted.model_fields_set))
    set_etag(response, changed.revision)
    return _shown(changed)


@router.delete("/{destination_id}", status_code=204, summary="Stop copying clips to a bucket")
def remove_destination(session: Owning, destination_id: DestinationId) -> None:
    """What was written there stays there."""
    destinations.remove(session.connection, destination_id)
    session.audit("destination.removed", f"destination:{destination_id}")


@router.post("/{destination_id}/check", summary="Write a small file, to see that it works")
def check_destination(
    who: Annotated[Caller, caller(Role.OWNER, "destinations")], destination_id: DestinationId
) -> DestinationCheck:
    checked = trying.check(who, destination_id)
    return DestinationCheck(written=checked.error is None, key=checked.key, error=checked.error)


def _add(session: TenantSession, new: NewDestination, response: Response) -> Destination:
    location: dict[str, Any] = new.location.model_dump(exclude={"kind"})
    endpoint_of(place_of(new.location.kind, location), endpoints_of(session.services.settings.destination_endpoints))
    row = destinations.add(
        session.connection,
        session.tenant_id,
        session.services.columns,
        name=new.name,
        kind=new.location.kind,
        location=location,
        credentials=new.credentials.given(),
    )
    session.audit("destination.added", f"destination:{row.destination_id}", kind=row.kind, location=location)
    set_etag(response, row.revision)
    response.headers["Location"] = f"/v1/destinations/{row.destination_id}"
    return _shown(row)


def _fitting(credentials: BucketCredentials | None, kind: str) -> Mapping[str, str] | None:
    if credentials is None:
        return None
    try:
        credentials.expect_for(kind)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return credentials.given()


def _shown(row: DestinationRow) -> Destination:
    location: Location = (AzureLocation if row.kind == "azure" else S3Location)(kind=row.kind, **row.location)  # type: ignore[arg-type]
    return Destination(
        id=row.destination_id,
        name=row.name,
        location=location,
        enabled=row.enabled,
        created_at=row.created_at,
        last_written_at=row.last_written_at,
        last_error=row.last_error,
    )
