"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first one's answer.

The answer is kept in the transaction of the change itself, so there is never one without the other. It is sealed: it
may hold a secret that is shown once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from clip_platform.database import idempotency
from clip_platform.errors import IdempotencyMismatch

if TYPE_CHECKING:
    from clip_platform.api.access import TenantSession

_COLUMN = "idempotency_keys.answer"
Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a retry safe: the same key and request get the same answer for a day.",
    ),
]


@dataclass(frozen=True, slots=True)
class OneAnswer:
    """Of one request. `response` collects the headers that the route sets."""

    request: Request
    response: Response
    key: str | None
    body: bytes

    def answer(self, status: int, make: Callable[[], BaseModel]) -> Response:
        """What `make` gives, which runs once per key; headers that it sets on the response are repeated too.

        Raises:
            IdempotencyMismatch: the key was used for another request.
        """
        if self.key is None:
            return _response(status, make().model_dump_json(), self._headers())
        session: TenantSession = self.request.state.session
        operation, digest = f"{self.request.method} {self.request.url.path}", self._digest(session.actor)
        kept = idempotency.claim(session.connection, operation, self.key, digest)
        cipher, row_id = session.services.columns, f"{operation} {self.key}"
        if kept is None:
            content = make().model_dump_json()
            sealed = cipher.seal(session.tenant_id, _COLUMN, row_id, json.dumps([self._headers(), content]))
            idempotency.keep(session.connection, operation, self.key, status, sealed)
            return _response(status, content, self._headers())
        if kept.request_digest != digest:
            raise IdempotencyMismatch(
                f"Idempotency-Key {self.key!r} was used for another request; send a key of its own with each"
            )
        headers, content = json.loads(cipher.open(session.tenant_id, _COLUMN, row_id, kept.answer))
        return _response(kept.status, content, {**headers, "Idempotency-Replayed": "true"})

    def _headers(self) -> dict[str, str]:
        return dict(self.response.headers)

    def _digest(self, actor: str) -> str:
        """The actor is part of it, so that nobody is shown a secret that was made for another."""
        digest = hashlib.sha256()
        for part in (actor.encode(), self.request.url.query.encode(), self.body):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


def _response(status: int, content: str, headers: Mapping[str, str]) -> Response:
    return Response(content, status, headers, "application/json")


async def _once(request: Request, response: Response, idempotency_key: Key = None) -> OneAnswer:
    return OneAnswer(request, response, idempotency_key, await request.body())


Once = Annotated[OneAnswer, Depends(_once)]
