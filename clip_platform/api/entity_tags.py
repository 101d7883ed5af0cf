"""ETags and `If-Match` (RFC 9110): a change is made to the version that its author saw, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Response

from clip_platform.errors import PreconditionMissing, Stale


def set_etag(response: Response, revision: int | str) -> None:
    response.headers["ETag"] = f'"{revision}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """What a request's `If-Match` asks for. None: the header was not sent."""

    header: str | None

    def check(self, revision: int | str) -> None:
        """
        Raises:
            PreconditionMissing: no `If-Match`. Stale: it names another version.
        """
        if self.header is None:
            raise PreconditionMissing(
                f'this change needs a version; send `If-Match: "{revision}"` from the ETag you saw, or `*` for any'
            )
        wanted = [tag.strip() for tag in self.header.split(",")]
        if "*" not in wanted and f'"{revision}"' not in wanted:
            raise Stale(f'If-Match is {self.header[:100]}, the version is now "{revision}"; read it again and repeat')


def _precondition(
    if_match: Annotated[str | None, Header(description="ETag of the version to change, or `*`.")] = None,
) -> Precondition:
    return Precondition(if_match)


IfMatch = Annotated[Precondition, Depends(_precondition)]
