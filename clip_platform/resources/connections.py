"""One engine and one store per process and address, however many resources name them."""

from __future__ import annotations

from functools import cache

from clip_platform.database.connection import Database
from clip_platform.storage.objects import ObjectStore, open_store


@cache
def database_at(url: str) -> Database:
    return Database(url)


@cache
def store_at(url: str) -> ObjectStore:
    return open_store(url)
