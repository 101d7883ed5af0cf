"""Erasing a closed account, step by step, and its receipt. The pipeline does the steps that need Dagster
(`sensors/erasure.py`); this goes on when they are done.

A worker may be killed anywhere: a step is written down when it is done, and doing it twice is doing it once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from clip_platform.database import audit, erasure, erasure_receipts, operators
from clip_platform.database.connection import Database
from clip_platform.database.erasure import DoneStep, ErasureRequest, Step
from clip_platform.encryption.keys import Keys
from clip_platform.encryption.receipts import PURPOSE, ReceiptSigner, commitment
from clip_platform.storage.objects import ObjectStore
from clip_platform.storage.parts.protocol import PartStore
from clip_platform.worker.log_redaction import redact

_LOOKS_AGAIN = timedelta(seconds=20)
_ACTOR = "process:worker"
_log = logging.getLogger(__name__)
Found = Callable[..., None]
"""Called with what a step finds, by kind, before it is removed."""

REMAINS = (
    {
        "where": "models in MLflow, and copies of models that served, on the platform's disks",
        "what": "numbers that were learned from the examples of all tenants together, and up to a few dozen numbers of "
        "the account's own under its id; figures of how well a model ranked its clips, which are drawn in Dagster's "
        "history, too; no row, and nothing of what was said or shown in a video",
        "until": "each model is deleted; models trained after this erasure have learned nothing from the account",
    },
    {
        "where": "backups of the object store",
        "what": "bytes that nobody can read any more: the key that sealed them is erased. Originals and clips that S3 "
        "or Azure encrypted go with the key or scope there that is the account's, where the operator gave it one",
        "until": "the backups expire",
    },
    {
        "where": "earlier versions of objects in Azure, where the container keeps versions",
        "what": "bytes that Azure encrypted with the account's scope, or that nobody can read any more",
        "until": "the container's own policy ends them",
    },
    {
        "where": "the database server's own log, and scratch folders of steps that were killed",
        "what": "ids in messages of failed statements; parts of a video that was being worked on",
        "until": "the server's log is rotated away; the step's machine or volume is gone",
    },
    {
        "where": "backups of the databases",
        "what": "the rows as they were when the backup was taken",
        "until": "the backups expire; whoever restores one has to erase again what was erased since",
    },
    {
        "where": "the locked copy of the audit trail, where the operator keeps one",
        "what": "who did what to which id, without names, addresses or content",
        "until": "its lock ends; nobody can delete it before",
    },
    {
        "where": "logs that the operator's own collectors took from the platform's processes",
        "what": "ids and error messages",
        "until": "the collectors forget them",
    },
)
"""What an erasure does not reach, in every receipt. A model is not trained anew for an erasure: its numbers mix all
tenants' examples and cannot be told apart; the next weekly training no longer sees the account."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """`log_folders`: where processes of this machine write logs. `settle`: what was under way when the account was
    halted is over after so long; then everything is searched once more."""

    database: Database
    object_store: ObjectStore
    part_store: PartStore
    keys: Keys
    log_folders: Sequence[Path]
    settle: timedelta = timedelta(minutes=15)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def go_on(self, request_id: str) -> bool:
        """Does what can be done now; True when the account is gone.

        Raises:
            StorageUnavailable: to be tried again; so is whatever else goes wrong.
        """
        with self.database.across_tenants() as connection:
            tenant_id = erasure.tenant_of(connection, request_id)
        if tenant_id is None:
            return True
        for step in Step:
            done = self._steps(tenant_id, request_id)
            if step not in done:
                if not self._take(step, tenant_id, request_id, done):
                    self._wait(tenant_id, request_id)
                    return False
                erasure.done(self.database, tenant_id, request_id, step)
                _log.info("a step of an erasure is done", extra={"erasure": request_id, "step": str(step)})
        self._close(tenant_id, request_id)
        return True

    def _take(self, step: Step, tenant_id: str, request_id: str, done: Mapping[Step, DoneStep]) -> bool:
        """Whether the step is through; it may not be its time yet, or the pipeline's to do."""

        def found(**counts: int) -> None:
            erasure.found(self.database, tenant_id, request_id, step, counts)

        match step:
            case Step.HALT:
                erasure.halt(self.database, tenant_id, request_id)
            case Step.UPLOADS:
                found(uploads=self.part_store.abort_all(tenant_id))
            case Step.LEARNING:
                found(files=len(self.object_store.list_keys(f"{tenant_id}/learning")))
                self.object_store.delete_prefix(f"{tenant_id}/learning")
            case Step.OBJECTS:
                self._erase_objects(tenant_id, found)
            case Step.ROWS:
                erasure.erase_rows(self.database, tenant_id, request_id, step)
            case Step.KEYS:
                self._erase_key(tenant_id, found)
            case Step.LOGS:
                self._redact(tenant_id, request_id, found)
            case Step.CHECK:
                return self._check(tenant_id, request_id, done, found)
            case _:
                return False
        return True

    def _erase_objects(self, tenant_id: str, found: Found) -> None:
        found(objects=len(self.object_store.list_keys(tenant_id)))
        self.object_store.delete_prefix(tenant_id)
        found(versions=self.part_store.delete_versions(tenant_id))

    def _erase_key(self, tenant_id: str, found: Found) -> None:
        found(keys=int(self.keys.tenants.holds(tenant_id)))
        self.keys.tenants.erase(tenant_id)

    def _redact(self, tenant_id: str, request_id: str, found: Found) -> None:
        ids = erasure.ids(self.database, tenant_id, request_id)
        found(log_lines=sum(redact(folder, tenant_id, ids) for folder in self.log_folders))

    def _check(self, tenant_id: str, request_id: str, done: Mapping[Step, DoneStep], found: Found) -> bool:
        """Everything once more, when nothing that began before can still be writing."""
        if self.clock() < done[Step.ROWS].done_at + self.settle:
            return False
        found(uploads=self.part_store.abort_all(tenant_id))
        self._erase_objects(tenant_id, found)
        erasure.erase_rows(self.database, tenant_id, request_id, Step.CHECK)
        self._erase_key(tenant_id, found)
        self._redact(tenant_id, request_id, found)
        return erasure.jobs_left(self.database, tenant_id) == 0

    def _close(self, tenant_id: str, request_id: str) -> None:
        """The account's last row, the receipt and the operators' record of it, in one transaction."""
        with self.database.tenant_transaction(tenant_id) as connection:
            request = erasure.get(connection, request_id)
            steps = erasure.steps(connection, request_id)
            completed_at = self.clock()
            receipt = self._receipt(request, commitment(request_id, tenant_id), steps, completed_at)
            signer = ReceiptSigner(self.keys.secret(PURPOSE))
            erasure.forget_account(connection)
            erasure_receipts.complete(connection, request_id, completed_at, signer.sign(receipt))
            _record(connection, request, completed_at)
        _log.info("an account is erased", extra={"erasure": request_id})

    def _receipt(
        self, request: ErasureRequest, account: str, steps: Mapping[Step, DoneStep], completed_at: datetime
    ) -> Mapping[str, Any]:
        return {
            "version": 1,
            "request_id": request.request_id,
            "account": account,
            "requested_at": request.requested_at.isoformat(),
            "deadline_at": request.deadline_at.isoformat(),
            "completed_at": completed_at.isoformat(),
            "removed": [
                {"step": str(done.step), "at": done.done_at.isoformat(), "counts": dict(done.removed)}
                for done in steps.values()
            ],
            "remains": [dict(rest) for rest in REMAINS],
        }

    def _steps(self, tenant_id: str, request_id: str) -> dict[Step, DoneStep]:
        with self.database.tenant_transaction(tenant_id) as connection:
            return erasure.steps(connection, request_id)

    def _wait(self, tenant_id: str, request_id: str) -> None:
        with self.database.tenant_transaction(tenant_id) as connection:
            erasure.wait(connection, request_id, self.clock() + _LOOKS_AGAIN)


def _record(connection: Connection, request: ErasureRequest, completed_at: datetime) -> None:
    """In the operators' trail: that an account was erased, and not whose."""
    details = {"in_time": completed_at <= request.deadline_at}
    resource = f"erasure_request:{request.request_id}"
    audit.append(connection, operators.TENANT_ID, _ACTOR, "account.erased", resource, details, None)
