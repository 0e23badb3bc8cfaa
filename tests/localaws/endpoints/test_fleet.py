"""How a fleet distributes requests, and how it stops."""

import threading
import time
from typing import Any

import pytest

from localaws.endpoints.fleet import Fleet, Member, NoSuchVariantError


class Stub:
    def __init__(self) -> None:
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()


def _fleet() -> tuple[Fleet, list[Any]]:
    containers: list[Any] = [Stub(), Stub()]
    return Fleet({"one": Member(containers[0]), "two": Member(containers[1])}), containers


def test_variants_are_chosen_in_proportion_to_their_weights() -> None:
    fleet, _ = _fleet()
    chosen = [fleet.enter({"one": 3, "two": 1}) for _ in range(4000)]
    assert chosen.count("one") == pytest.approx(3000, abs=250)


def test_a_variant_with_weight_zero_is_chosen_only_by_name() -> None:
    fleet, _ = _fleet()
    assert {fleet.enter({"one": 0, "two": 1}) for _ in range(200)} == {"two"}
    assert fleet.enter({"one": 0, "two": 1}, "one") == "one"
    with pytest.raises(NoSuchVariantError):
        fleet.enter({"one": 0, "two": 1}, "three")


def test_a_draining_fleet_stops_after_its_last_request() -> None:
    fleet, containers = _fleet()
    fleet.enter({}, "two")
    stopping = threading.Thread(target=fleet.stop, kwargs={"drain": True})
    stopping.start()
    time.sleep(0.1)
    assert not any(container.stopped.is_set() for container in containers)
    fleet.leave("two")
    stopping.join(5)
    assert all(container.stopped.is_set() for container in containers)
