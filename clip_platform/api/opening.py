"""From settings to `Services`, and their end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clip_platform.api.services import Services
from clip_platform.database.connection import Database
from clip_platform.errors import InvalidSetting
from clip_platform.settings import Settings
from clip_platform.storage.objects import open_store


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """
    Raises:
        InvalidSetting: no database server is named, or something else cannot be opened.
    """
    url = settings.database_url("api")
    if url is None:
        raise InvalidSetting(
            "CLIP_PLATFORM_DATABASE_HOST is not set; name the server, or start all with `clip-platform up`"
        )
    database = Database(url)
    try:
        yield Services(
            settings=settings,
            database=database,
            object_store=open_store(settings.store_url),
            part_store=None,  # type: ignore[arg-type]
            columns=None,  # type: ignore[arg-type]
            rate_limits=_Unlimited(),  # type: ignore[arg-type]
            verifier=None,
            news=None,  # type: ignore[arg-type]
        )
    finally:
        database.close()


class _Unlimited:
    def hit(self, principal: object) -> None:
        del principal
