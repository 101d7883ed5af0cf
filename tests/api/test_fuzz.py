"""Whatever is sent to any operation, the answer is never a fault of ours, and of the type that is documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance
from starlette.testclient import TestClient

from clip_platform.api.access import TenantSession, viewer
from clip_platform.api.services import Services
from clip_platform.database import tenants
from clip_platform.database.connection import Database
from tests.api.example_requests import EXAMPLES
from tests.api.example_resources import Resources, make
from tests.conftest import MigratedServer

BOUNDED = hypothesis.settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def operations_of(app: FastAPI) -> list[Any]:
    return [found.ok() for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]


def fuzz(operation: Any, client: TestClient, change: Callable[[Case], None]) -> list[str]:
    """What was wrong, once per operation."""

    @BOUNDED
    @hypothesis.given(case=operation.as_strategy())
    def answers_well(case: Case) -> None:
        change(case)
        case.call_and_validate(
            session=client,
            headers={"Authorization": client.headers["Authorization"]},
            checks=[not_a_server_error, content_type_conformance],
        )

    try:
        answers_well()
    except FailureGroup as found:
        return [f"{operation.label}: {failure}" for failure in found.exceptions]
    return []


def named(resources: Resources) -> Callable[[Case], None]:
    """Puts things that exist into the path, so that what comes after the look-up is reached too."""

    def change(case: Case) -> None:
        example = EXAMPLES[case.operation.definition.raw["operationId"]]
        named = {name: example.named.get(name, name) for name in case.path_parameters or {}}
        known = {name: resources.ids[which] for name, which in named.items()}
        case.path_parameters = {**(case.path_parameters or {}), **known}

    return change


def test_a_planted_fault_is_found(app: FastAPI, as_):
    reached = []

    @app.get("/v1/planted/{number}")
    def planted(session: Annotated[TenantSession, viewer("videos")], number: int) -> float:
        reached.append(session.tenant_id)
        return 1 / (number - 7) if number >= 0 else number / 0

    (operation,) = [found for found in operations_of(app) if "planted" in found.label]
    wrong = fuzz(operation, as_("acme"), lambda _: None)

    assert reached
    assert "Server error" in wrong[0]


@pytest.mark.parametrize("named_things", [False, True])
def test_no_request_of_an_owner_finds_a_fault_of_ours(
    app: FastAPI, as_, database: Database, migrated_server: MigratedServer, services: Services, named_things: bool
):
    wrong = []
    for number, operation in enumerate(operations_of(app)):
        tenant_id = f"fuzz-{number}"  # one each: a closed account would answer all others alike
        tenants.ensure(database, tenant_id, tenant_id)
        change = named(make(migrated_server, services, tenant_id)) if named_things else lambda _: None
        wrong += fuzz(operation, as_(tenant_id), change)

    assert not wrong, "\n\n".join(wrong)


def test_no_request_of_an_operator_finds_a_fault_of_ours(app: FastAPI, as_):
    operator = as_("acme", "operator")

    wrong = [said for operation in operations_of(app) for said in fuzz(operation, operator, lambda _: None)]

    assert not wrong, "\n\n".join(wrong)
