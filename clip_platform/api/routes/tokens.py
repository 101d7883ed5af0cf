"""`/v1/tokens`: tokens for programs and people. A secret is shown once, when its token is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from clip_platform.api.access import TenantSession, editor
from clip_platform.api.idempotency import Once
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.principals import RANK, SCOPES, Role
from clip_platform.api.text import PlainText
from clip_platform.api.transactions import Transacted
from clip_platform.database import tokens
from clip_platform.errors import Forbidden, InvalidInput

router = APIRouter(prefix="/v1/tokens", route_class=Transacted, tags=["tokens"])

Editing = Annotated[TenantSession, editor("tokens")]
TokenId = Annotated[str, Path(pattern=r"^tok_[0-9A-HJKMNP-TV-Z]{26}$")]
LONGEST_LIFE = timedelta(days=366)


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: PlainText
    kind: Literal["personal", "service"] = "service"
    role: Literal["owner", "editor", "viewer"] = "viewer"
    scopes: list[str] = Field(
        default_factory=lambda: ["*"], min_length=1, max_length=20, description=f"Of {', '.join(SCOPES)}; `*` is all."
    )
    expires_at: AwareDatetime = Field(description="At most a year from now.")


class Token(BaseModel):
    id: str
    name: str
    kind: Literal["personal", "service"]
    role: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenWithSecret(Token):
    secret: str = Field(description="Shown this once.")


@router.get("", summary="The tenant's tokens, newest first; also those that are over")
def list_tokens(session: Editing, limit: Limit = 50, cursor: Cursor = None) -> Page[Token]:
    position = read_cursor(cursor, {"id": str})
    rows = tokens.page(session.connection, limit + 1, position["id"] if position else None)
    return page_of(rows, limit, _shown, lambda row: {"id": row.token_id})


@router.post("", status_code=201, response_model=TokenWithSecret, summary="Make a token")
def create_token(session: Editing, new: NewToken, once: Once) -> Response:
    return once.answer(201, lambda: _create(session, new))


@router.delete("/{token_id}", status_code=204, summary="Revoke a token")
def revoke_token(session: Editing, token_id: TokenId) -> None:
    found = tokens.get(session.connection, token_id)
    if RANK.get(Role(found.role), 99) > RANK[session.principal.role]:
        raise Forbidden(f"token {token_id} has role {found.role}, which is above yours; ask an owner to revoke it")
    tokens.revoke(session.connection, token_id)
    session.audit("token.revoked", f"token:{token_id}")


def _create(session: TenantSession, new: NewToken) -> TokenWithSecret:
    _expect_within(session, new)
    row, secret = tokens.create(
        session.connection,
        name=new.name,
        kind=new.kind,
        role=new.role,
        scopes=sorted(set(new.scopes)),
        created_by=session.actor,
        expires_at=new.expires_at,
    )
    session.audit("token.created", f"token:{row.token_id}", role=new.role, scopes=sorted(set(new.scopes)))
    return TokenWithSecret(**_shown(row).model_dump(), secret=secret)


def _expect_within(session: TenantSession, new: NewToken) -> None:
    """A token never has more than whoever makes it."""
    own = session.principal
    unknown = sorted(set(new.scopes) - {*SCOPES, "*"})
    if unknown:
        raise InvalidInput(f"{', '.join(unknown)[:200]}: no such scope; there are {', '.join(SCOPES)} and *")
    if RANK[Role(new.role)] > RANK[own.role]:
        raise Forbidden(f"role {new.role} is above yours, {own.role}; ask an owner to make this token")
    if "*" not in own.scopes and not set(new.scopes) <= own.scopes:
        raise Forbidden("a token's scopes must be among those of the token that makes it")
    now = datetime.now(UTC)
    if not now < new.expires_at <= now + LONGEST_LIFE:
        raise InvalidInput(f"expires_at is {new.expires_at.isoformat()}; choose a time within the next 366 days")


def _shown(row: tokens.TokenRow) -> Token:
    return Token(
        id=row.token_id,
        name=row.name,
        kind=row.kind,
        role=row.role,
        scopes=list(row.scopes),
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
