"""Uses of tenants' keys in their audit trails: one event when a process unwraps a tenant's key."""

from __future__ import annotations

import logging
import queue
import threading
import time

from clip_platform.database import audit
from clip_platform.database.connection import Database
from clip_platform.errors import TransientError

_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


class KeyUses:
    """Called with tenant and purpose. `process` is the actor: `api`, `worker`, `pipeline`.

    Raises:
        StorageUnavailable: the event cannot be written; a key is not used without it.
    """

    def __init__(self, database: Database, process: str) -> None:
        self._database = database
        self._actor = f"process:{process}"

    def __call__(self, tenant_id: str, purpose: str) -> None:
        about = (self._actor, "key.used", f"key:tenants/{tenant_id}", {"purpose": purpose})
        with self._database.tenant_transaction(tenant_id) as connection:
            audit.append(connection, tenant_id, *about, None)


class KeyUsesLater:
    """As `KeyUses`, in a thread of its own: for callers that may hold the trail's lock, or the last connection."""

    def __init__(self, uses: KeyUses) -> None:
        self._uses = uses
        self._waiting: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="key-uses", daemon=True)
        self._thread.start()

    def __call__(self, tenant_id: str, purpose: str) -> None:
        self._waiting.put((tenant_id, purpose))

    def close(self, timeout_s: float = 5.0) -> None:
        """Writes what waits, for so long."""
        self._waiting.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.error("uses of keys are missing in the audit trail: the database did not take them in time")

    def _write(self) -> None:
        while (use := self._waiting.get()) is not None:
            while not self._is_written(*use):
                time.sleep(_AGAIN_S)

    def _is_written(self, tenant_id: str, purpose: str) -> bool:
        try:
            self._uses(tenant_id, purpose)
        except TransientError as error:
            _log.warning("a key's use waits for the audit trail", extra={"tenant": tenant_id, "error": error.message})
            return False
        except Exception:  # noqa: BLE001  one tenant's fault must not end the trails of all others
            _log.exception("a key's use is missing in the audit trail", extra={"tenant": tenant_id})
        return True
