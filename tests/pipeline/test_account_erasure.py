"""A closed account: nothing in any store names it afterwards, and everybody else's things are as they were."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from clip_platform.database import erasure, erasure_receipts, jobs, roles, tenants
from clip_platform.database.connection import Database
from clip_platform.database.erasure import Step
from clip_platform.definitions import build_definitions
from clip_platform.encryption import receipts
from clip_platform.encryption.keys import Keys
from clip_platform.encryption.opening import keys_at
from clip_platform.encryption.receipts import PURPOSE, ReceiptSigner
from clip_platform.errors import AccountClosing, Conflict, InvalidInput
from clip_platform.identifiers import new_ulid
from clip_platform.partitions import videos as video_partitions
from clip_platform.resources.erasure import ErasureResource
from clip_platform.sensors.erasure import closed_accounts
from clip_platform.sensors.uploads import TENANT_TAG
from clip_platform.settings import Settings
from clip_platform.storage.objects import ObjectStore, open_store
from clip_platform.storage.parts.opening import open_part_store
from clip_platform.storage.parts.protocol import PartStore
from clip_platform.worker.erasure import Eraser
from tests.conftest import MigratedServer
from tests.database.one_of_each import fill_every_table
from tests.pipeline.conftest import door_resource

GONE, STAYS = "quux-industries", "globex"
NAME = "Quux Industries GmbH"


@dataclass
class Account:
    tenant_id: str
    video_id: str
    run_id: str = ""


@dataclass
class World:
    """Two accounts in every store of a platform, and what erases one of them."""

    server: MigratedServer
    home: Path
    instance: dg.DagsterInstance
    keys: Keys
    objects: ObjectStore
    parts: PartStore
    worker: Database
    api: Database
    gone: Account
    stays: Account

    @property
    def eraser(self) -> Eraser:
        """A worker that has just been started."""
        return Eraser(self.worker, self.objects, self.parts, self.keys, (self.home / "logs",), settle=timedelta())

    def close(self, confirmation: str = NAME) -> str:
        """The request's id and the secret of its receipt, in one text."""
        secret, hash_ = receipts.new_secret()
        with self.api.tenant_transaction(GONE) as connection:
            asked = erasure.ask(connection, "member:x", confirmation, hash_)
        self.secret_hash = hash_
        del secret
        return asked.request_id

    def tick(self) -> None:
        """The pipeline's part."""
        resource = ErasureResource(
            sensors_database=door_resource(self.server, roles.SENSORS),
            database=door_resource(self.server, roles.PIPELINE),
            settle_minutes=0,
        )
        with dg.build_sensor_context(
            instance=self.instance, definitions=build_definitions(), resources={"erasure": resource}
        ) as context:
            closed_accounts(context)

    def finish(self, request_id: str) -> None:
        for _ in range(5):
            if self.eraser.go_on(request_id):
                return
            self.tick()
        raise AssertionError("the erasure does not come to its end")

    def receipt(self) -> dict[str, Any]:
        with self.api.across_tenants() as connection:
            found = erasure_receipts.find(connection, self.secret_hash)
        assert found is not None
        assert found.receipt is not None
        public_key = ReceiptSigner(self.keys.secret(PURPOSE)).public_key
        return dict(receipts.verify(found.receipt, public_key))

    def traces(self, account: Account, *more: str) -> dict[str, int]:
        """How often each store names the account, by table or file; stores that do not are left out."""
        needles = [account.tenant_id, account.video_id, account.run_id, *more]
        found = {}
        for database in ("clip_platform", "dagster"):
            url = self.server.server.url("postgres", database, "postgresql")
            with closing(psycopg.connect(url, autocommit=True)) as connection:
                for schema, table in connection.execute("""
                    select schemaname, tablename from pg_tables
                    where schemaname not in ('pg_catalog', 'information_schema')""").fetchall():
                    row = connection.execute(
                        f'select count(*) from "{schema}"."{table}" as t'
                        " where exists (select from unnest(%s::text[]) as needle where strpos(t::text, needle) > 0)",
                        [needles],
                    ).fetchone()
                    if row != (0,):
                        found[f"{database}.{schema}.{table}"] = row[0]
        for path in sorted(self.home.rglob("*")):
            named = any(needle in str(path.relative_to(self.home)) for needle in needles)
            content = path.read_bytes() if path.is_file() else b""
            if named or any(needle.encode() in content for needle in needles):
                found[str(path.relative_to(self.home))] = 1
        return found


@pytest.fixture
def world(empty_database: MigratedServer, worker_door: Database, api_door: Database, tmp_path: Path) -> Iterator[World]:
    settings = Settings(home=tmp_path, api_url="http://127.0.0.1:1")
    keys = keys_at(settings.master_key_address, settings.key_store_url, make=True)
    with dagster_on(empty_database, tmp_path / "dagster") as instance:
        made = World(
            server=empty_database,
            home=tmp_path,
            instance=instance,
            keys=keys,
            objects=open_store(settings.store_url, keys.tenants),
            parts=open_part_store(settings, keys),
            worker=worker_door,
            api=api_door,
            gone=Account(GONE, new_ulid()),
            stays=Account(STAYS, new_ulid()),
        )
        for account in (made.gone, made.stays):
            fill(made, account)
        share(made)
        yield made


