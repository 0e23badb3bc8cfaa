"""The recording of the road is what the road does today."""

import os
from pathlib import Path

from tests.deployed import Deployed
from tests.policy.road import record, recorded, walk
from tests.running import LocalAws


def test_the_road_asks_for_nothing_that_is_not_recorded(staging: Deployed, localaws: LocalAws, tmp_path: Path) -> None:
    found = walk(staging, localaws, tmp_path)
    if os.environ.get("REWRITE"):
        record(found)
    before = recorded()
    new = {who: sorted(asks - before.get(who, set())) for who, asks in found.items()}
    assert not any(new.values()), f"run scripts/security_docs.py and review what is new: {new}"
