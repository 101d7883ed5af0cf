"""Keeps a run's lease on its video while this process lives.

One thread a run and process, not a step: between two steps of one process the lease must hold too. A process that is
killed stops renewing, and is known to be dead; one that ends well hands the lease over to the run's next step.
"""

from __future__ import annotations

import atexit
import logging
import threading

from clip_platform.database import leases
from clip_platform.database.connection import Database
from clip_platform.errors import TransientError

LEASE_TTL_S = 20.0
_BEAT_S = 4.0
_UNTIL_NEXT_STEP_S = 600.0
"""A step of another process may have to wait for a pod."""

_log = logging.getLogger(__name__)
_beating: dict[str, _Heartbeat] = {}
_guard = threading.Lock()


def keep_lease(database: Database, tenant_id: str, video_id: str, run_id: str) -> None:
    """Takes the lease for the run and renews it until the run lets go of it, or this process ends.

    Raises:
        AlreadyRunning: another live run holds it.
    """
    leases.acquire(database, tenant_id, video_id, run_id, leases.this_process(), LEASE_TTL_S)
    with _guard:
        if run_id not in _beating:
            _beating[run_id] = _Heartbeat(database, tenant_id, video_id, run_id)


class _Heartbeat:
    def __init__(self, database: Database, tenant_id: str, video_id: str, run_id: str) -> None:
        self._database, self._tenant_id, self._video_id, self._run_id = database, tenant_id, video_id, run_id
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease-heartbeat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        held = True
        while held and not self._done.wait(_BEAT_S):
            try:
                held = leases.renew(self._database, self._tenant_id, self._video_id, self._run_id, LEASE_TTL_S)
            except TransientError as error:  # the next beat tries again; the lease outlives several
                _log.warning("lease not renewed", extra={"error": error.message})
        with _guard:
            _beating.pop(self._run_id, None)

    def hand_over(self) -> None:
        self._done.set()
        try:
            leases.hand_over(self._database, self._tenant_id, self._video_id, self._run_id, _UNTIL_NEXT_STEP_S)
        except TransientError as error:  # the lease then lapses with this process, as if it had been killed
            _log.warning("lease not handed over", extra={"error": error.message})


@atexit.register
def _hand_over_all() -> None:
    with _guard:
        beating = list(_beating.values())
    for heartbeat in beating:
        heartbeat.hand_over()
