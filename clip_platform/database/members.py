"""Members: people whom an identity provider knows, and their role in a tenant. Who they are is sealed, and found by a
blind index. All but `memberships` work on the entered tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, text

from clip_platform.encryption.columns import ColumnCipher
from clip_platform.errors import Conflict, NotFound
from clip_platform.identifiers import new_ulid

SUBJECT_COLUMN = "members.subject"
EMAIL_COLUMN = "members.email"


@dataclass(frozen=True, slots=True)
class Membership:
    member_id: str
    tenant_id: str
    role: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """`subject` and `email` are sealed."""

    member_id: str
    tenant_id: str
    issuer: str
    subject: bytes
    email: bytes | None
    role: str
    revision: int
    created_at: datetime


_COLUMNS = "member_id, tenant_id, issuer, subject, email, role, revision, created_at"
_ADD = text(f"""
    insert into members (member_id, tenant_id, issuer, subject_index, subject, email, role)
    values (:member_id, :tenant_id, :issuer, :subject_index, :subject, :email, :role)
    on conflict (tenant_id, issuer, subject_index) do nothing
    returning {_COLUMNS}""")  # noqa: S608
_GET = text(f"select {_COLUMNS} from members where member_id = :member_id")  # noqa: S608
_GET_LOCKED = text(f"select {_COLUMNS} from members where member_id = :member_id for update")  # noqa: S608
_PAGE = text(f"""
    select {_COLUMNS} from members
    where cast(:after_id as text) is null or member_id > :after_id order by member_id limit :limit""")  # noqa: S608
_SET_ROLE = text(f"""
    update members set role = :role, revision = revision + 1 where member_id = :member_id
    returning {_COLUMNS}""")  # noqa: S608
_REMOVE = text("delete from members where member_id = :member_id")
_OTHER_OWNERS = text("select count(*) from members where role = 'owner' and member_id <> :member_id")
_ONE_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtextextended('members/' || current_setting('app.tenant_id'), 0))"
)
_MEMBERSHIPS = text("select member_id, tenant_id, role from memberships_of(:issuer, :subject_index)")


def subject_index(columns: ColumnCipher, issuer: str, subject: str) -> bytes:
    """Finds a person across tenants without the database knowing who it is."""
    return columns.index("", SUBJECT_COLUMN, f"{issuer} {subject}")


def memberships(connection: Connection, issuer: str, index: bytes) -> list[Membership]:
    """In all tenants, before one is entered."""
    found = connection.execute(_MEMBERSHIPS, {"issuer": issuer, "subject_index": index})
    return [Membership(**row._mapping) for row in found]


def add(
    connection: Connection,
    tenant_id: str,
    columns: ColumnCipher,
    *,
    issuer: str,
    subject: str,
    email: str | None,
    role: str,
) -> MemberRow:
    """
    Raises:
        Conflict: that person is a member already.
    """
    member_id = f"mem_{new_ulid()}"
    values = {
        "member_id": member_id,
        "tenant_id": tenant_id,
        "issuer": issuer,
        "subject_index": subject_index(columns, issuer, subject),
        "subject": columns.seal(tenant_id, SUBJECT_COLUMN, member_id, subject),
        "email": None if email is None else columns.seal(tenant_id, EMAIL_COLUMN, member_id, email),
        "role": role,
    }
    row = connection.execute(_ADD, values).one_or_none()
    if row is None:
        raise Conflict("this subject of this issuer is a member already; change its role instead")
    return _row(row)


def get(connection: Connection, member_id: str, *, lock: bool = False) -> MemberRow:
    """`lock` keeps others from changing it until the transaction ends.

    Raises:
        NotFound.
    """
    row = connection.execute(_GET_LOCKED if lock else _GET, {"member_id": member_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no member {member_id}; GET /v1/members lists them")
    return _row(row)


def page(connection: Connection, limit: int, after_id: str | None) -> list[MemberRow]:
    """In the order in which they were added."""
    return [_row(row) for row in connection.execute(_PAGE, {"limit": limit, "after_id": after_id})]


def set_role(connection: Connection, member: MemberRow, role: str) -> MemberRow:
    """
    Raises:
        Conflict: it would leave the tenant without an owner.
    """
    if member.role == "owner" and role != "owner":
        _expect_another_owner(connection, member.member_id)
    return _row(connection.execute(_SET_ROLE, {"member_id": member.member_id, "role": role}).one())


def remove(connection: Connection, member: MemberRow) -> None:
    """Raises as `set_role`."""
    if member.role == "owner":
        _expect_another_owner(connection, member.member_id)
    connection.execute(_REMOVE, {"member_id": member.member_id})


def _expect_another_owner(connection: Connection, member_id: str) -> None:
    connection.execute(_ONE_AT_A_TIME)
    if connection.execute(_OTHER_OWNERS, {"member_id": member_id}).scalar_one() == 0:
        raise Conflict("this is the last member who is an owner; make another one an owner first")


def _row(row: Row) -> MemberRow:
    values = dict(row._mapping)
    values["subject"] = bytes(row.subject)
    values["email"] = None if row.email is None else bytes(row.email)
    return MemberRow(**values)
