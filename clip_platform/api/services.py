"""What every route may use, made once per process. How it is made from settings is in `opening`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_platform.database.connection import Database
from clip_platform.settings import Settings
from clip_platform.storage.objects import ObjectStore

if TYPE_CHECKING:
    from clip_platform.api.news import News
    from clip_platform.api.oidc import Verifier
    from clip_platform.api.rate_limits import RateLimits
    from clip_platform.encryption.columns import ColumnCipher
    from clip_platform.encryption.receipts import ReceiptSigner
    from clip_platform.storage.parts.protocol import PartStore


@dataclass(frozen=True, slots=True)
class Services:
    """`database` is the API's role: it sees a tenant only inside that tenant's transaction. `verifier` is None where no
    identity provider is configured."""

    settings: Settings
    database: Database
    object_store: ObjectStore
    part_store: PartStore
    columns: ColumnCipher
    rate_limits: RateLimits
    verifier: Verifier | None
    receipts: ReceiptSigner
    news: News