def dagster_on(server: MigratedServer, folder: Path) -> Any:
    """An instance with its tables in the session's Postgres, emptied."""
    folder.mkdir()
    url = server.server.url(roles.DAGSTER, "dagster", "postgresql+psycopg2")
    (folder / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: {json.dumps(url)}}}}}\ntelemetry: {{enabled: false}}\n"
    )
    instance = dg.DagsterInstance.from_config(str(folder))
    instance.wipe()
    instance.wipe_all_schedules()
    return instance


def fill(world: World, account: Account) -> None:
    tenant_id, video_id = account.tenant_id, account.video_id
    with world.server.superuser() as connection:
        name = NAME if tenant_id == GONE else "Globex"
        connection.execute("insert into tenants (tenant_id, name) values (%s, %s)", [tenant_id, name])
    account.run_id = run_in_dagster(world.instance, account)
    fill_every_table(world.server, tenant_id, video_id)
    with world.server.superuser() as connection:
        connection.execute("delete from erasure_requests where tenant_id = %s", [tenant_id])
        connection.execute("update attempts set run_id = %s where tenant_id = %s", [account.run_id, tenant_id])
    with world.worker.across_tenants() as connection:
        jobs.put(connection, jobs.QUEUE_OF_WORK, jobs.VERIFY, f"v/{video_id}", {"tenant_id": tenant_id})
    for key in (
        f"videos/{video_id}/clips/a.mp4",
        "learning/feedback/2026-01-01.parquet",
        "learning/examples-x/1.parquet",
    ):
        world.objects.put_bytes(f"{tenant_id}/{key}", b"bytes of " + tenant_id.encode())
    world.parts.begin(f"{tenant_id}/videos/{new_ulid()}/source/upload", "video/mp4", 100, 1)
    logs = world.home / "logs"
    logs.mkdir(exist_ok=True)
    with (logs / "worker.log").open("a") as log:
        log.write(json.dumps({"level": "info", "message": "done", "tenant": tenant_id, "video": video_id}) + "\n")
        log.write(f"Traceback: {tenant_id}/videos/x is gone\n")


def run_in_dagster(instance: dg.DagsterInstance, account: Account) -> str:
    """A run of one video that leaves a materialization, a check, a log and a partition."""

    @dg.asset(partitions_def=video_partitions, check_specs=[dg.AssetCheckSpec("whole", asset="clip_packages")])
    def clip_packages(context) -> dg.MaterializeResult:  # type: ignore[type-arg]
        print(f"packing {account.tenant_id}")
        return dg.MaterializeResult(
            metadata={"object": f"{account.tenant_id}/videos/{context.partition_key}/x"},
            check_results=[dg.AssetCheckResult(passed=True, check_name="whole", metadata={"of": account.video_id})],
        )

    instance.add_dynamic_partitions("videos", [account.video_id])
    result = dg.materialize(
        [clip_packages], instance=instance, partition_key=account.video_id, tags={TENANT_TAG: account.tenant_id}
    )
    return result.run_id


def share(world: World) -> None:
    """What Dagster has of all tenants at once: a run over them, and ticks of sensors."""

    @dg.asset
    def model_health() -> dg.MaterializeResult:  # type: ignore[type-arg]
        logging.getLogger("dagster").info("looked at %s", GONE)
        return dg.MaterializeResult(metadata={"worst": GONE, "why": f"worst of 2 tenants is {GONE}, then {STAYS}"})

    dg.materialize([model_health], instance=world.instance)
    for account in (world.gone, world.stays):
        world.instance.create_tick(
            TickData(
                "origin",
                "finished_uploads",
                InstigatorType.SENSOR,
                TickStatus.SUCCESS,
                1.0,
                run_ids=[account.run_id],
                run_keys=[f"{account.video_id}:1"],
                selector_id="uploads",
            )
        )


def test_nothing_names_a_closed_account_and_others_are_as_they_were(world: World):
    others = world.traces(world.stays)
    assert len(world.traces(world.gone, NAME)) >= 40  # else there is nothing to find

    request_id = world.close()
    world.finish(request_id)

    assert world.traces(world.gone, NAME) == {}
    assert world.traces(world.stays) == others
    receipt = world.receipt()
    assert receipt["account"] == receipts.commitment(request_id, GONE)
    counts = {one["step"]: one["counts"] for one in receipt["removed"]}
    assert list(counts) == [str(step) for step in Step]
    assert counts["objects"]["objects"] == 1
    assert counts["learning"] == {"files": 2}
    assert counts["rows"]["clips"] == 1
    assert counts["uploads"] == {"uploads": 1}
    assert (counts["pipeline"]["runs"], counts["pipeline"]["partitions"]) == (1, 1)
    assert set(counts["check"].values()) == {0}


