"""`openapi`: the API's document as it is committed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import SecretStr

from clip_platform.api.app import build_app
from clip_platform.api.openapi import describe, written
from clip_platform.api.opening import open_services
from clip_platform.encryption.master import open_master_key
from clip_platform.settings import Settings


def write_openapi(path: Path) -> int:
    """Needs no server: nothing is asked of the database that is named here."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), database_host="localhost", database_api_password=SecretStr("unused"))
        open_master_key(settings.master_key_address, make=True)  # only here may one be made although a server is named
        with open_services(settings) as services:
            path.write_text(written(describe(build_app(services))), encoding="utf-8")
    return 0
