"""Nobody sees that another tenant exists, nor does what their role or scope does not allow: generated over every
operation of the OpenAPI document. Each denial has its positive control, the owner's identical call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from clip_platform.api.openapi import operations
from clip_platform.api.services import Services
from clip_platform.database.connection import Database
from clip_platform.identifiers import new_ulid
from tests.api.example_requests import EXAMPLES, Example
from tests.api.example_resources import Resources, make
from tests.conftest import MigratedServer

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
OTHER_SCOPE = {"webhooks": "videos"}
BELOW = {"editor": "viewer", "owner": "editor"}


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    role: str | None
    scope: str | None

    @property
    def example(self) -> Example:
        assert self.name in EXAMPLES, f"{self.name} ({self.method} {self.path}) has no request in example_requests.py"
        return EXAMPLES[self.name]

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def url(self, ids: Any) -> str:
        named = {name: self.example.named.get(name, name) for name in self.parameters}
        missing = sorted(set(named.values()) - set(ids))
        assert not missing, f"{self.path} names {missing}, which example_resources.py does not make"
        return self.path.format(**{name: ids[which] for name, which in named.items()})

    def send(self, client: TestClient, resources: Resources, ids: Any = None) -> httpx.Response:
        example = self.example
        body = example.body(resources) if example.body else None
        sent = {"content": example.content} if example.content is not None else {"json": body} if body else {}
        return client.request(
            self.method,
            self.url(ids or resources.ids),
            headers=dict(example.headers),
            params=dict(example.params),
            **sent,
        )


ALL = [
    Operation(operation["operationId"], method.upper(), path, operation.get("x-role"), operation.get("x-scope"))
    for path, method, operation in operations(DOCUMENT)
]
PUBLIC = [operation for operation in ALL if operation.role is None]
OF_TENANTS = [operation for operation in ALL if operation.role in ("viewer", "editor", "owner")]
OF_OPERATORS = [operation for operation in ALL if operation.role == "operator"]
NAMING = [operation for operation in OF_TENANTS if operation.parameters]


def of(some: list[Operation]) -> Any:
    return pytest.mark.parametrize("operation", some, ids=lambda operation: operation.name)


@pytest.fixture
def acme(migrated_server: MigratedServer, services: Services, database: Database) -> Resources:  # noqa: ARG001
    return make(migrated_server, services, "acme")


@pytest.fixture
def globex(migrated_server: MigratedServer, services: Services, database: Database) -> Resources:  # noqa: ARG001
    return make(migrated_server, services, "globex")


def said(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.text}\n{dict(answer.headers)}"


def assert_no_trace(of_tenant: Resources, answer: httpx.Response, named_in_path: list[str]) -> None:
    """A caller may be told the ids that it sent itself, nothing else."""
    shown = said(answer)
    for known in named_in_path:
        shown = shown.replace(known, "")
    found = [text for text in (of_tenant.mark, of_tenant.tenant_id, *of_tenant.ids.values()) if text in shown]
    assert not found, f"{found} in {shown}"


def test_no_operation_is_public_but_those_meant_to_be():
    # who erased an account has no token any more: a receipt is read with its own secret
    assert {operation.name for operation in PUBLIC} == {"get_health", "get_receipt_key", "get_erasure_receipt"}


@of(OF_TENANTS + OF_OPERATORS)
def test_without_a_valid_token_nothing_is_answered(client: TestClient, as_, acme: Resources, operation: Operation):
    garbage = {"Authorization": f"Bearer clp_{'A' * 43}"}
    positive = as_("acme", "operator" if operation.role == "operator" else "owner")

    none = operation.send(client, acme)
    client.headers.update(garbage)
    invalid = operation.send(client, acme)

    assert (none.status_code, invalid.status_code) == (401, 401), said(none)
    assert_no_trace(acme, none, list(acme.ids.values()))
    assert operation.send(positive, acme).is_success


@of(OF_TENANTS)
def test_another_tenant_finds_nothing(as_, acme: Resources, globex: Resources, operation: Operation):
    stranger, owner = as_("globex"), as_("acme")

    answer = operation.send(stranger, globex, {**acme.ids})
    control = operation.send(owner, acme)

    if operation.parameters:
        assert answer.status_code == 404, said(answer)
    else:
        assert answer.is_success, said(answer)
    assert_no_trace(acme, answer, [i for i in acme.ids.values() if i in operation.url(acme.ids)])
    assert control.is_success, said(control)


@of(NAMING)
def test_what_another_has_and_what_nobody_has_are_answered_alike(
    as_, services: Services, acme: Resources, globex: Resources, operation: Operation
):
    """In words, headers and the work it takes."""
    stranger = as_("globex")
    nobodys = {name: re.sub(r"[0-9A-Z]{26}", lambda _: new_ulid(), value) for name, value in acme.ids.items()}
    operation.send(stranger, globex)  # whatever happens once happens here

    answers = []
    for ids in (acme.ids, nobodys):
        statements: list[str] = []
        count = _counting(services, statements)
        answer = operation.send(stranger, globex, ids)
        count()
        words = answer.text.replace(answer.headers["x-request-id"], "")
        for known in sorted(ids.values(), key=len, reverse=True):  # an id may be part of another
            words = words.replace(known, "ID")
        answers.append((answer.status_code, words, sorted(answer.headers.keys()), statements))

    assert answers[0] == answers[1]


def _counting(services: Services, statements: list[str]) -> Callable[[], None]:
    engine = services.database._engine

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    return lambda: event.remove(engine, "before_cursor_execute", note)


@of([operation for operation in OF_TENANTS if operation.role != "viewer"])
def test_a_lower_role_is_refused(as_, acme: Resources, operation: Operation):
    lower, enough = as_("acme", BELOW[str(operation.role)]), as_("acme", operation.role)

    refused = operation.send(lower, acme)

    assert refused.status_code == 403, said(refused)
    assert_no_trace(acme, refused, list(acme.ids.values()))
    control = operation.send(enough, acme)
    assert control.is_success, said(control)


@of(OF_TENANTS)
def test_another_scope_is_refused(as_, acme: Resources, operation: Operation):
    other = as_("acme", "owner", [OTHER_SCOPE.get(str(operation.scope), "webhooks")])
    enough = as_("acme", "owner", [operation.scope])

    refused = operation.send(other, acme)

    assert refused.status_code == 403, said(refused)
    assert_no_trace(acme, refused, list(acme.ids.values()))
    control = operation.send(enough, acme)
    assert control.is_success, said(control)


@of(OF_TENANTS)
def test_an_operator_reads_and_changes_no_tenants_things(as_, acme: Resources, operation: Operation):
    refused = operation.send(as_("acme", "operator"), acme)

    assert refused.status_code == 403, said(refused)
    assert acme.mark not in refused.text


@of(OF_OPERATORS)
def test_a_tenant_is_no_operator(as_, acme: Resources, operation: Operation):
    refused = operation.send(as_("acme", "owner"), acme)
    control = operation.send(as_("acme", "operator"), acme)

    assert refused.status_code == 403, said(refused)
    assert control.is_success, said(control)
    assert acme.mark not in control.text  # ids and states, no content
