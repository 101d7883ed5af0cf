"""`/v1/members`: people of the tenant, known by the identity provider's issuer and subject."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from clip_platform.api.access import TenantSession, owner, viewer
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.principals import RANK, Role
from clip_platform.api.text import normalised, plain_text
from clip_platform.api.transactions import Transacted
from clip_platform.database import members, tokens

router = APIRouter(prefix="/v1/members", route_class=Transacted, tags=["members"])

Owning = Annotated[TenantSession, owner("members")]
MemberId = Annotated[str, Path(pattern=r"^mem_[0-9A-HJKMNP-TV-Z]{26}$")]
MemberRole = Literal["owner", "editor", "viewer"]
Email = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$", max_length=254),
    AfterValidator(normalised),
]


class NewMember(BaseModel):
    model_config = ConfigDict(extra="forbid")

    issuer: plain_text(500) = Field(examples=["https://example.okta.com/oauth2/default"])  # type: ignore[valid-type]
    subject: plain_text(255) = Field(description="The `sub` of the person's tokens.")  # type: ignore[valid-type]
    email: Email | None = None
    role: MemberRole


class Member(BaseModel):
    id: str
    issuer: str
    subject: str
    email: str | None
    role: MemberRole
    created_at: datetime


class RoleChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: MemberRole


@router.get("", summary="The tenant's members")
def list_members(
    session: Annotated[TenantSession, viewer("members")], limit: Limit = 50, cursor: Cursor = None
) -> Page[Member]:
    position = read_cursor(cursor, {"id": str})
    rows = members.page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, lambda row: _shown(session, row), lambda row: {"id": row.member_id})


@router.post("", status_code=201, response_model=Member, summary="Give a person a role")
def add_member(session: Owning, new: NewMember, once: Once) -> Response:
    return once.answer(201, lambda: _add(session, new, once.response))


@router.get("/{member_id}", summary="A member")
def get_member(session: Annotated[TenantSession, viewer("members")], member_id: MemberId, response: Response) -> Member:
    row = members.get(session.connection, member_id)
    set_etag(response, row.revision)
    return _shown(session, row)


@router.patch("/{member_id}", summary="Change a member's role")
def change_member(
    session: Owning, member_id: MemberId, change: RoleChange, precondition: IfMatch, response: Response
) -> Member:
    row = members.get(session.connection, member_id, lock=True)
    precondition.check(row.revision)
    changed = members.set_role(session.connection, row, change.role)
    revoked = tokens.revoke_personal(session.connection, f"member:{member_id}", _above(change.role))
    session.audit("member.changed", f"member:{member_id}", role=change.role, revoked_tokens=revoked)
    set_etag(response, changed.revision)
    return _shown(session, changed)


@router.delete("/{member_id}", status_code=204, summary="Take a member's role away")
def remove_member(session: Owning, member_id: MemberId) -> None:
    """Their personal tokens end with it; service tokens that they made stay, since programs run on those."""
    members.remove(session.connection, members.get(session.connection, member_id, lock=True))
    revoked = tokens.revoke_personal(session.connection, f"member:{member_id}", list(RANK))
    session.audit("member.removed", f"member:{member_id}", revoked_tokens=revoked)


def _above(role: str) -> list[Role]:
    return [higher for higher, rank in RANK.items() if rank > RANK[Role(role)]]


def _add(session: TenantSession, new: NewMember, response: Response) -> Member:
    row = members.add(
        session.connection,
        session.tenant_id,
        session.services.columns,
        issuer=new.issuer,
        subject=new.subject,
        email=new.email,
        role=new.role,
    )
    session.audit("member.added", f"member:{row.member_id}", role=row.role)
    set_etag(response, row.revision)
    return _shown(session, row)


def _shown(session: TenantSession, row: members.MemberRow) -> Member:
    columns, place = session.services.columns, (session.tenant_id, row.member_id)
    return Member(
        id=row.member_id,
        issuer=row.issuer,
        subject=columns.open(place[0], members.SUBJECT_COLUMN, place[1], row.subject),
        email=None if row.email is None else columns.open(place[0], members.EMAIL_COLUMN, place[1], row.email),
        role=row.role,  # type: ignore[arg-type]  # the table's own check
        created_at=row.created_at,
    )
