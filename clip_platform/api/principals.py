"""Whoever makes a request, once they are known. How they are recognised is in `authentication`, what they may do in
`access`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clip_platform.database import operators


class Role(StrEnum):
    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"
    OPERATOR = "operator"
    """Cross-tenant operations only; reads no tenant's content."""


RANK = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}
"""Of the roles in a tenant: a higher one may do all that a lower one may. An operator is none of them."""

OPERATORS = operators.TENANT_ID

SCOPES = ("videos", "clips", "feedback", "webhooks", "destinations", "members", "tokens", "usage", "audit", "account")
"""What a token may be limited to; `*` is all of them."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`actor` is `token:ID`, `member:ID`, or `subject:HEX` for someone whose groups alone give the role; `scopes` are
    some of `SCOPES`, or `*`."""

    tenant_id: str
    actor: str
    role: Role
    scopes: frozenset[str]
