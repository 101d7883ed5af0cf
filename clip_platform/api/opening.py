"""From settings to `Services`, and their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from clip_platform.api.news import News, Source
from clip_platform.api.oidc import open_verifier
from clip_platform.api.rate_limits import RateLimits
from clip_platform.api.services import Services
from clip_platform.database import progress, standing
from clip_platform.database.connection import Database
from clip_platform.database.key_uses import KeyUses, KeyUsesLater
from clip_platform.database.listening import Listener
from clip_platform.encryption.opening import open_keys
from clip_platform.encryption.receipts import PURPOSE, ReceiptSigner
from clip_platform.errors import InvalidSetting
from clip_platform.settings import Settings
from clip_platform.storage.objects import open_store
from clip_platform.storage.parts.opening import open_part_store


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
    key_uses = KeyUsesLater(KeyUses(database, "api"))
    keys = open_keys(settings, key_uses)
    news = open_news(settings, url, database)
    try:
        yield Services(
            settings=settings,
            database=database,
            object_store=open_store(settings.store_url, keys.tenants, kms_key=settings.s3_kms_key),
            part_store=open_part_store(settings, keys),
            columns=keys.columns,
            rate_limits=RateLimits(settings),
            verifier=open_verifier(settings),
            receipts=ReceiptSigner(keys.secret(PURPOSE)),
            news=news,
        )
    finally:
        news.close()
        key_uses.close()
        database.close()


def open_news(settings: Settings, database_url: str, database: Database) -> News:
    """Out of Redis when it is set, where the worker passes news on; otherwise from Postgres."""
    redis_url = settings.redis_url

    def open_source() -> Source:
        if redis_url is None:
            return Listener(database_url, progress.CHANNEL)
        from clip_platform.api.redis_news import RedisSource

        return RedisSource(redis_url.get_secret_value())

    def read(tenant_id: str, video_ids: Sequence[str]) -> Mapping[str, standing.Standing]:
        with database.tenant_transaction(tenant_id) as connection:
            return standing.of(connection, video_ids)

    return News(open_source, read)
