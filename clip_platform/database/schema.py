"""Bringing the database to this code's schema: Alembic, run from code, so that an installed package brings its own."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from clip_platform.database.connection import engine_at, translated_errors

_LOCK = 0x636C6970  # "clip": commands that start at once migrate one after another


def migrate(url: str) -> None:
    """Brings the application's database up to this code's schema, in one transaction; cheap when nothing is to do.

    Args:
        url: as the owner role.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = engine_at(url)
    try:
        with translated_errors(), engine.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
