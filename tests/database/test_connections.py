"""What an error of the database says, and what it keeps to itself."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clip_platform.database.connection import Database

SECRET = "what-only-the-tenant-knows"


def test_the_values_of_a_statement_that_fails_are_not_in_the_errors_text(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.tenant_transaction("acme") as connection:
        connection.execute(
            text("select cast(:number as integer), cast(:told as text)"), {"number": 2**40, "told": SECRET}
        )

    assert "out of range" in str(caught.value)
    assert SECRET not in str(caught.value)
