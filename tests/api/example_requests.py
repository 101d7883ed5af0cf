"""A valid request for every operation of the API, by operation id. A route that is missing here fails its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.api.example_resources import Resources


@dataclass(frozen=True)
class Example:
    """What is sent beside the path. `body` is made for the resources of whoever asks."""

    body: Callable[[Resources], Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


ANY_VERSION = {"If-Match": "*"}

EXAMPLES: Mapping[str, Example] = {
    "get_health": Example(),
    "get_usage": Example(),
    "list_usage_entries": Example(),
}