class Killed(BaseException):
    """What `kill -9` does to a process: nothing is caught, nothing is tidied up."""


def test_killed_before_and_after_every_step_it_goes_on_and_counts_once(world: World, monkeypatch: pytest.MonkeyPatch):
    others = world.traces(world.stays)
    calls: dict[Step, int] = {}
    write = erasure.done

    def dying(db: Database, tenant_id: str, request_id: str, step: Step) -> None:
        calls[step] = calls.get(step, 0) + 1
        if calls[step] == 1:
            raise Killed
        write(db, tenant_id, request_id, step)
        raise Killed

    monkeypatch.setattr(erasure, "done", dying)
    request_id = world.close()
    kills = 0
    for _ in range(6 * len(Step)):
        try:
            if world.eraser.go_on(request_id):
                break
            world.tick()
        except Killed:
            kills += 1

    assert kills == 2 * len(Step)
    assert world.traces(world.gone, NAME) == {}
    assert world.traces(world.stays) == others
    counts = {one["step"]: one["counts"] for one in world.receipt()["removed"]}
    assert (counts["objects"]["objects"], counts["learning"]["files"], counts["rows"]["clips"]) == (1, 2, 1)
    assert counts["pipeline"]["runs"] == 1


def test_killed_between_any_two_rows_it_goes_on(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erasure, "_ROWS_AT_ONCE", 1)
    add, left = erasure._add, [0]

    def dying(*args: Any) -> None:
        add(*args)
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    monkeypatch.setattr(erasure, "_add", dying)
    request_id = world.close()
    for lives in range(100):
        left[0] = lives
        try:
            if world.eraser.go_on(request_id):
                break
            world.tick()
        except Killed:
            continue

    assert world.traces(world.gone, NAME) == {}
    assert {one["step"]: one["counts"] for one in world.receipt()["removed"]}["rows"]["clips"] == 1


def test_erased_twice_is_erased_once(world: World):
    request_id = world.close()
    world.finish(request_id)
    receipt, others = world.receipt(), world.traces(world.stays)

    assert world.eraser.go_on(request_id)
    world.tick()

    assert world.receipt() == receipt
    assert world.traces(world.stays) == others


def test_what_comes_in_late_is_found(world: World):
    request_id = world.close()
    for _ in range(2):  # up to where the worker waits for the pipeline to look again
        world.eraser.go_on(request_id)
        world.tick()
    world.objects.put_bytes(f"{GONE}/videos/{world.gone.video_id}/clips/late.mp4", b"late")  # makes a key again, too
    world.parts.begin(f"{GONE}/videos/{new_ulid()}/source/upload", "video/mp4", 100, 1)
    with (world.home / "logs" / "worker.log").open("a") as log:
        log.write(f"late about {world.gone.video_id}\n")

    world.finish(request_id)

    assert world.traces(world.gone, NAME) == {}
    checked = {one["step"]: one["counts"] for one in world.receipt()["removed"]}["check"]
    assert {name: checked[name] for name in ("objects", "uploads", "keys", "log_lines")} == {
        "objects": 1, "uploads": 1, "keys": 1, "log_lines": 1,
    }  # fmt: skip


def test_it_is_not_done_before_what_was_under_way_is_over(world: World):
    request_id = world.close()
    patient = replace(world.eraser, settle=timedelta(minutes=15))
    for _ in range(4):
        patient.go_on(request_id)
        world.tick()

    assert not patient.go_on(request_id)
    later = replace(patient, clock=lambda: patient.clock() + timedelta(minutes=16))
    assert later.go_on(request_id)


def test_the_operators_trail_says_that_an_account_was_erased_and_not_whose(world: World):
    request_id = world.close()
    world.finish(request_id)

    with world.server.superuser() as connection:
        rows = connection.execute(
            "select action, resource, details from audit_events where tenant_id = 'operators'"
        ).fetchall()
    assert rows == [("account.erased", f"erasure_request:{request_id}", {"in_time": True})]


def test_only_the_name_closes_an_account_and_only_once(world: World, database: Database):  # noqa: ARG001
    for typed in ("", GONE, NAME.lower(), f" {NAME}"):
        with pytest.raises(InvalidInput, match="not the account's name"):
            world.close(typed)
    with world.api.tenant_transaction(GONE) as connection:
        tenants.expect_open(connection)

    world.close()

    with pytest.raises(Conflict):
        world.close()
    with pytest.raises(AccountClosing), world.api.tenant_transaction(GONE) as connection:
        tenants.expect_open(connection)


def test_rows_cannot_be_erased_of_an_account_that_is_open(world: World):
    with pytest.raises(Exception, match="no erasure of this tenant is under way"):
        erasure.erase_rows(world.worker, STAYS, "ers_x", Step.ROWS)
