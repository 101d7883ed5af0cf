"""The one place where the platform's errors become Dagster's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from clip_platform.errors import ClipPlatformError


def as_dagster_failure(error: ClipPlatformError) -> dg.Failure:
    """A failure that Dagster does not retry: the backlog in Postgres decides whether another attempt follows."""
    metadata: dict[str, dg.MetadataValue] = {"error_class": dg.MetadataValue.text(error.error_class)}
    if error.detail:
        metadata["detail"] = dg.MetadataValue.md(f"```\n{error.detail[-4000:]}\n```")
    return dg.Failure(description=f"{error.error_class}: {error.message}", metadata=metadata, allow_retries=False)


@contextmanager
def as_failures() -> Iterator[None]:
    """Inside the block the platform's errors become failures of the step."""
    try:
        yield
    except ClipPlatformError as error:
        raise as_dagster_failure(error) from error
