"""Notices closed accounts and removes what Dagster knows of them; the rest of an erasure is the worker's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.resources.erasure import ErasureResource
from clip_platform.sensors import forgetting

if TYPE_CHECKING:
    from clip_platform.database.erasure import DueErasure, Step
    from clip_platform.database.redaction import Position

_INTERVAL_S = 10
_TICK_S = 30.0
"""How long one tick works; the next one goes on."""


@dg.sensor(
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Removes runs, logs, partitions and events of accounts that are closed, and their names elsewhere.",
)
def closed_accounts(context: dg.SensorEvaluationContext, erasure: ErasureResource) -> dg.SensorResult | dg.SkipReason:
    due = erasure.due()
    if due is None:
        return dg.SkipReason("no account is closed")
    until = time.monotonic() + _TICK_S
    position = _forget(context, erasure, *due, lambda: time.monotonic() < until)
    step, account = due
    return dg.SensorResult(cursor=position, skip_reason=f"{account.request_id}: {step}, {position or 'done'}")


def _forget(
    context: dg.SensorEvaluationContext,
    erasure: ErasureResource,
    step: Step,
    account: DueErasure,
    may_go_on: Callable[[], bool],
) -> str:
    """Where to go on, to be the cursor; empty when the step is done."""
    from clip_platform.database.redaction import Redactor

    instance, place = context.instance, f"{account.request_id}/{step}"
    if step == "pipeline_check" and forgetting.others_may_still_write(instance, account.after_done_at):
        return ""
    ids = erasure.ids(account)
    after = _position(context.cursor, place)
    if after is None:
        for run in forgetting.runs_of(instance, account.tenant_id, ids):
            erasure.remember(account, {run.run_id, *run.tags.get("dagster/partition", "").split()})
            forgetting.forget_run(instance, run)
            erasure.removed(account, step, runs=1)
            if not may_go_on():
                return ""
        ids = erasure.ids(account)
        forgetting.free_slots_of(instance, ids)
        erasure.removed(account, step, partitions=forgetting.forget_partitions(instance, ids))
    changed, after = forgetting.redact(instance, Redactor(ids, account.tenant_id), after, may_go_on)
    erasure.removed(account, step, rows=changed)
    if after is not None:
        return json.dumps([place, after.table, after.row_id])
    erasure.done(account, step)
    return ""


def _position(cursor: str | None, place: str) -> Position | None:
    from clip_platform.database.redaction import Position

    told, table, row_id = json.loads(cursor) if cursor else ("", "", 0)
    return Position(table, row_id) if told == place else None
