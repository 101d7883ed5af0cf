"""The OpenAPI document is complete, committed, and readable without the internet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from clip_platform.api.openapi import as_openapi_3_0, describe, operations, written
from clip_platform.cli.describing import write_openapi

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_the_apps(app: FastAPI):
    assert written(describe(app)) == COMMITTED.read_text(), "rewrite it with `make openapi`"


def test_the_command_writes_the_committed_document(tmp_path: Path):
    write_openapi(tmp_path / "openapi.json")

    assert (tmp_path / "openapi.json").read_text() == COMMITTED.read_text()


def test_operations_have_names_of_their_own(app: FastAPI):
    names = [operation["operationId"] for _, _, operation in operations(describe(app))]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]+", name) for name in names)


def test_every_operation_says_what_it_does_and_who_may_do_it(app: FastAPI):
    for path, method, operation in operations(describe(app)):
        public = operation.get("security") == []
        assert operation.get("summary"), (method, path)
        assert operation.get("tags"), (method, path)
        assert public or {"x-role", "x-scope"} <= operation.keys(), (method, path)
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}, (method, path)


def test_the_documentation_page_asks_only_this_server(client: TestClient):
    page = client.get("/docs")
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.status_code == 200
    assert files
    assert all(file.startswith("/docs/") for file in files)
    assert {client.get(file).status_code for file in files} == {200}
    assert "unsafe-inline' " not in page.headers["content-security-policy"].split("style-src")[0]
    assert "<script>" not in page.text
    assert client.get("/docs/files/..%2f__init__.py").status_code == 404


def test_the_page_reads_a_document_of_its_age(client: TestClient):
    document = client.get("/docs/openapi.json").json()

    assert document["openapi"] == "3.0.3"
    assert client.get("/openapi.json").json()["paths"].keys() == document["paths"].keys()
    assert '{"type": "null"}' not in str(document).replace("'", '"')


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}], "nullable": True}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
    ],
)
def test_newer_schemas_are_said_in_older_words(newer: object, older: object):
    assert as_openapi_3_0(newer) == older
