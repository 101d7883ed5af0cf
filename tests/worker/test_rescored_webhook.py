"""A tenant whose clips are shown with other scores is told once, not clip by clip."""

from __future__ import annotations

import json
from datetime import date

from clip_platform.database import rescoring
from clip_platform.database.connection import Database
from tests.database.archive import make_clips, scores_csv
from tests.unit.network.servers import says, serving
from tests.worker.conftest import Office

DAY = date(2026, 3, 2)


def test_who_asked_for_it_is_told_of_the_new_version_in_one_delivery(office: Office, rescorer_door: Database) -> None:
    keys = make_clips(office.server, "acme", DAY, videos=3)
    rescoring.begin(rescorer_door, "7")
    rescoring.write_day(rescorer_door, "7", DAY, scores_csv("acme", keys, 70))
    with serving(says(204)) as peer:
        office.endpoint(peer.url("/rescored"), ("clip.rescored",))
        office.endpoint(peer.url("/rendered"), ("clip.rendered",))
        office.endpoint(peer.url("/globex"), ("clip.rescored",), tenant_id="globex")
        rescoring.flip(rescorer_door, "7")
        office.rounds()

    ((_, path, _, body),) = peer.seen
    content = json.loads(body)
    assert (path, content["type"]) == ("/rescored", "clip.rescored")
    assert content["data"] == {
        "model_version": "engagement-7", "previous_version": None, "clips": 6, "changed": 6,
    }  # fmt: skip
